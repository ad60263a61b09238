import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { type RiskBody } from '../commands.ts';
import { RISK_STORE, type RiskStore } from '../tokens.ts';
import { sourcesOf } from './sources.ts';

const { SettlementMode } = settlementV1;

/** Settlements to be screened. */
@Controller()
export class ScreeningMessages {
  readonly #store: RiskStore;

  constructor(@Inject(RISK_STORE) store: RiskStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.screening.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.screening.message, schemaVersionMax: 1 }),
    );
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<RiskBody> {
  const requested = settlementV1.ScreeningRequested.decode(payload);
  const { settlementId, fromInstitution, toInstitution, settlementMode, paidOutside } = requested;
  const isLedgerOnly = settlementMode === SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
  return command({
    kind: 'screen',
    subject: { id: settlementId, kind: 'settlement' },
    // 0 where nobody knows what it is worth: a person decides then, whatever is found here.
    amountSats: requested.valueSats,
    merchantId: toInstitution,
    institutions: [fromInstitution, toInstitution],
    sources: isLedgerOnly ? [] : sourcesOf(requested.fundingSources),
    sourcesNote: isLedgerOnly ? 'settled on the ledger: no coins are spent' : 'no deposit from outside funds the coins',
    ...(paidOutside && { paidOutside: { script: paidOutside.script.toLowerCase(), address: paidOutside.address } }),
  });
}
