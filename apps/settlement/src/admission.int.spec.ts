import type { Sats } from '@finality/kernel';
import { POLICY, World } from '@finality/settlement/spec';
import { TestRuntime } from '@finality/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Admission } from './admission.ts';
import type { SettlementCommand } from './store/commands.ts';
import { StoreRig } from './store/store-rig.fixture.ts';

const MAX = 20;

/** Sleeps until it is woken, not until it is time. */
class SleepingRuntime extends TestRuntime {
  #wake = Promise.withResolvers<void>();

  override async sleep(delayMs: number): Promise<void> {
    await this.#wake.promise;
    this.advance(delayMs);
  }

  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

describe('settlements are let in while few wait for their screening', () => {
  let rig: StoreRig;
  let runtime: SleepingRuntime;
  let admission: Admission;
  beforeEach(async () => {
    rig = await StoreRig.open(POLICY);
    await rig.execute(new World(POLICY).told.map(({ command }) => command));
    runtime = new SleepingRuntime();
    admission = new Admission({ pool: rig.pool, runtime, waitingMax: MAX });
  });
  afterEach(() => rig.close());

  const numbers = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, i) => first + i);
  async function wait(first: number, last: number): Promise<void> {
    const commands = numbers(first, last).map((i): SettlementCommand => {
      const names = { settlementId: `s-${i}`, referenceId: '', idempotencyKey: `k-${i}`, submittedBy: 'k' };
      const terms = {
        from: 'a',
        to: 'b',
        amountSats: 1_000n as Sats,
        mode: 'centralized',
        feeBearer: 'payer',
      } as const;
      return { type: 'submit', submission: { ...names, ...terms } };
    });
    expect((await rig.execute(commands)).map(({ kind }) => kind)).toEqual(commands.map(() => 'accepted'));
  }
  async function screened(first: number, last: number): Promise<void> {
    const assessment = { recommendation: 'approve', rulesVersion: '1', reason: '' } as const;
    for (const by of ['risk', 'aml'] as const)
      await rig.execute(
        numbers(first, last).map((i) => ({ type: 'verdict', subject: 'settlement', id: `s-${i}`, by, assessment })),
      );
  }
  const admitted = (count: number): number =>
    Array.from({ length: count }, () => admission.admit()).filter((refused) => refused === undefined).length;
  const refusedFor = (count: number): (number | undefined)[] =>
    Array.from({ length: count }, () => admission.overloaded().retryAfterMs);

  it('counts what is there, and what it lets in until it counts again', async () => {
    await wait(1, 15);
    await admission.step();
    expect(admitted(10)).toBe(5);
    await wait(16, 18);
    await screened(1, 4);
    // Two of the five that were let in were refused for something else.
    await admission.step();
    expect(admitted(10)).toBe(MAX - 14);
  });

  it('says when to ask again, by how fast it goes', async () => {
    await wait(1, MAX + 5);
    await admission.step();
    expect(admission.admit()).toMatchObject({
      kind: 'resource_exhausted',
      reason: 'OVERLOADED',
      retryable: true,
      retryAfterMs: 1_000,
    });
    await screened(1, 10);
    runtime.advance(1_000);
    await admission.step();
    expect(admitted(5)).toBe(5);
    // Five in a second: each has 0.2 s of his own, after the shortest time.
    expect(refusedFor(3)).toEqual([1_200, 1_400, 1_600]);
    runtime.advance(500);
    expect(refusedFor(2)).toEqual([1_300, 1_500]);
    // A crowd isn't sent away for minutes.
    expect(refusedFor(100).at(-1)).toBe(10_000);
  });

  it('goes by how fast it went while something waited', async () => {
    await wait(1, MAX + 5);
    await admission.step();
    await screened(1, 10);
    runtime.advance(1_000);
    await admission.step();
    await screened(11, MAX + 5);
    runtime.advance(1_000);
    await admission.step();
    runtime.advance(60_000);
    await admission.step();
    await wait(MAX + 6, 2 * MAX + 5);
    await admission.step();
    expect(refusedFor(1)).toEqual([1_200]);
  });

  it('has a stream wait until there is room', async () => {
    await wait(1, MAX);
    await admission.step();
    let entered: number | undefined;
    const room = admission.enter(5).then((count) => (entered = count));
    runtime.wake();
    await admission.step();
    expect(entered).toBeUndefined();
    await screened(1, 3);
    await admission.step();
    runtime.wake();
    // Those for which there is room, which nobody else has from then on.
    expect(await room).toBe(3);
    expect(admission.admit()?.reason).toBe('OVERLOADED');
  });

  it('has it wait no longer than it is worth', async () => {
    await wait(1, MAX);
    await admission.step();
    const room = admission.enter(1);
    for (let i = 0; i < 10_000 / admission.pollMs; i++) {
      runtime.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await room).toBe(0);
    expect(admission.overloaded().reason).toBe('OVERLOADED');
  });
});
