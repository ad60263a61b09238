import { generateKeyPairSync, sign as signBytes } from 'node:crypto';
import { type Instant, unwrap } from '@finality/kernel';
import {
  availableAccount,
  headBytes,
  type InclusionProof,
  type LedgerHead,
  problemOf,
  seal,
  type Seals,
  sealsAggregate,
  type SealsEvent,
  sign,
  type SignedHead,
  single,
  transferId,
  transitAccount,
} from '@finality/ledger';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LedgerSchema, NOW, tamper, transaction } from './database.fixture.ts';
import { ledgerDdl } from './ddl.ts';
import { loadLedger } from './load.ts';
import { saveLedger } from './save.ts';
import { nextHead, proveInclusion, readHeads, readUnsealed, saveSegment } from './segments.ts';
import { verifyLedger } from './verify.ts';

const A = { kind: 'clearing', institutionId: 'bank-a' } as const;
const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const KEY = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex');
const SEALED_AT = (NOW + 60_000) as Instant;
const SEALING = { epoch: 1, sealedAt: SEALED_AT };

let database: TestDatabase;
let keeper: LedgerSchema;
let seals: Seals = sealsAggregate.initialState;

beforeAll(async () => {
  database = await testDatabase(['keeper'], { ddl: ledgerDdl });
  keeper = database.service('keeper');
});
afterAll(() => database.close());

const OWN = new Set([availableAccount(A)]);
const idOf = (n: number) => transferId({ purpose: 'fund', object: `${n}`, life: 1 });

/** Entries in batches of three, each with an event of its position. */
async function enter(first: number, last: number): Promise<void> {
  for (let from = first; from <= last; from += 3) {
    const position = BigInt(from);
    await keeper.owner.query(
      `INSERT INTO events (position, stream, version, event_id, type, schema_version, epoch, occurred_at, recorded_at, actor_kind, actor_id,
         institutions, causation_id, correlation_id, data, hash)
       VALUES ($1::bigint, 's', $1::integer, gen_random_uuid(), 't', 1, 1, 0, 0, 'service', 'x', '{}', '', '', '{}', sha256('x'))`,
      [String(position)],
    );
    await transaction(keeper, async (session) => {
      const ledger = await loadLedger(session, { accounts: [transitAccount(), availableAccount(A)] });
      for (let n = from; n < from + 3 && n <= last; n++) {
        const move = { debit: transitAccount(), credit: availableAccount(A), amount: BigInt(n) };
        unwrap(ledger.view.post([single({ purpose: 'fund', object: `${n}`, life: 1, ...move })]));
      }
      saveLedger(session, ledger, position, NOW);
    });
  }
}

const record = (events: readonly SealsEvent[]): void => {
  for (const event of events) seals = sealsAggregate.evolve(seals, event);
};
const signed = (head: LedgerHead): SignedHead => ({
  ...head,
  signature: signBytes(undefined, headBytes(head), privateKey).toString('hex'),
  publicKey: KEY,
});

async function sealNext(): Promise<SignedHead> {
  const head = (await transaction(keeper, (session) => nextHead(session, seals, SEALING)))!;
  const sealed = seal(seals, head, SEALED_AT);
  expect(sealed).toHaveLength(1);
  record(sealed);
  expect(seal(seals, head, SEALED_AT)).toEqual([]);
  const whole = signed(seals.unsigned!);
  expect(sign(seals, { ...whole, root: '00' }, SEALED_AT)).toEqual([]);
  record(sign(seals, whole, SEALED_AT));
  expect(sign(seals, whole, SEALED_AT)).toEqual([]);
  await transaction(keeper, (session) => saveSegment(session, whole));
  return whole;
}

const prove = (n: number) => transaction(keeper, (session) => proveInclusion(session, idOf(n), OWN));
const verify = () => transaction(keeper, (session) => verifyLedger(session, KEY));

describe('segments', () => {
  it('seal all that has been entered since the last one, one after the other', async () => {
    expect(await transaction(keeper, (session) => readUnsealed(session, seals))).toBeUndefined();
    expect(await transaction(keeper, (session) => nextHead(session, seals, SEALING))).toBeUndefined();
    await enter(1, 7);
    expect(await transaction(keeper, (session) => readUnsealed(session, seals))).toEqual({ entries: 7n, since: NOW });
    expect(await sealNext()).toMatchObject({ segment: 1, firstEntry: 1n, lastEntry: 7n, position: 7n });
    await enter(8, 8);
    expect(await prove(8)).toBe('unsealed');
    const second = await sealNext();
    expect(second).toMatchObject({
      segment: 2,
      firstEntry: 8n,
      lastEntry: 8n,
      previous: expect.not.stringMatching(/^0+$/) as string,
    });
    // Numbers of one digit and of two: sorted as text, they would be in another order.
    await enter(9, 12);
    const third = await sealNext();
    await enter(13, 14);
    expect(await transaction(keeper, (session) => readHeads(session, 2, 10))).toEqual([second, third]);
    expect(await verify()).toMatchObject({ ok: true, transfers: 14n, segments: 3, publicKey: KEY });
  });

  it('prove what is in them, to whoever knows the key', async () => {
    for (const n of [1, 2, 6, 7, 8, 9, 10, 12]) {
      const proof = (await prove(n)) as InclusionProof;
      expect(proof.entry).toMatchObject({ object: `${n}`, amount: BigInt(n) });
      expect(problemOf(proof, KEY)).toBeUndefined();
      expect(problemOf({ ...proof, entry: { ...proof.entry, amount: 99n } }, KEY)).toBe('path_leads_elsewhere');
    }
    expect(await prove(14)).toBe('unsealed');
    expect(await prove(15)).toBeUndefined();
    const others = new Set([availableAccount({ kind: 'clearing', institutionId: 'bank-b' })]);
    expect(await transaction(keeper, (session) => proveInclusion(session, idOf(1), others))).toBeUndefined();
  });

  it('that were changed are found', async () => {
    const tampered = async (sql: string, undo: string) => {
      const change = (statement: string) =>
        tamper(
          keeper,
          `ALTER TABLE ledger_segments DISABLE TRIGGER insert_only; ${statement}; ALTER TABLE ledger_segments ENABLE ALWAYS TRIGGER insert_only`,
        );
      await change(sql);
      const found = await verify();
      await change(undo);
      return found.ok ? undefined : found.difference;
    };
    const flipped = (field: string, segment: number) =>
      `UPDATE ledger_segments SET ${field} = set_byte(${field}, 0, 255 - get_byte(${field}, 0)) WHERE segment = ${segment}`;
    for (const [column, field] of [
      ['previous', 'previous'],
      ['root', 'root'],
      ['chain', 'chain'],
      ['event_hash', 'eventHash'],
      ['signature', 'signature'],
      ['public_key', 'signature'],
    ] as const) {
      expect(await tampered(flipped(column, 2), flipped(column, 2))).toMatchObject({ subject: 'segment 2', field });
    }
    const at = (moved: number) => `UPDATE ledger_segments SET sealed_at = sealed_at + ${moved} WHERE segment = 1`;
    expect(await tampered(at(1), at(-1))).toMatchObject({ subject: 'segment 1', field: 'signature' });
    const longer = (moved: number) => `UPDATE ledger_segments SET last_entry = last_entry + ${moved} WHERE segment = 3`;
    expect(await tampered(longer(9), longer(-9))).toMatchObject({ subject: 'segment 3', field: 'lastEntry' });
    expect(await verify()).toMatchObject({ ok: true });
    expect(await transaction(keeper, (session) => verifyLedger(session, '11'.repeat(32)))).toMatchObject({
      difference: { subject: 'segment 1', field: 'signature' },
    });
  });
});
