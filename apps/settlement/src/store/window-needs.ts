import type { Capped } from './capped.ts';
import type { Batch } from '@finality/event-store';
import { netPayoutId, type Pair, pairKey, pairOf, walletsOfChoice } from '@finality/settlement';
import { NETTING_ID, nettingStream, settlementStream, windowPayoutStream, windowStream } from './streams.ts';
import type { WindowCommand } from './window-commands.ts';

/** Of one institution. */
export interface ClosingPayouts {
  readonly institutionId: string;
  readonly walletIds: readonly string[];
  readonly settlementIds: readonly string[];
}

/** What a batch has to be loaded with to decide about windows. */
export class WindowNeeds {
  /** Windows whose streams are needed. */
  readonly ids = new Set<string>();
  /** Windows whose positions are needed, because they may close. */
  readonly closing = new Set<string>();
  /** Institutions whose choice of what is paid out is needed. */
  readonly payoutsOf = new Set<string>();
  /** Institutions that may get a cap, or another one: their positions are needed. */
  readonly capping: Capped[] = [];
  /** Pairs whose window may close, whichever it is. */
  readonly #ending: Pair[] = [];
  #isNeeded = false;

  /** @returns institutions that are needed */
  command(body: WindowCommand): readonly string[] {
    this.#isNeeded = true;
    switch (body.type) {
      case 'open_window':
        this.ids.add(body.windowId);
        return [];
      case 'close_window':
        this.ids.add(body.closing.windowId).add(body.closing.nextWindowId);
        this.closing.add(body.closing.windowId);
        return [];
      case 'agree_netting':
        this.ids.add(body.windowId);
        return [body.request.institutionId, body.request.counterpartyId];
      case 'choose_window_payout':
        this.payoutsOf.add(body.request.institutionId);
        return [body.request.institutionId];
      case 'set_debit_cap':
        this.capping.push(body.request);
        return [body.request.institutionId];
      case 'end_netting':
        this.#ending.push(pairOf(body.request.institutionId, body.request.counterpartyId));
        return [];
    }
  }

  /** @param settles whether anything may settle */
  streams(settles: boolean): readonly string[] {
    return [
      ...(this.#isNeeded || settles ? [`${nettingStream.aggregate.name}/${NETTING_ID}`] : []),
      ...[...this.ids].map((id) => `${windowStream.aggregate.name}/${id}`),
      ...[...this.payoutsOf].map((id) => `${windowPayoutStream.aggregate.name}/${id}`),
    ];
  }

  /** Parties of settlements may get a position in what closes. */
  partiesOf(batch: Batch, settlementIds: Iterable<string>): void {
    for (const id of settlementIds) {
      const settlement = batch.state(settlementStream, id);
      if (settlement.status !== 'none') this.payoutsOf.add(settlement.terms.from).add(settlement.terms.to);
    }
  }

  /** Once it is loaded what institutions have chosen: what pays them out of what closes. */
  payouts(batch: Batch): readonly ClosingPayouts[] {
    return [...this.payoutsOf].flatMap((institutionId) => {
      const chosen = batch.state(windowPayoutStream, institutionId);
      if (chosen.status === 'none' || chosen.choice === undefined) return [];
      const settlementIds = [...this.closing].map((windowId) => netPayoutId(windowId, institutionId));
      return [{ institutionId, walletIds: walletsOfChoice(chosen.choice), settlementIds }];
    });
  }

  /** Once it is loaded which windows are open. */
  follow(batch: Batch): void {
    if (this.#ending.length === 0) return;
    const { pairs } = batch.state(nettingStream, NETTING_ID);
    for (const pair of this.#ending) {
      const known = pairs[pairKey(pair)];
      if (known?.status !== 'agreed') continue;
      this.ids.add(known.window.windowId);
      this.closing.add(known.window.windowId);
    }
  }
}
