import { ParkedKeys } from '@finality/event-store';
import { expect, test } from 'vitest';
import { commandOf, deposit, messageOf, withdraw } from './account.ts';
import { kinds, type StoreBench } from './store-bench.ts';

export function testInbox(bench: StoreBench): void {
  const message = (key: string, sequence: number): object => ({ message: messageOf(key, sequence) });

  test('each message takes effect once, in order per key', async () => {
    const store = bench.store();
    const one = deposit('a', 1n, message('k', 1));
    const two = deposit('a', 10n, message('k', 2));
    expect(kinds(await store.execute([one, one, two]))).toEqual(['accepted', 'skipped', 'accepted']);
    expect(kinds(await store.execute([one, two]))).toEqual(['skipped', 'skipped']);
    expect(await bench.balance('a')).toBe(11n);
  });

  test('after a gap nothing is handled until what is missing has come', async () => {
    const store = bench.store();
    const [one, two, three, four] = [1, 2, 3, 4].map((i) => deposit('a', 1n, message('k', i)));
    const other = deposit('a', 1n, message('other', 1));
    expect(await store.execute([one!, three!, four!, other])).toMatchObject([
      { kind: 'accepted' },
      { kind: 'gap', expected: 2n },
      { kind: 'gap', expected: 2n },
      { kind: 'accepted' },
    ]);
    expect(kinds(await store.execute([two!, three!, four!]))).toEqual(['accepted', 'accepted', 'accepted']);
    expect(await bench.balance('a')).toBe(5n);
  });

  test('a message that matters to nobody goes by without events', async () => {
    const store = bench.store();
    const ignored = commandOf({ kind: 'ignore', account: 'a' }, message('k', 1));
    const skipped = { message: messageOf('k', 2), cause: ignored.cause, note: { kind: 'skip' } } as const;
    expect(kinds(await store.execute([ignored, skipped, deposit('a', 1n, message('k', 3))]))).toEqual([
      'accepted',
      'skipped',
      'accepted',
    ]);
    expect(await bench.events()).toHaveLength(1);
  });

  test('sequences past 2^53 are exact', async () => {
    const sequence = 2n ** 53n;
    const { schema } = bench.schema;
    const insert = `INSERT INTO ${schema}.inbox_keys (topic, ordering_key, last_sequence) VALUES ('finality.test.source.v1', 'k', $1)`;
    await bench.schema.owner.query(insert, [sequence]);
    const store = bench.store();
    const at = (offset: bigint): object => ({ message: messageOf('k', sequence + offset) });
    expect(await store.execute([deposit('a', 1n, at(2n)), deposit('a', 1n, at(0n))])).toMatchObject([
      { kind: 'gap', expected: sequence + 1n },
      { kind: 'skipped' },
    ]);
    expect(kinds(await store.execute([deposit('a', 1n, at(1n))]))).toEqual(['accepted']);
  });
}

export function testParked(bench: StoreBench): void {
  const message = (sequence: number): object => ({ message: messageOf('k', sequence) });
  const bad = (sequence: number) => commandOf({ kind: 'throw', account: 'a', where: 'handle' }, message(sequence));
  const key = { topic: 'finality.test.source.v1', orderingKey: 'k' };
  const parked = (): ParkedKeys => new ParkedKeys({ ...bench.schema, runtime: bench.runtime });

  test('a message that can’t be handled parks its key; later ones wait behind it, other keys go on', async () => {
    const store = bench.store();
    const batch = [
      deposit('a', 1n, message(1)),
      bad(2),
      deposit('a', 2n, message(3)),
      deposit('a', 4n, { message: messageOf('other', 1) }),
    ];
    expect(kinds(await store.execute(batch))).toEqual(['accepted', 'parked', 'parked', 'accepted']);
    expect(kinds(await store.execute([deposit('a', 8n, message(4)), bad(2)]))).toEqual(['parked', 'skipped']);
    expect(await bench.balance('a')).toBe(5n);
    expect(await parked().list()).toEqual([
      {
        ...key,
        sequence: 2n,
        messages: 3,
        parkedAt: bench.runtime.now(),
        cause: 'Error: this command can’t be handled',
      },
    ]);
    expect(await parked().count()).toBe(1);
    await bench.expectWhole();
  });

  test('a replay handles what waited, in order, once, and the key goes on', async () => {
    const store = bench.store();
    await store.execute([bad(1), deposit('a', 1n, message(2)), deposit('a', 2n, message(3))]);
    const seen: string[] = [];
    const replay = () =>
      parked().replay(key, (messages) => {
        seen.push(...messages.map(({ payload }) => Buffer.from(payload).toString()));
        return store.execute(messages.map((of) => deposit('a', 10n ** of.sequence, { message: of })));
      });
    expect(await replay()).toEqual({ replayed: 3, parked: false });
    expect(seen).toEqual(['payload of k-1', 'payload of k-2', 'payload of k-3']);
    expect(await bench.balance('a')).toBe(1_110n);
    expect(await replay()).toEqual({ replayed: 0, parked: false });
    expect(await parked().count()).toBe(0);
    expect(kinds(await store.execute([deposit('a', 1n, message(4)), deposit('a', 1n, message(3))]))).toEqual([
      'accepted',
      'skipped',
    ]);
  });

  test('a replay that fails again leaves the key parked, behind it what waited', async () => {
    const store = bench.store();
    await store.execute([deposit('a', 1n, message(1)), bad(2), deposit('a', 2n, message(3))]);
    const again = await parked().replay(key, (messages) =>
      store.execute(messages.map((of) => ({ ...bad(0), message: of }))),
    );
    expect(again).toEqual({ replayed: 0, parked: true });
    expect(await parked().list()).toMatchObject([{ sequence: 2n, messages: 2 }]);
    const half = await parked().replay(key, (messages) =>
      store.execute(
        messages.map((of) => (of.sequence === 2n ? deposit('a', 2n, { message: of }) : { ...bad(0), message: of })),
      ),
    );
    expect(half).toEqual({ replayed: 1, parked: true });
    expect(await parked().list()).toMatchObject([{ sequence: 3n, messages: 1 }]);
  });

  test('skipping gives up the first one and keeps it on record; the last one skipped frees the key', async () => {
    const store = bench.store();
    await store.execute([bad(1), deposit('a', 2n, message(2))]);
    expect(await parked().skip(key, 'operator:kim', 'made in error')).toEqual({ skipped: 1n });
    expect(
      await parked().replay(key, (messages) => store.execute(messages.map((of) => deposit('a', 2n, { message: of })))),
    ).toEqual({
      replayed: 1,
      parked: false,
    });
    expect(await parked().skip(key, 'operator:kim', 'nothing left')).toEqual({ skipped: undefined });
    const { rows } = await bench.schema.pool.query(
      'SELECT sequence, resolution, resolved_by, reason FROM parked_messages ORDER BY sequence',
    );
    expect(rows).toEqual([
      { sequence: 1n, resolution: 'skipped', resolved_by: 'operator:kim', reason: 'made in error' },
      { sequence: 2n, resolution: 'replayed', resolved_by: null, reason: null },
    ]);
  });

  test('a message that the handler refuses is parked too, and so is one whose payload can’t be read', async () => {
    const store = bench.store();
    const refused = withdraw('a', 1n, message(1));
    const unreadable = {
      message: messageOf('other', 1),
      cause: refused.cause,
      note: { kind: 'park', cause: 'not protobuf' },
    } as const;
    expect(await store.execute([refused, unreadable])).toEqual([
      { kind: 'parked', cause: 'TOO_LITTLE: the balance doesn’t suffice' },
      { kind: 'parked', cause: 'not protobuf' },
    ]);
    expect(await parked().count()).toBe(2);
  });
}
