import { expect } from 'vitest';
import type { LivingSettlement } from '../settlement.ts';
import { type Leg, legsOf, paidOf } from '../unit-terms.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

/** An exchange, or what pays one back, has an end on record, and never settles from then on. */
export function checkEnd({ terms, transitions }: LivingSettlement): void {
  const { settlementId, expiresAt = Number.NaN } = terms;
  const settledAt = transitions.find(({ status }) => status === 'settled')?.at ?? -1;
  expect(settledAt, `${settlementId} settles before its end`).toBeLessThan(expiresAt);
}

const lineOf = ({ from, to, money }: Leg): string => `${from} gives ${to} ${money.amount} ${money.unit}`;
const backwards = (leg: Leg): Leg => ({ from: leg.to, to: leg.from, money: leg.money });

/** What was exchanged is paid back once, by both legs as they were; of anything else no more than was paid. */
export function checkReversals({ settlements }: MemoryBook): void {
  const all = settlements.all().flatMap((state) => (state.status === 'none' ? [] : [state]));
  const originals = new Map(all.map((state) => [state.terms.settlementId, state]));
  const back = all.filter(({ status, terms }) => status === 'settled' && terms.reverses !== undefined);
  for (const [id, reversals] of Map.groupBy(back, ({ terms }) => terms.reverses!)) {
    const { terms } = originals.get(id)!;
    // What a default takes back is as much as is needed.
    if (reversals.some((each) => each.terms.submittedBy === 'default')) continue;
    if (terms.units?.exchange !== undefined) {
      expect(reversals.length, id).toBe(1);
      const legs = legsOf(reversals[0]!.terms).map(lineOf).sort();
      expect(legs, id).toEqual(legsOf(terms).map(backwards).map(lineOf).sort());
      continue;
    }
    const sum = reversals.reduce((total, each) => total + paidOf(each.terms).amount, 0n);
    expect(sum, id).toBeLessThanOrEqual(paidOf(terms).amount);
  }
}
