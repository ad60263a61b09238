import { type Branch, bytesFromHex, hexFromBytes, type OutpointKey } from '@finality/bitcoin';
import type { Session, StoredEvent } from '@finality/event-store';
import { assert, type Instant, type Sats } from '@finality/kernel';
import type { AccountEvent, EpochRaised, LineageEvent, SigningAccepted, SigningRequest } from '@finality/signing';

export interface JournalQuestion {
  readonly outpoints: readonly OutpointKey[];
  readonly settlements: readonly string[];
  readonly institutions: readonly string[];
  readonly lineages: readonly string[];
  readonly wallets: readonly string[];
  /** Beginning of the rolling window. */
  readonly since: Instant;
}

/** What the journal says about the objects asked for; all of it is the signer's own knowledge. */
export interface JournalAnswer {
  readonly coins: ReadonlyMap<OutpointKey, { readonly lineageId: string; readonly valueSats: Sats }>;
  /** Unsigned transactions (hex) of ours that made these outpoints, by txid. */
  readonly parents: ReadonlyMap<string, string>;
  readonly lineageOfSettlement: ReadonlyMap<string, string>;
  /** Per institution, over the lineages of its wallets, the most that a version sent within the window. */
  readonly sent: ReadonlyMap<string, bigint>;
  readonly sentInLineage: ReadonlyMap<string, bigint>;
  readonly epochHighest: number;
  /** By {@link branchName}. */
  readonly indicesHighest: ReadonlyMap<string, number>;
}

export async function readJournal(session: Session, question: JournalQuestion): Promise<JournalAnswer> {
  const { outpoints, settlements, institutions, lineages, wallets, since } = question;
  const coins = await session.query<{ outpoint: OutpointKey; lineage_id: string; value_sats: bigint }>(
    'SELECT outpoint, lineage_id, value_sats FROM journal_coins WHERE outpoint = ANY($1::text[])',
    [outpoints],
  );
  const parents = await session.query<{ txid: string; unsigned_transaction: Buffer }>(
    'SELECT txid, unsigned_transaction FROM journal WHERE txid = ANY($1::text[])',
    [[...new Set(outpoints.map((outpoint) => outpoint.slice(0, 64)))]],
  );
  const paid = await session.query<{ settlement_id: string; lineage_id: string }>(
    'SELECT settlement_id, lineage_id FROM journal_payouts WHERE settlement_id = ANY($1::text[])',
    [settlements],
  );
  const sent = await session.query<{ institution_id: string; sats: bigint }>(
    `SELECT institution_id, sum(sats)::bigint AS sats FROM (
       SELECT institution_id, lineage_id, max(sent_sats) AS sats FROM journal
       WHERE institution_id = ANY($1::text[]) AND signed_at > $2 GROUP BY institution_id, lineage_id) lineages GROUP BY institution_id`,
    [institutions, since],
  );
  const own = await session.query<{ lineage_id: string; sats: bigint }>(
    `SELECT lineage_id, max(sent_sats) AS sats FROM journal WHERE lineage_id = ANY($1::text[]) AND signed_at > $2 GROUP BY lineage_id`,
    [lineages, since],
  );
  const [epoch] = await session.query<{ highest: number }>(EPOCH_HIGHEST);
  const indices = await session.query<{ wallet_id: string; branch: Branch; highest: number }>(
    'SELECT wallet_id, branch, highest FROM indices_highest WHERE wallet_id = ANY($1::text[])',
    [wallets],
  );
  return {
    indicesHighest: new Map(indices.map((row) => [branchName(row.wallet_id, row.branch), row.highest])),
    coins: new Map(
      coins.map((row) => [row.outpoint, { lineageId: row.lineage_id, valueSats: row.value_sats as Sats }]),
    ),
    parents: new Map(parents.map((row) => [row.txid, hexFromBytes(row.unsigned_transaction)])),
    lineageOfSettlement: new Map(paid.map((row) => [row.settlement_id, row.lineage_id])),
    sent: new Map(sent.map((row) => [row.institution_id, row.sats])),
    sentInLineage: new Map(own.map((row) => [row.lineage_id, row.sats])),
    epochHighest: epoch!.highest,
  };
}

/** Of all that was asked for, or that settlement was told to go on in. */
export const EPOCH_HIGHEST = `SELECT greatest((SELECT max(epoch) FROM journal), (SELECT max(epoch) FROM journal_epochs), 0) AS highest`;
export const branchName = (walletId: string, branch: Branch): string => `${walletId}/${branch}`;

/** The first account index that no wallet has. */
export async function nextAccountIndex(session: Session): Promise<number> {
  const [row] = await session.query<{ next: number }>(
    'SELECT coalesce(max(account_index) + 1, 0) AS next FROM accounts',
  );
  return row!.next;
}

/** Writes what was accepted, in the batch that accepts it: nothing is signed that isn't in the journal. */
export async function writeJournal(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const accounts: { readonly index: number; readonly walletId: string }[] = [];
  const accepted: { readonly position: bigint; readonly event: SigningAccepted }[] = [];
  const epochs: number[] = [];
  for (const { position, data } of events as readonly StoredEvent<AccountEvent | LineageEvent | EpochRaised>[]) {
    if (data.type === 'epoch_raised') epochs.push(data.epoch);
    if (data.type === 'account_created')
      accounts.push({ index: data.account.accountIndex, walletId: data.account.walletId });
    if (data.type === 'signing_accepted') accepted.push({ position, event: data });
  }
  if (accounts.length > 0) {
    await session.query('INSERT INTO accounts (account_index, wallet_id) SELECT * FROM unnest($1::int[], $2::text[])', [
      accounts.map(({ index }) => index),
      accounts.map(({ walletId }) => walletId),
    ]);
  }
  if (epochs.length > 0) await session.query('INSERT INTO journal_epochs SELECT * FROM unnest($1::int[])', [epochs]);
  if (accepted.length > 0) await writeAccepted(session, accepted);
}

async function writeAccepted(
  session: Session,
  accepted: readonly { readonly position: bigint; readonly event: SigningAccepted }[],
): Promise<void> {
  const requests = accepted.map(({ event }) => event.request);
  await session.query(
    `INSERT INTO journal (lineage_id, version, position, wallet_id, institution_id, txid, unsigned_transaction, epoch, fee_sats, sent_sats, signed_at)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::int[], $9::bigint[], $10::bigint[], $11::bigint[])`,
    [
      requests.map(({ lineageId }) => lineageId),
      requests.map(({ version }) => version),
      accepted.map(({ position }) => position),
      requests.map(({ walletId }) => walletId),
      accepted.map(({ event }) => event.institutionId),
      accepted.map(({ event }) => event.txid),
      requests.map(({ unsignedTransaction }) => bytesFromHex(unsignedTransaction)),
      requests.map(({ epoch }) => epoch),
      accepted.map(({ event }) => event.feeSats),
      accepted.map(({ event }) => event.sentSats),
      accepted.map(({ event }) => event.acceptedAt),
    ],
  );
  await writeClaims(session, requests);
  await writeIndices(session, requests.flatMap(indicesOf));
}

/** A later version of a lineage finds its coins and settlements taken by itself; taken by another lineage would be a bug of the policy. */
async function writeClaims(session: Session, requests: readonly SigningRequest[]): Promise<void> {
  const coins = requests.flatMap(({ inputs, lineageId }) => inputs.map((input) => ({ ...input, lineageId })));
  const payouts = requests.flatMap((request) =>
    request.payouts.map(({ settlementId }) => ({ settlementId, lineageId: request.lineageId })),
  );
  const coinColumns = [coins.map(({ outpoint }) => outpoint), coins.map(({ lineageId }) => lineageId)];
  const payoutColumns = [payouts.map(({ settlementId }) => settlementId), payouts.map(({ lineageId }) => lineageId)];
  await session.query(
    `INSERT INTO journal_coins (outpoint, lineage_id, value_sats)
     SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) ON CONFLICT (outpoint) DO NOTHING`,
    [...coinColumns, coins.map(({ valueSats }) => valueSats)],
  );
  await session.query(
    `INSERT INTO journal_payouts (settlement_id, lineage_id)
     SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (settlement_id) DO NOTHING`,
    payoutColumns,
  );
  const foreign = await session.query<{ taken: string }>(
    `SELECT c.outpoint AS taken FROM journal_coins c JOIN unnest($1::text[], $2::text[]) AS mine (outpoint, lineage_id) USING (outpoint)
     WHERE c.lineage_id <> mine.lineage_id
     UNION ALL
     SELECT p.settlement_id FROM journal_payouts p JOIN unnest($3::text[], $4::text[]) AS mine (settlement_id, lineage_id) USING (settlement_id)
     WHERE p.lineage_id <> mine.lineage_id`,
    [...coinColumns, ...payoutColumns],
  );
  assert(foreign.length === 0, `${foreign[0]?.taken} belongs to another lineage`);
}

/** An index of a wallet's branch. */
export interface IndexPlace {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
}

/** All indices that a transaction has to do with. */
export function indicesOf({ walletId, inputs, outputs }: SigningRequest): readonly IndexPlace[] {
  const spent = inputs.map(({ branch, index }): IndexPlace => ({ walletId, branch, index }));
  const paid = outputs.flatMap((output): readonly IndexPlace[] => {
    if (output.kind === 'payee') return [output];
    return output.kind === 'change' ? [{ walletId, branch: 1, index: output.index }] : [];
  });
  return [...spent, ...paid];
}

/** Notes the highest index of each branch; lower ones than those known change nothing. */
export async function writeIndices(session: Session, places: readonly IndexPlace[]): Promise<void> {
  await session.query(
    `INSERT INTO indices_highest (wallet_id, branch, highest)
     SELECT wallet_id, branch, max(index) FROM unnest($1::text[], $2::smallint[], $3::int[]) AS places (wallet_id, branch, index)
     GROUP BY wallet_id, branch ORDER BY wallet_id, branch
     ON CONFLICT (wallet_id, branch) DO UPDATE SET highest = EXCLUDED.highest WHERE indices_highest.highest < EXCLUDED.highest`,
    [places.map(({ walletId }) => walletId), places.map(({ branch }) => branch), places.map(({ index }) => index)],
  );
}
