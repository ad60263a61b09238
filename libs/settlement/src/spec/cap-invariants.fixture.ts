import { expect } from 'vitest';
import { capKey, placeKey } from '../debit-cap.ts';
import { living, type SettlementEvent } from '../settlement.ts';
import { type Leg, legsOf } from '../unit-terms.ts';
import type { NettingEvent } from '../window.ts';
import type { MemoryBook } from './memory-book.fixture.ts';

type Settled = Extract<SettlementEvent, { type: 'settlement_settled' }>;

/** By the log alone: nobody comes to owe more in a window than its cap in the unit then allows; those of a gridlock are judged when all of them have moved. */
export function checkCaps({ log, settlements, policy }: MemoryBook): void {
  const caps = new Map<string, bigint>();
  const nets = new Map<string, bigint>();
  const given: { readonly windowId: string; readonly leg: Leg }[] = [];
  let gridlock: string | undefined;
  const judge = (): void => {
    for (const { windowId, leg } of given.splice(0)) {
      const { from, money } = leg;
      const cap = caps.get(capKey(from, money.unit)) ?? (money.unit === 'BTC' ? policy.debitCapSats : undefined);
      if (cap === undefined) continue;
      const key = placeKey({ windowId, institutionId: from, unit: money.unit });
      expect(nets.get(key)!, `${key} with a cap of ${cap}`).toBeGreaterThanOrEqual(-cap);
    }
  };
  const add = (key: string, by: bigint): void => void nets.set(key, (nets.get(key) ?? 0n) + by);
  for (const { stream, event } of log) {
    if (event.type === 'debit_cap_set') {
      judge();
      const { institutionId, unit, cap } = event as Extract<NettingEvent, { type: 'debit_cap_set' }>;
      if (cap === undefined) caps.delete(capKey(institutionId, unit));
      else caps.set(capKey(institutionId, unit), cap);
    }
    if (event.type !== 'settlement_settled') continue;
    const { windowId, gridlockId } = event as Settled;
    if (windowId === undefined) continue;
    if (gridlockId === undefined || gridlockId !== gridlock) judge();
    gridlock = gridlockId;
    const { terms } = living(settlements.get(stream.slice('settlement/'.length)));
    for (const leg of legsOf(terms)) {
      const { unit, amount } = leg.money;
      add(placeKey({ windowId, institutionId: leg.from, unit }), -amount);
      add(placeKey({ windowId, institutionId: leg.to, unit }), amount);
      // What a default takes back isn't the payer's to refuse.
      if (terms.submittedBy !== 'default') given.push({ windowId, leg });
    }
    if (gridlockId === undefined) judge();
  }
  judge();
}
