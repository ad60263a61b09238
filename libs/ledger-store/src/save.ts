import type { Session } from '@finality/event-store';
import { assert, type Instant } from '@finality/kernel';
import { type Account, chainAfter, entryHash, type RecordedTransfer } from '@finality/ledger';
import type { LedgerTail, LoadedLedger } from './load.ts';

/**
 * Writes what the view gathered, in the transaction and under the lock in which it was loaded. `position` is that of the batch's last
 * event; the transfers are the ledger's next entries, so one batch saves once. Anything that doesn't fit what is stored (an id
 * that exists, an account that somebody else has changed since) throws: the batch must not commit.
 */
export async function saveLedger(
  session: Session,
  { view, tail }: LoadedLedger,
  position: bigint,
  now: Instant,
): Promise<void> {
  const { accounts, transfers } = view.changes();
  if (accounts.length === 0 && transfers.length === 0) return;
  assert(position >= 1n, 'a batch with transfers has an event');
  const opened: Account[] = [];
  const changed: { before: Account; after: Account }[] = [];
  for (const { before, after } of accounts) {
    if (before === undefined) opened.push(after);
    else changed.push({ before, after });
  }
  if (opened.length > 0) await insertAccounts(session, opened, position, now);
  if (changed.length > 0) await updateAccounts(session, changed, position, now);
  if (transfers.length > 0) await insertTransfers(session, { tail, transfers, position, now });
}

async function insertAccounts(
  session: Session,
  opened: readonly Account[],
  position: bigint,
  now: Instant,
): Promise<void> {
  await session.query(
    `INSERT INTO ledger_accounts (id, unit, limit_kind, overdraft, debits_posted, credits_posted, debits_pending, credits_pending,
                                  updated_position, updated_at)
     SELECT t.*, $9::bigint, $10::bigint
     FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[]) AS t`,
    [
      opened.map((a) => a.id),
      opened.map((a) => a.unit),
      opened.map((a) => a.limit.kind),
      opened.map(overdraftOf),
      ...totalColumns(opened),
      String(position),
      now,
    ],
  );
}

/** Only rows that still say what the view was loaded with: a lost update would make or lose money. */
async function updateAccounts(
  session: Session,
  changed: readonly { before: Account; after: Account }[],
  position: bigint,
  now: Instant,
): Promise<void> {
  const after = changed.map((c) => c.after);
  const updated = await session.query<{ id: string }>(
    `UPDATE ledger_accounts a
     SET overdraft = n.overdraft, debits_posted = n.dp, credits_posted = n.cp, debits_pending = n.dn, credits_pending = n.cn,
         updated_position = $11::bigint, updated_at = $12::bigint
     FROM unnest($1::text[], $2::bigint[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[],
                 $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[])
          AS n (id, overdraft, dp, cp, dn, cn, old_dp, old_cp, old_dn, old_cn)
     WHERE a.id = n.id AND a.debits_posted = n.old_dp AND a.credits_posted = n.old_cp
       AND a.debits_pending = n.old_dn AND a.credits_pending = n.old_cn
     RETURNING a.id`,
    [
      after.map((a) => a.id),
      after.map(overdraftOf),
      ...totalColumns(after),
      ...totalColumns(changed.map((c) => c.before)),
      String(position),
      now,
    ],
  );
  const missed = after.find((a) => updated.length !== after.length && !updated.some((row) => row.id === a.id));
  assert(missed === undefined, `account ${missed?.id} was changed since it was loaded`);
}

interface NewEntries {
  readonly tail: LedgerTail;
  readonly transfers: readonly RecordedTransfer[];
  readonly position: bigint;
  readonly now: Instant;
}

async function insertTransfers(session: Session, { tail, transfers, position, now }: NewEntries): Promise<void> {
  const hashes = transfers.map((transfer, i) =>
    entryHash({ ...transfer, number: tail.number + BigInt(i) + 1n, position, recordedAt: now }),
  );
  const [inserted] = await session.query<{ count: number; heads: number }>(
    `WITH head AS (UPDATE ledger_head SET number = $15::bigint, chain = $16::bytea, position = $12::bigint WHERE number = $14::bigint RETURNING 1),
     stored AS (
     INSERT INTO ledger_transfers (id, number, position, kind, debit, credit, amount, pending_id, corrects, purpose, object, life,
                                   settlement_id, recorded_at, hash)
     SELECT decode(t.id, 'hex'), $14::bigint + t.ordinality, $12::bigint, t.kind, d.number, c.number, t.amount, decode(t.pending_id, 'hex'),
            decode(t.corrects, 'hex'), t.purpose, t.object, t.life, t.settlement_id, $13::bigint, t.hash
     FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
                 $10::integer[], $11::text[], $17::bytea[])
          WITH ORDINALITY AS t (id, kind, debit, credit, amount, pending_id, corrects, purpose, object, life, settlement_id, hash, ordinality)
     JOIN ledger_accounts d ON d.id = t.debit
     JOIN ledger_accounts c ON c.id = t.credit
     RETURNING 1)
     SELECT (SELECT count(*) FROM stored)::integer AS count, (SELECT count(*) FROM head)::integer AS heads`,
    [
      transfers.map((t) => t.id),
      transfers.map((t) => t.kind),
      transfers.map((t) => t.debit),
      transfers.map((t) => t.credit),
      transfers.map((t) => String(t.amount)),
      transfers.map((t) => t.pendingId ?? null),
      transfers.map((t) => t.corrects ?? null),
      transfers.map((t) => t.purpose),
      transfers.map((t) => t.object),
      transfers.map((t) => t.life),
      transfers.map((t) => t.settlementId ?? null),
      String(position),
      now,
      String(tail.number),
      String(tail.number + BigInt(transfers.length)),
      hashes.reduce(chainAfter, tail.chain),
      hashes,
    ],
  );
  assert(inserted?.heads === 1, `somebody else has added entries after number ${tail.number}`);
  assert(inserted?.count === transfers.length, `${inserted?.count} of ${transfers.length} transfers were stored`);
}

function overdraftOf(account: Account): string {
  return account.limit.kind === 'debits_must_not_exceed_credits' ? String(account.limit.overdraft) : '0';
}

function totalColumns(accounts: readonly Account[]): string[][] {
  return [
    accounts.map((a) => String(a.debitsPosted)),
    accounts.map((a) => String(a.creditsPosted)),
    accounts.map((a) => String(a.debitsPending)),
    accounts.map((a) => String(a.creditsPending)),
  ];
}
