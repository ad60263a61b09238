import { assert } from '@finality/kernel';
import { type AccountId, accountSpec, BTC, claimPath, clearingClaim, type Unit } from '@finality/ledger';
import type { Settlement, Terms } from './settlement.ts';

/** Among a payer's CENTRALIZED settlements that wait for its liquidity: each class goes before the next, first come first served within. */
export type Priority = 'urgent' | 'high' | 'normal';

/** In the order in which they are paid; a priority's place here is its rank. */
export const PRIORITIES: readonly Priority[] = ['urgent', 'high', 'normal'];

export const rankOf = (priority: Priority): number => PRIORITIES.indexOf(priority);

/** What a settlement goes by in its payer's queue: as it was submitted, or changed since. */
export function priorityOf(state: Exclude<Settlement, { status: 'none' }>): Priority {
  return state.priority ?? state.terms.priority ?? 'normal';
}

/** In a line of its payer's: CENTRALIZED, and short of liquidity. */
export const isInLine = (state: Settlement): state is Extract<Settlement, { status: 'queued' }> =>
  state.status === 'queued' && state.terms.mode === 'centralized';

/** Lines are clearing balances: what a payer has in one unit pays nothing in another. An exchange stands in that of what its payer gives. */
export const lineOf = ({ payer }: Pick<Terms, 'payer'>): string => claimPath(payer);

/** What {@link lineOf} says of whatever the institution pays in the unit. */
export const lineIn = (institutionId: string, unit: Unit = BTC): string =>
  claimPath(clearingClaim(institutionId, unit));

/** What is paid in a line. */
export const unitOfLine = (line: string): Unit => accountSpec(`${line}/available` as AccountId).unit;

/** A line as it was found: as many of the first as were looked for. */
export interface FoundLine {
  readonly line: string;
  /** In order; `rank` is that of the priority. */
  readonly first: readonly { readonly settlementId: string; readonly rank: number }[];
  /** There are others behind them. */
  readonly more: boolean;
}

/** By rank, each in the order in which they came. */
interface Line {
  readonly ranks: readonly Set<string>[];
  /** Whoever has this rank or a later one, and isn't among those found, may have others before him that aren't known. */
  readonly knownBelow: number;
}

/** The lines of payers whose liquidity is lacking, one for each unit, as they change within a batch. */
export class LiquidityQueues {
  readonly #lines = new Map<string, Line>();

  constructor(found: readonly FoundLine[] = []) {
    for (const { line: name, first, more } of found) {
      const line = emptyLine(more ? (first.at(-1)?.rank ?? 0) : PRIORITIES.length);
      for (const { settlementId, rank } of first) line.ranks[rank]!.add(settlementId);
      this.#lines.set(name, line);
    }
  }

  /** What became of a settlement: it joins its line, leaves it, or goes to the end of another priority. */
  changed(state: Settlement): void {
    if (state.status === 'none' || state.terms.mode !== 'centralized') return;
    const joins = isInLine(state);
    if (!joins && this.#lines.size === 0) return;
    const { settlementId } = state.terms;
    const name = lineOf(state.terms);
    for (const rank of this.#lines.get(name)?.ranks ?? []) rank.delete(settlementId);
    if (!joins) return;
    const line = this.#lines.get(name) ?? emptyLine(PRIORITIES.length);
    this.#lines.set(name, line);
    const rank = rankOf(priorityOf(state));
    // Behind others that nobody has looked at: its turn isn't now.
    if (rank < line.knownBelow) line.ranks[rank]!.add(settlementId);
  }

  /** Settlements of the line in the order in which they are to be paid; where it is long, the first of them. */
  of(name: string): readonly string[] {
    return (this.#lines.get(name)?.ranks ?? []).flatMap((rank) => [...rank]);
  }

  /** Whether somebody waits whom one of this priority mustn't overtake. */
  hasBefore(name: string, priority: Priority): boolean {
    const line = this.#lines.get(name);
    if (line === undefined) return false;
    const rank = rankOf(priority);
    return rank >= line.knownBelow || line.ranks.slice(0, rank + 1).some(({ size }) => size > 0);
  }
}

function emptyLine(knownBelow: number): Line {
  assert(knownBelow >= 0 && knownBelow <= PRIORITIES.length, `${knownBelow} is no rank`);
  return { ranks: PRIORITIES.map(() => new Set<string>()), knownBelow };
}
