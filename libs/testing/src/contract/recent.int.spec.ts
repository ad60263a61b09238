import type { Batch, Session, StoreCommand } from '@finality/event-store';
import type { Pool } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type AccountCommand, AccountHandler, accountType, deposit, keyed, withdraw } from './account.ts';
import { kinds, type Store, StoreBench } from './store-bench.ts';

// What a store knows from the batches before: it asks less, and never decides on what is no longer so.

const bench = new StoreBench();
beforeAll(() => bench.open());
beforeEach(() => bench.next());
afterAll(() => bench.db.close());

/** Notes what it was loaded for, and which of it had to be asked for. */
class Watched extends AccountHandler {
  readonly asked: string[][] = [];
  readonly memories: unknown[] = [];
  loads = 0;

  override streamsOf(): readonly string[] {
    return [];
  }

  override async load(session: Session, commands: readonly StoreCommand<AccountCommand>[], batch: Batch) {
    this.loads += 1;
    this.memories.push(batch.memory.get('batches'));
    batch.onStored(() => batch.memory.set('batches', ((batch.memory.get('batches') as number | undefined) ?? 0) + 1));
    const watching: Session = {
      query: (text, values, name) => {
        this.asked.push(values?.[0] instanceof Object ? [name ?? text] : []);
        return session.query(text, values, name);
      },
    };
    return super.load(watching, commands, batch);
  }
}

function watched(): { readonly store: Store; readonly handler: Watched } {
  const handler = new Watched();
  return { store: bench.store({ handler }), handler };
}

const replies = (outcomes: readonly unknown[]): unknown[] =>
  outcomes.map((outcome) => (outcome as { reply?: { balance: bigint } }).reply?.balance);

describe('a batch', () => {
  test('asks for no state that the batches before have read or written', async () => {
    const { store, handler } = watched();
    await store.execute([deposit('a', 2n), deposit('b', 1n)]);
    expect(handler.asked).toHaveLength(1);
    expect(replies(await store.execute([withdraw('a', 1n), deposit('b', 1n)]))).toEqual([1n, 2n]);
    expect(kinds(await store.execute([withdraw('a', 2n)]))).toEqual(['refused']);
    expect(handler.asked).toHaveLength(1);
    expect(replies(await store.execute([deposit('b', 1n), deposit('c', 1n)]))).toEqual([3n, 1n]);
    expect(handler.asked).toHaveLength(2);
    expect(handler.loads).toBe(4);
    await bench.expectWhole();
  });

  test('keeps no stream in memory that is over', async () => {
    const { store, handler } = watched();
    await store.execute([deposit('a', 1n)]);
    expect(replies(await store.execute([withdraw('a', 1n)]))).toEqual([0n]);
    expect(handler.asked).toHaveLength(1);
    expect(replies(await store.execute([deposit('a', 1n)]))).toEqual([1n]);
    expect(handler.asked).toHaveLength(2);
  });

  test('knows nothing any more once another store has appended', async () => {
    const [one, other] = [watched(), watched()];
    await one.store.execute([deposit('a', 1n)]);
    await one.store.execute([deposit('a', 1n)]);
    expect(replies(await other.store.execute([withdraw('a', 2n)]))).toEqual([0n]);
    expect(kinds(await one.store.execute([withdraw('a', 1n)]))).toEqual(['refused']);
    expect(replies(await one.store.execute([deposit('a', 5n)]))).toEqual([5n]);
    expect(replies(await other.store.execute([deposit('a', 1n)]))).toEqual([6n]);
    // Once for what was thought to be so, once for what is.
    expect(one.handler.loads).toBe(5);
    expect(one.handler.memories).toEqual([undefined, 1, 2, undefined, undefined]);
    await bench.expectWhole();
  });

  test('that was loaded for what is no longer so is loaded again, even if that failed', async () => {
    class Strict extends Watched {
      override async load(session: Session, commands: readonly StoreCommand<AccountCommand>[], batch: Batch) {
        const world = await super.load(session, commands, batch);
        if (batch.state(accountType, 'a').balance === 1n) throw new Error('one is not to be');
        return world;
      }
    }
    const one = bench.store({ handler: new Strict() });
    await one.execute([deposit('a', 1n)]);
    await bench.store().execute([deposit('a', 1n)]);
    expect(replies(await one.execute([deposit('a', 1n)]))).toEqual([3n]);
    await bench.expectWhole();
  });

  test('of which some has been done before is loaded for the rest', async () => {
    const { store, handler } = watched();
    await store.execute([deposit('a', 1n, keyed('k', 1n))]);
    const outcomes = await store.execute([deposit('a', 1n, keyed('k', 1n)), deposit('a', 2n)]);
    expect(kinds(outcomes)).toEqual(['repeated', 'accepted']);
    expect(replies(outcomes)).toEqual([undefined, 3n]);
    expect(kinds(await store.execute([deposit('a', 1n, keyed('k', 1n))]))).toEqual(['repeated']);
    expect(handler.asked).toHaveLength(1);
    expect(await bench.balance('a')).toBe(3n);
  });

  test('remembers nothing of one that failed, or whose commit was lost', async () => {
    const { store, handler } = watched();
    await store.execute([deposit('a', 1n)]);
    const poison = { body: { kind: 'throw', account: 'a', where: 'save' }, cause: deposit('a', 1n).cause } as const;
    expect(kinds(await store.execute([deposit('a', 1n), poison]))).toEqual(['accepted', 'failed']);
    expect(replies(await store.execute([withdraw('a', 2n)]))).toEqual([0n]);
    const lost = losing(bench.schema.pool);
    const unlucky = bench.store({ handler, pool: lost.pool });
    await unlucky.execute([deposit('a', 5n)]);
    lost.loseNext();
    await expect(unlucky.execute([deposit('a', 5n)])).rejects.toThrow('nobody knows');
    expect(replies(await unlucky.execute([withdraw('a', 10n)]))).toEqual([0n]);
    await bench.expectWhole();
  });
});

/** A pool one of whose commits, once told so, succeeds without anybody hearing of it. */
function losing(pool: Pool): { readonly pool: Pool; loseNext(): void } {
  let loses = false;
  const connect = async () => {
    const client = await pool.connect();
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const lossy = async (...args: unknown[]): Promise<unknown> => {
      const result = await query(...args);
      if (!loses || (args[0] as { text?: string }).text !== 'COMMIT') return result;
      loses = false;
      throw new Error('nobody knows');
    };
    return new Proxy(client, {
      get: (target, name) => {
        if (name === 'query') return lossy;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
      },
    });
  };
  return { pool: { connect } as unknown as Pool, loseNext: () => (loses = true) };
}
