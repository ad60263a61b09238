import { acquireLease, type FaultPoint, releaseLease, type Timer, TimerWorker } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { expect, test } from 'vitest';
import { type AccountCommand, type AccountReply, commandOf, deposit } from './account.ts';
import { kinds, type Store, type StoreBench } from './store-bench.ts';

export function testTimers(bench: StoreBench): void {
  const timerAt = (ms: number): Timer => ({
    stream: 'account/a',
    kind: 'interest',
    id: '1',
    dueAt: (bench.runtime.now() + ms) as Instant,
  });
  const workerOf = (store: Store, body: AccountCommand): TimerWorker<AccountCommand, AccountReply> =>
    new TimerWorker({
      ...bench.schema,
      name: 'timers',
      store,
      runtime: bench.runtime,
      commandOf: () => commandOf(body),
    });
  const interest: AccountCommand = { kind: 'deposit', account: 'a', amount: 1n };

  test('a timer fires once, when it is due', async () => {
    const store = bench.store();
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: timerAt(1_000) })]);
    const workers = [workerOf(store, interest), workerOf(bench.store(), interest)];
    expect(await workers[0]!.step()).toBe('idle');
    bench.runtime.advance(1_000);
    await Promise.all(workers.map((worker) => worker.step()));
    expect(await workers[0]!.step()).toBe('idle');
    expect(await bench.balance('a')).toBe(1n);
  });

  test('cancelled or set anew, it doesn’t fire, not even in the batch that is to fire it', async () => {
    const store = bench.store();
    const due = timerAt(0);
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: due })]);
    const cancel = commandOf({ kind: 'cancel', account: 'a', timer: due });
    expect(kinds(await store.execute([cancel, { ...deposit('a', 1n), timer: due }]))).toEqual(['accepted', 'skipped']);
    await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: due })]);
    const later = commandOf({ kind: 'schedule', account: 'a', timer: timerAt(5_000) });
    expect(kinds(await store.execute([later, { ...deposit('a', 1n), timer: due }]))).toEqual(['accepted', 'skipped']);
    expect(await workerOf(store, interest).step()).toBe('idle');
    bench.runtime.advance(5_000);
    expect(await workerOf(store, interest).step()).toBe('progress');
    expect(await bench.balance('a')).toBe(1n);
  });

  test.each(['refused', 'thrown out'] as const)(
    'one whose command is %s stays, is put off and says why',
    async (how) => {
      const store = bench.store();
      await store.execute([commandOf({ kind: 'schedule', account: 'a', timer: timerAt(0) })]);
      const failing: AccountCommand =
        how === 'refused'
          ? { kind: 'withdraw', account: 'a', amount: 9n }
          : { kind: 'throw', account: 'a', where: 'handle' };
      expect(await workerOf(store, failing).step()).toBe('progress');
      expect(await workerOf(store, interest).step()).toBe('idle');
      const { rows } = await bench.schema.pool.query<{ cause: string; attempts: number }>(
        'SELECT cause, attempts FROM timers',
      );
      expect(rows).toMatchObject([
        { attempts: 1, cause: expect.stringMatching(/TOO_LITTLE|can’t be handled/) as string },
      ]);
      bench.runtime.advance(1_000);
      expect(await workerOf(store, interest).step()).toBe('progress');
      expect(await bench.balance('a')).toBe(1n);
    },
  );
}

export function testLeases(bench: StoreBench): void {
  const of = (holder: string) => ({ name: 'follower', holder, ttlMs: 1_000 });

  test('one holder at a time; every change of holder gives a higher fencing number', async () => {
    const store = { ...bench.schema, runtime: bench.runtime };
    const first = await acquireLease(store, of('one'));
    expect(first?.fencing).toBe(1n);
    expect(await acquireLease(store, of('two'))).toBeUndefined();
    bench.runtime.advance(500);
    expect((await acquireLease(store, of('one')))?.fencing).toBe(1n);
    bench.runtime.advance(1_000);
    const second = await acquireLease(store, of('two'));
    expect(second?.fencing).toBe(2n);
    await releaseLease(store, first!);
    expect(await acquireLease(store, of('one'))).toBeUndefined();
    await releaseLease(store, second!);
    expect((await acquireLease(store, of('one')))?.fencing).toBe(3n);
  });

  test('a command of somebody who has lost the lease is refused', async () => {
    const options = { ...bench.schema, runtime: bench.runtime };
    const store = bench.store();
    const lost = (await acquireLease(options, of('one')))!;
    expect(kinds(await store.execute([deposit('a', 1n, { lease: lost })]))).toEqual(['accepted']);
    bench.runtime.advance(1_000);
    const held = (await acquireLease(options, of('two')))!;
    const outcomes = await store.execute([deposit('a', 1n, { lease: lost }), deposit('a', 1n, { lease: held })]);
    expect(outcomes).toMatchObject([{ kind: 'refused', refusal: { reason: 'LEASE_LOST' } }, { kind: 'accepted' }]);
    expect(await bench.balance('a')).toBe(2n);
  });

  test('nobody takes a lease over while a batch that relies on it commits', async () => {
    const options = { ...bench.schema, runtime: bench.runtime };
    const lease = (await acquireLease(options, of('one')))!;
    let takeover: Promise<unknown> | undefined;
    const order: string[] = [];
    const faults = {
      before: (point: FaultPoint): void => {
        if (point !== 'save' || takeover) return;
        bench.runtime.advance(1_000);
        takeover = acquireLease(options, of('two')).then(() => order.push('taken over'));
      },
      after: (point: FaultPoint): void => void (point === 'commit' && order.push('committed')),
    };
    expect(kinds(await bench.store({ faults }).execute([deposit('a', 1n, { lease })]))).toEqual(['accepted']);
    await takeover;
    expect(order).toEqual(['committed', 'taken over']);
  });
}
