import { assert } from '@finality/kernel';
import { creditBalance, parseAccountId, type Unit } from '@finality/ledger';
import type { PlacedSettlement } from '../book.ts';
import { UNWOUND_PER_STEP_MAX } from '../process/defaults.ts';
import { lineIn, lineOf } from '../queue.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

/** What the store finds by its tables, by the log alone. */
export function unwindableIn(book: MemoryBook, defaultId: string): readonly PlacedSettlement[] {
  const state = book.defaults.get(defaultId);
  assert(state.status === 'open', 'only what is being closed out is unwound');
  const opened = book.log.findIndex(({ stream }) => stream === `window/${state.windowId}`);
  const streams = book.log.map(({ stream }) => stream);
  return book.settlements
    .all()
    .flatMap((settlement) => {
      if (settlement.status !== 'settled') return [];
      const { settlementId, mode, units } = settlement.terms;
      if (lineOf(settlement.terms) !== lineIn(state.institutionId, state.unit) || mode !== 'centralized') return [];
      if (units?.exchange !== undefined) return [];
      const stream = `settlement/${settlementId}`;
      const place = BigInt(streams.indexOf(stream) + 1);
      const isBelow = state.belowPlace === undefined || place < state.belowPlace;
      return isBelow && streams.lastIndexOf(stream) >= opened ? [{ settlementId, place }] : [];
    })
    .sort((a, b) => (a.place < b.place ? 1 : -1))
    .slice(0, UNWOUND_PER_STEP_MAX);
}

export function contributorsIn({ ledger }: MemoryBook, unit: Unit): readonly string[] {
  return ledger.accounts().flatMap((account) => {
    const name = parseAccountId(account.id);
    const isContribution = name.kind === 'pledge' && name.pledge === 'default_fund' && name.unit === unit;
    return isContribution && creditBalance(account) > 0n ? [name.institutionId] : [];
  });
}
