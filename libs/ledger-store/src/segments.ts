import type { Session } from '@finality/event-store';
import { assert, type Instant } from '@finality/kernel';
import {
  type AccountId,
  chainAfter,
  type Hash,
  inclusionPath,
  type InclusionProof,
  type LedgerHead,
  merkleRoot,
  type Seals,
  type SignedHead,
  type TransferId,
} from '@finality/ledger';
import { ledgerEntryOf, TRANSFER_COLUMNS, TRANSFER_JOINS, type TransferRow } from './rows.ts';

/** A tree of this many leaves takes a hundredth of a second to build, which nobody notices who wants to settle meanwhile, and a proof has thirteen hashes. */
export const SEGMENT_ENTRIES_MAX = 8_192;

/** What isn't sealed yet: how many entries, and since when. */
export async function readUnsealed(
  session: Session,
  { lastEntry }: Pick<Seals, 'lastEntry'>,
): Promise<{ readonly entries: bigint; readonly since: Instant } | undefined> {
  const [row] = await session.query<{ entries: string; since: string }>(
    `SELECT (h.number - $1::bigint)::text AS entries, t.recorded_at::text AS since
     FROM ledger_head h JOIN ledger_transfers t ON t.number = $1::bigint + 1`,
    [String(lastEntry)],
  );
  return row === undefined ? undefined : { entries: BigInt(row.entries), since: Number(row.since) as Instant };
}

/** The head of the segment that comes after those sealed, over all that has been committed, at most {@link SEGMENT_ENTRIES_MAX} entries. */
export async function nextHead(
  session: Session,
  sealed: Seals,
  { epoch, sealedAt }: Pick<LedgerHead, 'epoch' | 'sealedAt'>,
): Promise<LedgerHead | undefined> {
  const leaves = await readLeaves(session, sealed.lastEntry + 1n, sealed.lastEntry + BigInt(SEGMENT_ENTRIES_MAX));
  const last = leaves.at(-1);
  if (last === undefined) return undefined;
  const hashes = leaves.map(({ hash }) => hash);
  const [event] = await session.query<{ hash: Buffer }>('SELECT hash FROM events WHERE position = $1', [last.position]);
  assert(event !== undefined, `entry ${last.number} belongs to an event`);
  return {
    epoch,
    segment: sealed.segment + 1,
    previous: sealed.head,
    firstEntry: sealed.lastEntry + 1n,
    lastEntry: BigInt(last.number),
    root: merkleRoot(hashes).toString('hex'),
    chain: hashes.reduce(chainAfter, Buffer.from(sealed.chain, 'hex')).toString('hex'),
    position: BigInt(last.position),
    eventHash: event.hash.toString('hex'),
    sealedAt,
  };
}

/** Keeps a signed head for proofs, in the batch that stores the event saying so. */
export async function saveSegment(session: Session, head: SignedHead): Promise<void> {
  await session.query(
    `INSERT INTO ledger_segments (segment, epoch, previous, first_entry, last_entry, root, chain, position, event_hash, sealed_at, signature, public_key)
     VALUES ($1, $12, decode($2, 'hex'), $3, $4, decode($5, 'hex'), decode($6, 'hex'), $7, decode($8, 'hex'), $9, decode($10, 'hex'), decode($11, 'hex'))`,
    [
      head.segment,
      head.previous,
      String(head.firstEntry),
      String(head.lastEntry),
      head.root,
      head.chain,
      String(head.position),
      head.eventHash,
      head.sealedAt,
      head.signature,
      head.publicKey,
      head.epoch,
    ],
  );
}

interface SegmentRow {
  readonly segment: number;
  readonly epoch: number;
  readonly previous: string;
  readonly first_entry: string;
  readonly last_entry: string;
  readonly root: string;
  readonly chain: string;
  readonly position: string;
  readonly event_hash: string;
  readonly sealed_at: string;
  readonly signature: string;
  readonly public_key: string;
}

const SEGMENT_COLUMNS = `segment, epoch, encode(previous, 'hex') AS previous, first_entry::text, last_entry::text, encode(root, 'hex') AS root,
  encode(chain, 'hex') AS chain, position::text, encode(event_hash, 'hex') AS event_hash, sealed_at::text,
  encode(signature, 'hex') AS signature, encode(public_key, 'hex') AS public_key`;

/** Signed heads from a segment on, oldest first. @param count at most this many */
export async function readHeads(session: Session, fromSegment: number, count: number): Promise<readonly SignedHead[]> {
  const rows = await session.query<SegmentRow>(
    `SELECT ${SEGMENT_COLUMNS} FROM ledger_segments WHERE segment >= $1 ORDER BY segment LIMIT $2`,
    [fromSegment, count],
  );
  return rows.map(headOf);
}

/**
 * That a transfer is part of the ledger. `unsealed`: it is too young, ask again later; undefined: there is no such transfer on any of these
 * accounts.
 */
export async function proveInclusion(
  session: Session,
  transferId: TransferId,
  accounts: ReadonlySet<AccountId>,
): Promise<InclusionProof | 'unsealed' | undefined> {
  const [row] = await session.query<TransferRow>(
    `SELECT ${TRANSFER_COLUMNS} FROM ledger_transfers t ${TRANSFER_JOINS} WHERE t.id = decode($1, 'hex')`,
    [transferId],
  );
  if (row === undefined) return undefined;
  const entry = ledgerEntryOf(row);
  if (!accounts.has(entry.debit) && !accounts.has(entry.credit)) return undefined;
  const [segment] = await session.query<SegmentRow>(
    `SELECT ${SEGMENT_COLUMNS} FROM ledger_segments s WHERE s.last_entry >= $1::bigint ORDER BY s.last_entry LIMIT 1`,
    [row.number],
  );
  if (segment === undefined) return 'unsealed';
  const head = headOf(segment);
  const leaves = await readLeaves(session, head.firstEntry, head.lastEntry);
  const path = inclusionPath(
    leaves.map(({ hash }) => hash),
    Number(entry.number - head.firstEntry),
  );
  return { entry, path: path.map((node) => node.toString('hex')), head };
}

interface Leaf {
  readonly number: string;
  readonly position: string;
  readonly hash: Hash;
}

function readLeaves(session: Session, first: bigint, last: bigint): Promise<Leaf[]> {
  return session.query<Leaf>(
    // Qualified: by its bare name the order would be that of the text.
    `SELECT t.number::text, t.position::text, t.hash FROM ledger_transfers t
     WHERE t.number BETWEEN $1::bigint AND $2::bigint ORDER BY t.number`,
    [String(first), String(last)],
  );
}

function headOf(row: SegmentRow): SignedHead {
  return {
    epoch: row.epoch,
    segment: row.segment,
    previous: row.previous,
    firstEntry: BigInt(row.first_entry),
    lastEntry: BigInt(row.last_entry),
    root: row.root,
    chain: row.chain,
    position: BigInt(row.position),
    eventHash: row.event_hash,
    sealedAt: Number(row.sealed_at) as Instant,
    signature: row.signature,
    publicKey: row.public_key,
  };
}
