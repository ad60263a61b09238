import { type Branch, bytesFromHex, hexFromBytes, type OutpointKey } from '@finality/bitcoin';
import type { Session, StoredEvent } from '@finality/event-store';
import { assert, type Instant, type Sats } from '@finality/kernel';
import { type HeadReference, referenceTo } from '@finality/ledger';
import {
  type AccountEvent,
  ANCESTRY_MAX,
  type CoinsReleased,
  type EpochRaised,
  type HandOutAccepted,
  type KnownCoin,
  type LedgerHeadsEvent,
  type LineageEvent,
  type SigningAccepted,
  type SigningRequest,
  type VersionRef,
} from '@finality/signing';

export interface JournalQuestion {
  readonly outpoints: readonly OutpointKey[];
  readonly anchors: readonly OutpointKey[];
  readonly settlements: readonly string[];
  readonly institutions: readonly string[];
  readonly lineages: readonly string[];
  readonly wallets: readonly string[];
  /** Of the ledger, that are to be anchored. */
  readonly heads: readonly HeadReference[];
  /** Beginning of the rolling window. */
  readonly since: Instant;
}

/** What the journal says about the objects asked for; all of it is the signer's own knowledge. */
export interface JournalAnswer {
  readonly coins: ReadonlyMap<OutpointKey, KnownCoin>;
  /** Unsigned transactions (hex) of ours that made these outpoints, by txid. */
  readonly parents: ReadonlyMap<string, string>;
  /** By settlement: the accepted transactions that pay it. */
  readonly payments: ReadonlyMap<string, readonly VersionRef[]>;
  /** By txid, where a settlement was in another lineage before: what made the anchors, and what made those of that. */
  readonly ancestors: ReadonlyMap<string, Ancestor>;
  /** Per institution, over the lineages of its wallets, the most that a version sent within the window. */
  readonly sent: ReadonlyMap<string, bigint>;
  readonly sentInLineage: ReadonlyMap<string, bigint>;
  readonly epochHighest: number;
  /** By {@link branchName}. */
  readonly indicesHighest: ReadonlyMap<string, number>;
  /** Hash of each of those segments' heads that was signed, by {@link segmentName}. */
  readonly signedHeads: ReadonlyMap<string, string>;
}

export interface Ancestor extends VersionRef {
  readonly anchor: OutpointKey;
}

export async function readJournal(session: Session, question: JournalQuestion): Promise<JournalAnswer> {
  const { outpoints, anchors, settlements, institutions, lineages, wallets, heads, since } = question;
  const coins = await session.query<{ outpoint: OutpointKey; lineage_id: string | null; value_sats: bigint }>(
    `SELECT DISTINCT ON (outpoint) outpoint, CASE WHEN r.outpoint IS NULL THEN c.lineage_id END AS lineage_id, value_sats
     FROM journal_coins c LEFT JOIN journal_releases r USING (outpoint, tenure) WHERE outpoint = ANY($1::text[])
     ORDER BY outpoint, tenure DESC`,
    [outpoints],
  );
  const parents = await session.query<{ txid: string; unsigned_transaction: Buffer }>(
    'SELECT txid, unsigned_transaction FROM journal WHERE txid = ANY($1::text[])',
    [[...new Set(outpoints.map((outpoint) => outpoint.slice(0, 64)))]],
  );
  const payments = await readPayments(session, settlements);
  const isElsewhere = [...payments.values()].flat().some(({ lineageId }) => !lineages.includes(lineageId));
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
      coins.map((row): [OutpointKey, KnownCoin] => {
        const { outpoint, lineage_id: lineageId, value_sats: valueSats } = row;
        return [outpoint, { valueSats: valueSats as Sats, ...(lineageId !== null && { lineageId }) }];
      }),
    ),
    parents: new Map(parents.map((row) => [row.txid, hexFromBytes(row.unsigned_transaction)])),
    payments,
    ancestors: isElsewhere ? await readAncestors(session, anchors) : new Map<string, Ancestor>(),
    sent: new Map(sent.map((row) => [row.institution_id, row.sats])),
    sentInLineage: new Map(own.map((row) => [row.lineage_id, row.sats])),
    epochHighest: epoch!.highest,
    signedHeads: await readHeads(session, heads),
  };
}

/** What a segment is called here: after a restored backup there may be another one of the same number. */
export const segmentName = ({ epoch, segment }: Pick<HeadReference, 'epoch' | 'segment'>): string =>
  `${epoch}/${segment}`;

async function readHeads(session: Session, heads: readonly HeadReference[]): Promise<JournalAnswer['signedHeads']> {
  if (heads.length === 0) return new Map();
  const rows = await session.query<{ epoch: number; segment: number; hash: string }>(
    'SELECT epoch, segment, hash FROM signed_heads JOIN unnest($1::int[], $2::int[]) AS asked (epoch, segment) USING (epoch, segment)',
    [heads.map(({ epoch }) => epoch), heads.map(({ segment }) => segment)],
  );
  return new Map(rows.map((row) => [segmentName(row), row.hash]));
}

/** Of all that was asked for, or that settlement was told to go on in. */
export const EPOCH_HIGHEST = `SELECT greatest((SELECT max(epoch) FROM journal), (SELECT max(epoch) FROM journal_epochs), 0) AS highest`;
export const branchName = (walletId: string, branch: Branch): string => `${walletId}/${branch}`;

async function readPayments(session: Session, settlements: readonly string[]): Promise<JournalAnswer['payments']> {
  const rows = await session.query<{ settlement_id: string; lineage_id: string; version: number }>(
    'SELECT settlement_id, lineage_id, version FROM journal_payouts WHERE settlement_id = ANY($1::text[])',
    [settlements],
  );
  const payments = new Map<string, VersionRef[]>();
  for (const { settlement_id: id, lineage_id: lineageId, version } of rows)
    payments.set(id, [...(payments.get(id) ?? []), { lineageId, version }]);
  return payments;
}

async function readAncestors(session: Session, anchors: readonly OutpointKey[]): Promise<JournalAnswer['ancestors']> {
  const rows = await session.query<{ txid: string; lineage_id: string; version: number; anchor: OutpointKey }>(
    `WITH RECURSIVE ancestors AS (
       SELECT txid, lineage_id, version, anchor, 1 AS depth FROM journal WHERE txid = ANY($1::text[])
       UNION
       SELECT j.txid, j.lineage_id, j.version, j.anchor, depth + 1 FROM ancestors a JOIN journal j ON j.txid = left(a.anchor, 64)
       WHERE depth < ${ANCESTRY_MAX})
     SELECT txid, lineage_id, version, anchor FROM ancestors`,
    [[...new Set(anchors.map((anchor) => anchor.slice(0, 64)))]],
  );
  return new Map(
    rows.map(({ txid, lineage_id: lineageId, version, anchor }) => [txid, { lineageId, version, anchor }]),
  );
}

/** The first account index that no wallet has. */
export async function nextAccountIndex(session: Session): Promise<number> {
  const [row] = await session.query<{ next: number }>(
    'SELECT coalesce(max(account_index) + 1, 0) AS next FROM accounts',
  );
  return row!.next;
}

type JournalEvent = AccountEvent | LineageEvent | EpochRaised | LedgerHeadsEvent;

/** Writes what was accepted, in the batch that accepts it: nothing is signed, or handed out to be, that isn't in the journal. */
export async function writeJournal(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const accounts: { readonly index: number; readonly walletId: string }[] = [];
  const epochs: number[] = [];
  const claims: ClaimRun[] = [];
  const heads: HeadReference[] = [];
  for (const { position, data } of events as readonly StoredEvent<JournalEvent>[]) {
    if (data.type === 'head_accepted') heads.push(referenceTo(data.head));
    if (data.type === 'epoch_raised') epochs.push(data.epoch);
    if (data.type === 'account_created')
      accounts.push({ index: data.account.accountIndex, walletId: data.account.walletId });
    if (data.type === 'coins_released') runOf(claims, 'released').released.push(data);
    if (data.type === 'signing_accepted' || data.type === 'hand_out_accepted')
      runOf(claims, 'accepted').accepted.push({ position, event: data });
  }
  if (accounts.length > 0) {
    await session.query('INSERT INTO accounts (account_index, wallet_id) SELECT * FROM unnest($1::int[], $2::text[])', [
      accounts.map(({ index }) => index),
      accounts.map(({ walletId }) => walletId),
    ]);
  }
  if (heads.length > 0)
    await session.query(
      'INSERT INTO signed_heads (epoch, segment, hash) SELECT * FROM unnest($1::int[], $2::int[], $3::text[])',
      [heads.map(({ epoch }) => epoch), heads.map(({ segment }) => segment), heads.map(({ hash }) => hash)],
    );
  if (epochs.length > 0) await session.query('INSERT INTO journal_epochs SELECT * FROM unnest($1::int[])', [epochs]);
  for (const { released, accepted } of claims) {
    if (released.length > 0) await writeReleases(session, released);
    if (accepted.length > 0) await writeAccepted(session, accepted);
  }
}

/** What follows each other and is of one kind: a coin may be released and taken, or taken and released, within one batch, and is whose it was last. */
interface ClaimRun {
  readonly kind: 'released' | 'accepted';
  readonly released: CoinsReleased[];
  readonly accepted: { readonly position: bigint; readonly event: SigningAccepted | HandOutAccepted }[];
}

function runOf(claims: ClaimRun[], kind: ClaimRun['kind']): ClaimRun {
  const last = claims.at(-1);
  if (last?.kind === kind) return last;
  const run: ClaimRun = { kind, released: [], accepted: [] };
  claims.push(run);
  return run;
}

/** What is accepted from then on finds the coins free. */
async function writeReleases(session: Session, released: readonly CoinsReleased[]): Promise<void> {
  const coins = released.flatMap(({ outpoints, lineageId }) => outpoints.map((outpoint) => ({ outpoint, lineageId })));
  await session.query(
    `INSERT INTO journal_releases (outpoint, tenure, lineage_id)
     SELECT outpoint, (SELECT count(*) FROM journal_releases r WHERE r.outpoint = ended.outpoint), lineage_id
     FROM unnest($1::text[], $2::text[]) AS ended (outpoint, lineage_id)`,
    [coins.map(({ outpoint }) => outpoint), coins.map(({ lineageId }) => lineageId)],
  );
}

async function writeAccepted(
  session: Session,
  accepted: readonly { readonly position: bigint; readonly event: SigningAccepted | HandOutAccepted }[],
): Promise<void> {
  const requests = accepted.map(({ event }) => event.request);
  await session.query(
    `INSERT INTO journal (lineage_id, version, position, wallet_id, institution_id, txid, anchor, unsigned_transaction, epoch, fee_sats, sent_sats, signed_at, handed_out)
     SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bytea[], $9::int[], $10::bigint[], $11::bigint[], $12::bigint[], $13::boolean[])`,
    [
      requests.map(({ lineageId }) => lineageId),
      requests.map(({ version }) => version),
      accepted.map(({ position }) => position),
      requests.map(({ walletId }) => walletId),
      accepted.map(({ event }) => event.institutionId),
      accepted.map(({ event }) => event.txid),
      requests.map(({ anchor }) => anchor),
      requests.map(({ unsignedTransaction }) => bytesFromHex(unsignedTransaction)),
      requests.map(({ epoch }) => epoch),
      accepted.map(({ event }) => event.feeSats),
      // Limits are for what the signer signs.
      accepted.map(({ event }) => (event.type === 'hand_out_accepted' ? 0n : event.sentSats)),
      accepted.map(({ event }) => event.acceptedAt),
      accepted.map(({ event }) => event.type === 'hand_out_accepted'),
    ],
  );
  await writeClaims(session, requests);
  // What owners sign may pay addresses, and has change, that the signer takes as told.
  const signed = accepted.flatMap(({ event }) => (event.type === 'signing_accepted' ? [event.request] : []));
  await writeIndices(session, signed.flatMap(indicesOf));
}

/** A later version of a lineage finds its coins taken by itself; taken by another lineage would be a bug of the policy. */
async function writeClaims(session: Session, requests: readonly SigningRequest[]): Promise<void> {
  const coins = requests.flatMap(({ inputs, lineageId }) => inputs.map((input) => ({ ...input, lineageId })));
  const payouts = requests.flatMap((request) =>
    request.payouts.map(({ settlementId }) => ({
      settlementId,
      lineageId: request.lineageId,
      version: request.version,
    })),
  );
  const coinColumns = [coins.map(({ outpoint }) => outpoint), coins.map(({ lineageId }) => lineageId)];
  await session.query(
    `INSERT INTO journal_coins (outpoint, tenure, lineage_id, value_sats)
     SELECT outpoint, (SELECT count(*) FROM journal_releases r WHERE r.outpoint = taken.outpoint), lineage_id, value_sats
     FROM unnest($1::text[], $2::text[], $3::bigint[]) AS taken (outpoint, lineage_id, value_sats)
     ON CONFLICT (outpoint, tenure) DO NOTHING`,
    [...coinColumns, coins.map(({ valueSats }) => valueSats)],
  );
  await session.query(
    'INSERT INTO journal_payouts (settlement_id, lineage_id, version) SELECT * FROM unnest($1::text[], $2::text[], $3::int[])',
    [
      payouts.map(({ settlementId }) => settlementId),
      payouts.map(({ lineageId }) => lineageId),
      payouts.map(({ version }) => version),
    ],
  );
  const foreign = await session.query<{ taken: string }>(
    `SELECT c.outpoint AS taken FROM journal_coins c JOIN unnest($1::text[], $2::text[]) AS mine (outpoint, lineage_id) USING (outpoint)
     WHERE c.lineage_id <> mine.lineage_id
       AND NOT EXISTS (SELECT FROM journal_releases r WHERE r.outpoint = c.outpoint AND r.tenure = c.tenure)`,
    coinColumns,
  );
  assert(foreign.length === 0, `${foreign[0]?.taken} belongs to another lineage`);
}

/** An index of a wallet's branch. */
export interface IndexPlace {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
}

/** Indices that a transaction of the signer's pays. Not those of its inputs: whether there is such a coin is only what the caller says. */
export const indicesOf = ({ walletId, outputs }: SigningRequest): readonly IndexPlace[] =>
  outputs.flatMap((output): readonly IndexPlace[] => {
    if (output.kind === 'payee') return [output];
    return output.kind === 'change' ? [{ walletId, branch: 1, index: output.index }] : [];
  });

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
