import { type TestDatabase, testDatabase, TestRuntime } from '@finality/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Admission } from './admission.ts';
import { settlementDdl } from './migrations/create-settlement.migration.ts';

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
  let database: TestDatabase;
  let runtime: SleepingRuntime;
  let admission: Admission;
  beforeAll(async () => {
    database = await testDatabase(['settlement'], { ddl: settlementDdl });
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.service('settlement').owner.query('DELETE FROM settlements');
    runtime = new SleepingRuntime();
    admission = new Admission({ pool: database.service('settlement').pool, runtime, waitingMax: MAX });
  });

  /** Rows as the batch leaves them. */
  const wait = (first: number, last: number): Promise<unknown> =>
    database.service('settlement').pool.query(
      `INSERT INTO settlements (settlement_id, from_institution, to_institution, status, waits_for_coins, mode, amount_sats, payer_claim,
         created_at, created_position, updated_position)
       SELECT 's' || i, 'a', 'b', 'screening', false, 'centralized', 1, 'clearing/a', 0, i, i FROM generate_series($1::integer, $2::integer) i`,
      [first, last],
    );
  const screened = (first: number, last: number): Promise<unknown> =>
    database
      .service('settlement')
      .pool.query("UPDATE settlements SET status = 'settled' WHERE created_position BETWEEN $1 AND $2", [first, last]);
  const admitted = (count: number): number =>
    Array.from({ length: count }, () => admission.admit()).filter((refused) => refused === undefined).length;

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
    expect(admitted(MAX)).toBe(5);
    // Five in a second: a tenth of twenty in 0.4 s.
    expect(admission.admit()).toMatchObject({ retryAfterMs: 400 });
  });

  it('has a stream wait until there is room', async () => {
    await wait(1, MAX);
    await admission.step();
    let isOver = false;
    const room = admission.room().then(() => (isOver = true));
    runtime.wake();
    await admission.step();
    expect(isOver).toBe(false);
    await screened(1, 1);
    await admission.step();
    runtime.wake();
    await room;
    expect(admission.admit()).toBeUndefined();
  });

  it('has it wait no longer than it is worth', async () => {
    await wait(1, MAX);
    await admission.step();
    const room = admission.room();
    for (let i = 0; i < 10_000 / admission.pollMs; i++) {
      runtime.wake();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await room;
    expect(admission.admit()?.reason).toBe('OVERLOADED');
  });
});
