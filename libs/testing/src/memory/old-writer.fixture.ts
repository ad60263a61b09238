import type { Sats } from '@finality/kernel';
import type { SettlementEvent } from '@finality/settlement';
import { apply, INSTITUTIONS, MemoryBook, type Told } from '@finality/settlement/spec';
import type { Trace } from '../simulation/trace.ts';

/**
 * Pays by a state of some time ago all that an institution had then, and writes that to the log and the ledger as they are now: what happens where nothing
 * compares whether somebody else has written meanwhile.
 */
export function writeByOldBook(now: MemoryBook, remembered: readonly Told[], settlementId: string, trace: Trace): void {
  const old = new MemoryBook(now.policy);
  for (const { command, at } of remembered) {
    old.now = at;
    apply(old, command);
  }
  old.now = now.now;
  const has = (book: MemoryBook, institutionId: string): bigint =>
    book.ledger.spendable({ kind: 'clearing', institutionId });
  const payer = INSTITUTIONS.find((id) => has(old, id) > 0n && has(old, id) > has(now, id));
  if (payer === undefined) return;
  const [before, made] = [old.log.length, old.ledger.changes().transfers.length];
  const amountSats = has(old, payer) as Sats;
  const to = INSTITUTIONS.find((id) => id !== payer)!;
  const submission = { settlementId, from: payer, to, amountSats, mode: 'centralized', feeBearer: 'payer' } as const;
  const asked = { referenceId: '', idempotencyKey: `key of ${settlementId}`, submittedBy: 'k' };
  apply(old, { type: 'submit', submission: { ...submission, ...asked } });
  for (const by of ['risk', 'aml'] as const) {
    const assessment = { recommendation: 'approve', rulesVersion: '1', reason: '' } as const;
    apply(old, { type: 'verdict', subject: 'settlement', id: settlementId, by, assessment });
  }
  for (const { stream, event } of old.log.slice(before))
    if (stream === `settlement/${settlementId}`) now.settlements.record(settlementId, event as SettlementEvent);
  now.ledger.impose(old.ledger.changes().transfers.slice(made) as Parameters<typeof now.ledger.impose>[0]);
  trace.add(`a writer that was overtaken lets ${payer} pay ${amountSats} sat by ${settlementId}`);
}
