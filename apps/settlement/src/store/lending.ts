import type { Session } from '@finality/event-store';
import { type Account, BTC, type LedgerView } from '@finality/ledger';
import type { SettlementPolicy } from '@finality/settlement';
import type { CreditNeeds } from './credit-needs.ts';

/** What all owe in satoshi now, of which the platform lends no more than it is set to. Without such a cap, or anybody in the batch who has a line, nobody asks. */
export async function limitLending(
  session: Session,
  view: LedgerView,
  credit: CreditNeeds,
  { lentMaxSats }: SettlementPolicy,
): Promise<void> {
  if (lentMaxSats === undefined) return;
  if (!credit.isNeeded && !view.accounts().some(hasLine)) return;
  const [row] = await session.query<{ lent: bigint }>(
    `SELECT coalesce(sum(debits_posted + debits_pending - credits_posted), 0)::bigint AS lent
     FROM institutions JOIN ledger_accounts ON id = 'clearing/' || institution_id || '/available'
     WHERE debits_posted + debits_pending > credits_posted`,
  );
  view.limitLending(lentMaxSats, row!.lent);
}

const hasLine = ({ unit, limit }: Account): boolean =>
  unit === BTC && limit.kind === 'debits_must_not_exceed_credits' && limit.overdraft > 0n;
