import { hash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  bigintArray,
  eventStoreDdl,
  hexArray,
  integerArray,
  lockedTransaction,
  textArray,
} from '@finality/event-store';
import { type Instant, unwrap } from '@finality/kernel';
import { type AccountId, availableAccount, single, transitAccount } from '@finality/ledger';
import { ledgerDdl, loadLedger, RecentLedger, saveLedger, verifyLedger } from '@finality/ledger-store';
import pg from 'pg';
import { endsWithUs } from './ending.ts';
import { figure, type Measured, median, percentile } from './figures.ts';

/** Settlements have ids that begin with when they were asked for: so many in the same millisecond, from this one on. */
const EPOCH_MS = 0x0198c0de0000;
const PER_MS = 30;
const INSTITUTIONS = 200;
const BATCH = 1_000;
const BATCHES = 60;
const ROUNDS = 3;
const WARM_UP_BATCHES = 10;
const SINGLES = 1_500;
const FUNDING = 1_000_000_000_000n;
const SCHEMA = 'settlement';

/**
 * Transfers from one institution to another, each limited by what the payer has, numbered, hashed and chained; a batch is one durable transaction under the
 * store's lock, in one round trip where its accounts are known from batches before. Beside it the same rows into the same columns, made up beforehand and sent in the same encoding, without anything being
 * known, checked or kept of them. Both make up what comes next while the database is at work.
 */
export async function benchLedger(): Promise<Measured> {
  const bench = await LedgerBench.open();
  const stop = endsWithUs(() => bench.close());
  try {
    await bench.fund();
    await bench.batches(WARM_UP_BATCHES);
    const [transfers, raw, lone, bare]: number[][] = [[], [], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      transfers!.push(await perSecond(() => bench.batches(BATCHES)));
      const rows = bench.rowsOf(BATCHES);
      raw!.push(await perSecond(() => bench.rawBatches(rows)));
      lone!.push(...(await bench.latencies(SINGLES, () => bench.batch(1))));
      bare!.push(...(await bench.latencies(SINGLES, () => bench.bareCommit())));
      process.stderr.write(`  ${Math.round(transfers!.at(-1)!)} transfers/s, ${Math.round(raw!.at(-1)!)} raw rows/s\n`);
    }
    const verified = await bench.verify();
    return {
      figures: [
        figure(
          'ledger.batch1000',
          median(transfers!),
          '/s',
          median(raw!),
          'raw unnest insert of the same rows, durable',
        ),
        figure('ledger.single', percentile(lone!, 0.5), 'ms', percentile(bare!, 0.5), 'a bare commit of one row, p50'),
        figure('ledger.single.p99', percentile(lone!, 0.99), 'ms', percentile(bare!, 0.99), 'a bare commit, p99'),
      ],
      notes: [
        `${verified} entries among ${INSTITUTIONS} institutions; chains, hashes and balances were verified afterwards.`,
      ],
    };
  } finally {
    await stop();
  }
}

/** Of {@link BATCHES} batches. */
async function perSecond(work: () => Promise<void>): Promise<number> {
  const startMs = performance.now();
  await work();
  return (BATCHES * BATCH * 1_000) / (performance.now() - startMs);
}

const account = (n: number): AccountId => availableAccount({ kind: 'clearing', institutionId: `institution-${n}` });

class LedgerBench {
  /** Of one session, made as the services make theirs. */
  readonly #pool: pg.Pool;
  readonly #close: () => Promise<void>;
  readonly #recent = new RecentLedger();
  #position = 0n;
  #transfers = 0;
  #rawRows = 0;

  private constructor(pool: pg.Pool, close: () => Promise<void>) {
    this.#pool = pool;
    this.#close = close;
  }

  static async open(): Promise<LedgerBench> {
    // All of NestJS comes with it: not for those who measure something else.
    const {
      createPool,
      derivePasswords,
      provisionDatabase,
      rolesOf,
      busRole,
      silentLog,
      startPostgres,
      systemRuntime,
    } = await import('@finality/service');
    const home = await mkdtemp(path.join(tmpdir(), 'finality-bench-'));
    const postgres = await startPostgres({
      dataDir: path.join(home, 'postgres'),
      durable: true,
      tieToParent: true,
      runtime: systemRuntime(),
      log: silentLog,
    });
    const close = async (): Promise<void> => {
      await postgres.stop();
      await rm(home, { recursive: true, force: true });
    };
    try {
      const { services } = await provisionDatabase({
        adminUrl: postgres.adminUrl,
        database: 'finality',
        services: [{ name: 'settlement', schema: SCHEMA }],
        passwordOf: derivePasswords(randomBytes(32).toString('hex')),
      });
      const { url, ownerUrl } = services['settlement']!;
      const options = { schema: SCHEMA, serviceRole: rolesOf('settlement').login, busRole: busRole('finality') };
      const owner = new pg.Client({ connectionString: ownerUrl });
      await owner.connect();
      for (const statement of [...eventStoreDdl(options), ...ledgerDdl(options), RAW_TABLE, BARE_TABLE])
        await owner.query(statement);
      await owner.query(`GRANT ALL ON raw_transfers, bare TO ${options.serviceRole}`);
      await owner.end();
      const pool = createPool(url, { applicationName: 'finality/bench', connectionsMax: 1, log: silentLog });
      return new LedgerBench(pool, () => pool.end().then(close));
    } catch (error) {
      await close();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#close();
  }

  fund(): Promise<void> {
    const funding = Array.from({ length: INSTITUTIONS }, (_, n) => {
      const move = { debit: transitAccount(), credit: account(n), amount: FUNDING };
      return single({ purpose: 'fund', object: `${n}`, life: 1, ...move });
    });
    return this.#post(funding);
  }

  async batches(count: number): Promise<void> {
    let next = this.#transfersOf(BATCH);
    for (let i = 0; i < count; i++) {
      const posted = this.#post(next);
      next = this.#transfersOf(BATCH);
      await posted;
    }
  }

  batch(count: number): Promise<void> {
    return this.#post(this.#transfersOf(count));
  }

  /** To be inserted raw: of the same kind as all others, and none of them. */
  rowsOf(batches: number): Row[][] {
    return Array.from({ length: batches }, () =>
      this.#transfersOf(BATCH).map((transfer) => ({ transfer, hash: hash('sha256', transfer.object) })),
    );
  }

  async rawBatches(batches: readonly (readonly Row[])[]): Promise<void> {
    let inserted: Promise<unknown> = Promise.resolve();
    for (const rows of batches) {
      const values = this.#rawValues(rows);
      await inserted;
      inserted = this.#pool.query({ name: 'raw', text: RAW_INSERT, values });
    }
    await inserted;
  }

  bareCommit(): Promise<unknown> {
    return this.#pool.query('INSERT INTO bare DEFAULT VALUES');
  }

  async latencies(count: number, work: () => Promise<unknown>): Promise<number[]> {
    const latenciesMs: number[] = [];
    for (let i = 0; i < count; i++) {
      const startMs = performance.now();
      await work();
      latenciesMs.push(performance.now() - startMs);
    }
    return latenciesMs;
  }

  async verify(): Promise<bigint> {
    const verified = await lockedTransaction(this.#store, verifyLedger);
    if (!verified.ok) throw new Error(`the ledger is wrong: ${JSON.stringify(verified.difference)}`);
    return verified.transfers;
  }

  #transfersOf(count: number): Single[] {
    return Array.from({ length: count }, () => this.#transfer());
  }

  #transfer(): Single {
    const n = ++this.#transfers;
    const [debit, credit] = [account(n % INSTITUTIONS), account((n * 7 + 1) % INSTITUTIONS)];
    const time = (EPOCH_MS + Math.floor(n / PER_MS)).toString(16).padStart(12, '0');
    const object = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${String(n).padStart(12, '0')}`;
    const other = credit === debit ? account((n + 1) % INSTITUTIONS) : credit;
    return single({ purpose: 'settle', object, life: 1, debit, credit: other, amount: 1_000n, settlementId: object });
  }

  async #post(transfers: readonly Single[]): Promise<void> {
    this.#position += 1n;
    const accounts = transfers.flatMap(({ debit, credit }) => [debit, credit]);
    const saved = await lockedTransaction(this.#store, async (session) => {
      const loaded = await loadLedger(session, { accounts }, this.#recent);
      for (const transfer of transfers) unwrap(loaded.view.post([transfer]));
      return saveLedger(session, loaded, this.#position, Date.now() as Instant);
    });
    if (saved) this.#recent.saved(saved.end, saved.records);
  }

  #rawValues(rows: readonly Row[]): unknown[] {
    const first = this.#rawRows + 1;
    this.#rawRows += rows.length;
    const transfers = rows.map(({ transfer }) => transfer);
    const numbers = transfers.map((_, i) => first + i);
    return [
      hexArray(
        transfers.map((t) => t.id),
        32,
      ),
      bigintArray(numbers.map(BigInt)),
      textArray(transfers.map((t) => t.kind)),
      integerArray(numbers.map((n) => n % INSTITUTIONS)),
      integerArray(numbers.map((n) => (n * 7 + 1) % INSTITUTIONS)),
      bigintArray(transfers.map((t) => t.amount)),
      textArray(transfers.map((t) => t.purpose)),
      textArray(transfers.map((t) => t.object)),
      integerArray(transfers.map((t) => t.life)),
      textArray(transfers.map((t) => t.settlementId)),
      hexArray(
        rows.map((row) => row.hash),
        32,
      ),
      `${first}`,
      Date.now(),
    ];
  }

  get #store(): { readonly pool: pg.Pool; readonly schema: string } {
    return { pool: this.#pool, schema: SCHEMA };
  }
}

type Single = ReturnType<typeof single>;

interface Row {
  readonly transfer: Single;
  readonly hash: string;
}

/** The columns and keys of ledger_transfers, and nothing that checks or guards them. */
const RAW_TABLE = `CREATE TABLE raw_transfers (
  id bytea PRIMARY KEY, number bigint NOT NULL UNIQUE, position bigint NOT NULL, kind text NOT NULL, debit integer NOT NULL, credit integer NOT NULL,
  amount bigint NOT NULL, pending_id bytea, corrects bytea, purpose text NOT NULL, object text NOT NULL, life integer NOT NULL, settlement_id text,
  recorded_at bigint NOT NULL, hash bytea NOT NULL)`;

const RAW_INSERT = `
  INSERT INTO raw_transfers
  SELECT id, number, $12::bigint, kind, debit, credit, amount, NULL, NULL, purpose, object, life, settlement_id, $13::bigint, hash
  FROM unnest($1::bytea[], $2::bigint[], $3::text[], $4::integer[], $5::integer[], $6::bigint[], $7::text[], $8::text[], $9::integer[], $10::text[],
              $11::bytea[]) AS t (id, number, kind, debit, credit, amount, purpose, object, life, settlement_id, hash)`;

const BARE_TABLE = `CREATE TABLE bare (position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY)`;
