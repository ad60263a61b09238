import type { Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import {
  chainAfter,
  entryHash,
  GENESIS,
  type Hash,
  headHash,
  isSignedBy,
  merkleRoot,
  NO_HEAD,
  type SignedHead,
  transferId,
} from '@finality/ledger';
import { ledgerEntryOf, TRANSFER_COLUMNS, TRANSFER_JOINS, type TransferRow } from './rows.ts';
import { readHeads } from './segments.ts';
import type { LedgerDifference } from './verify.ts';

export interface VerifiedEntries {
  readonly transfers: bigint;
  readonly position: bigint;
  readonly segments: number;
  readonly publicKey: string | undefined;
}

const PAGE_ENTRIES = 2_000;
const PAGE_HEADS = 1_000;

/** Follows every entry from the first, through every segment, to the head. @returns the first difference */
export async function verifyEntries(
  session: Session,
  knownKey: string | undefined,
): Promise<VerifiedEntries | LedgerDifference> {
  const segments = new Segments(session, knownKey);
  let [number, position, chain] = [0n, 0n, GENESIS];
  for (;;) {
    const rows = await session.query<TransferRow & { hash: Hash }>(
      `SELECT ${TRANSFER_COLUMNS}, t.hash FROM (
         SELECT * FROM ledger_transfers WHERE number > $1::bigint ORDER BY number LIMIT ${PAGE_ENTRIES}) t ${TRANSFER_JOINS} ORDER BY t.number`,
      [String(number)],
    );
    for (const row of rows) {
      const entry = ledgerEntryOf(row);
      number += 1n;
      if (entry.number !== number) return different(`entry ${number}`, 'number', number, entry.number);
      const id = transferId(entry);
      if (entry.id !== id) return different(`entry ${number}`, 'id', id, entry.id);
      const leaf = entryHash(entry);
      if (!leaf.equals(row.hash)) return different(`entry ${number}`, 'hash', hex(leaf), hex(row.hash));
      chain = chainAfter(chain, leaf);
      position = entry.position;
      const problem = await segments.add(number, position, leaf, chain);
      if (problem !== undefined) return problem;
    }
    if (rows.length < PAGE_ENTRIES) break;
  }
  const [head] = await session.query<{ number: string; position: string; chain: Hash }>(
    'SELECT number::text, position::text, chain FROM ledger_head',
  );
  assert(head, 'a ledger has a head');
  if (head.number !== String(number)) return different('ledger', 'number of entries', head.number, number);
  if (head.position !== String(position)) return different('ledger', 'position', position, head.position);
  if (!head.chain.equals(chain)) return different('ledger', 'chain', hex(chain), hex(head.chain));
  return (await segments.missing()) ?? { transfers: number, position, ...segments.verified };
}

/** Compares sealed segments with the entries that pass by. */
class Segments {
  readonly #session: Session;
  #publicKey: string | undefined;
  #heads: readonly SignedHead[] = [];
  #at = 0;
  #mayBeMore = true;
  #verified = 0;
  #previous = NO_HEAD;
  #leaves: Hash[] = [];

  constructor(session: Session, publicKey: string | undefined) {
    this.#session = session;
    this.#publicKey = publicKey;
  }

  get verified(): Pick<VerifiedEntries, 'segments' | 'publicKey'> {
    return { segments: this.#verified, publicKey: this.#publicKey };
  }

  async add(number: bigint, position: bigint, leaf: Hash, chain: Hash): Promise<LedgerDifference | undefined> {
    const head = await this.#next();
    if (head === undefined) return undefined;
    this.#leaves.push(leaf);
    if (number < head.lastEntry) return undefined;
    const [event] = await this.#session.query<{ hash: Hash }>('SELECT hash FROM events WHERE position = $1', [
      String(position),
    ]);
    const expected = {
      segment: this.#verified + 1,
      previous: this.#previous,
      firstEntry: number - BigInt(this.#leaves.length) + 1n,
      lastEntry: number,
      root: hex(merkleRoot(this.#leaves)),
      chain: hex(chain),
      position,
      eventHash: event === undefined ? 'an event' : hex(event.hash),
    };
    for (const [field, value] of Object.entries(expected)) {
      const found = head[field as keyof typeof expected];
      if (found !== value) return different(`segment ${expected.segment}`, field, value, found);
    }
    this.#publicKey ??= head.publicKey;
    if (!isSignedBy(head, this.#publicKey))
      return different(`segment ${head.segment}`, 'signature', `one by ${this.#publicKey}`, head.signature);
    this.#verified += 1;
    this.#previous = hex(headHash(head));
    this.#leaves = [];
    this.#at += 1;
    return undefined;
  }

  /** Segments that seal more than there is. */
  async missing(): Promise<LedgerDifference | undefined> {
    const head = await this.#next();
    if (head === undefined) return undefined;
    return different(`segment ${head.segment}`, 'lastEntry', 'an entry', head.lastEntry);
  }

  async #next(): Promise<SignedHead | undefined> {
    if (this.#at === this.#heads.length && this.#mayBeMore) {
      this.#heads = await readHeads(this.#session, this.#verified + 1, PAGE_HEADS);
      this.#mayBeMore = this.#heads.length === PAGE_HEADS;
      this.#at = 0;
    }
    return this.#heads[this.#at];
  }
}

function different(
  subject: string,
  field: string,
  expected: string | bigint | number,
  found: string | bigint | number,
): LedgerDifference {
  return { subject, field, expected: String(expected), found: String(found) };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
