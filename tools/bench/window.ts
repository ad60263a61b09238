import { institutionV1, settlementV1 } from '@finality/contracts';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import type pg from 'pg';
import { bareCommits, connect } from './database.ts';
import { figure, type Measured, median, percentile } from './figures.ts';
import { type Generator, startGenerator } from './generator.ts';
import { type BenchPlatform, startPlatform } from './platform.ts';

const SETTLEMENTS = 1_000_000;
const PARTICIPANTS = 200;
const CLOSE_MS_MAX = 1_000;
const WARM_UP = 3_000;
/** About a third of what two cores take: it leaves room, and enough is under way when a window closes. */
const PER_SECOND = 250;
/** Of settlements, around each closing, and as many without. */
const ROUND_SECONDS = 1;
const ROUNDS = 30;
/** Into a round: then settlements are under way. */
const CLOSE_AFTER_MS = 300;
/** Settlements during a closing may take so many times as long as without. */
const DURING_MAX = 2;
const AMOUNT_SATS = 1_000n;

/**
 * Windows of a million settlements among two hundred participants that close while others settle. Each million is put there by SQL, in a few seconds
 * instead of half an hour: the rows of settlements and their states are copies of one that went through the platform, and positions are what
 * they add up to. What closing a window doesn't read is left out: their events, messages and entries of the ledger.
 */
export async function benchWindow(profile?: string): Promise<Measured> {
  const platform = await startPlatform(profile);
  const generator = startGenerator(platform);
  let client: pg.Client | undefined;
  const api = new Api(platform);
  try {
    client = await connect(platform.databaseUrl);
    await api.admit(PARTICIPANTS);
    let windowId = await api.open();
    await generator.run({ count: WARM_UP });
    const filled = await fillSettlements(client);
    const [closings, during, without]: number[][] = [[], [], []];
    for (let round = 0; round < ROUNDS; round++) {
      without!.push(...(await settle(generator)));
      await fillPositions(client, windowId);
      const closed = closeLater(api, windowId);
      during!.push(...(await settle(generator)));
      const { ms, window } = await closed;
      closings!.push(ms);
      windowId = await api.openAfter(window);
    }
    generator.close();
    const commit = await bareCommits(platform.databaseUrl);
    return report(closings!, during!, without!, [filled, `A bare commit takes ${commit.p50Ms.toFixed(2)} ms.`]);
  } finally {
    api.close();
    generator.close();
    await client?.end();
    await platform.stop();
  }
}

function report(
  closings: readonly number[],
  during: readonly number[],
  without: readonly number[],
  notes: readonly string[],
): Measured {
  const share = 0.999;
  const bound = `${DURING_MAX} × p99.9 without a closing`;
  return {
    figures: [
      figure('window.close', median(closings), 'ms', CLOSE_MS_MAX, 'asked for'),
      figure('window.settling.p999', percentile(during, share), 'ms', DURING_MAX * percentile(without, share), bound),
    ],
    notes: [
      `${closings.length} windows of ${SETTLEMENTS} settlements and ${PARTICIPANTS} participants, the slowest closed in ${Math.round(Math.max(...closings))} ms, as its operator sees it.`,
      `${during.length} settlements at ${PER_SECOND}/s around them, p50 ${median(during).toFixed(1)} ms; without, ${median(without).toFixed(1)} ms.`,
      ...notes,
    ],
  };
}

const settle = async (generator: Generator): Promise<readonly number[]> =>
  (await generator.run({ count: PER_SECOND * ROUND_SECONDS, perSecond: PER_SECOND })).latenciesMs;

async function closeLater(api: Api, windowId: string): Promise<{ ms: number; window: settlementV1.Window }> {
  await new Promise((resolve) => setTimeout(resolve, CLOSE_AFTER_MS));
  const startMs = performance.now();
  const window = await api.closeWindow(windowId);
  const ms = performance.now() - startMs;
  const { settlements, participants } = window;
  if (settlements < SETTLEMENTS || participants < PARTICIPANTS)
    throw new Error(`the window closed with ${settlements} settlements of ${participants} participants`);
  return { ms, window };
}

/** @returns what was done, for people */
async function fillSettlements(client: pg.Client): Promise<string> {
  const startMs = performance.now();
  await client.query('SET search_path = settlement');
  await client.query(
    `CREATE TEMPORARY TABLE model AS SELECT s.*, t.version AS state_version, t.state FROM settlements s
     JOIN stream_states t ON t.stream = 'settlement/' || s.settlement_id WHERE s.status = 'settled' ORDER BY s.created_position DESC LIMIT 1`,
  );
  const { rowCount } = await client.query(
    `INSERT INTO settlements SELECT (jsonb_populate_record(m, jsonb_build_object('settlement_id', copy.id))).* FROM (SELECT id FROM ${COPIES}) copy,
       LATERAL (SELECT s FROM settlements s JOIN model USING (settlement_id)) one (m)`,
    [SETTLEMENTS],
  );
  await client.query(
    `INSERT INTO stream_states SELECT 'settlement/' || copy.id, m.state_version, replace(m.state, m.settlement_id, copy.id) FROM model m, ${COPIES} copy`,
    [SETTLEMENTS],
  );
  await client.query('VACUUM (ANALYZE) settlements');
  await client.query('VACUUM (ANALYZE) stream_states');
  const seconds = (performance.now() - startMs) / 1_000;
  return `${rowCount} settlements with their states were put there by SQL in ${seconds.toFixed(0)} s, and for each window the positions of as many.`;
}

const COPIES = `(SELECT '0198c0de-0000-7000-8000-' || lpad(n::text, 12, '0') AS id FROM generate_series(1, $1::integer) n)`;

/** What so many settlements come to: each participant pays and is paid as often, half of them more than they are paid. */
async function fillPositions(client: pg.Client, windowId: string): Promise<void> {
  await client.query(
    `INSERT INTO window_positions AS p (window_id, institution_id, unit, paid, received, paid_count, received_count)
     SELECT $1, 'participant-' || n, 'BTC', each * $4::bigint + n % 2 * $4::bigint * n, each * $4::bigint + (n + 1) % 2 * $4::bigint * (n - 1), each, each
     FROM generate_series(1, $2::integer) n, (SELECT $3::bigint / $2::integer AS each) of_each
     ON CONFLICT (window_id, institution_id, unit) DO UPDATE SET paid = p.paid + excluded.paid`,
    [windowId, PARTICIPANTS, SETTLEMENTS, AMOUNT_SATS],
  );
}

/** What an operator asks for. */
class Api {
  readonly #windows: settlementV1.WindowServiceClient;
  readonly #institutions: institutionV1.InstitutionServiceClient;
  readonly #metadata = new Metadata();
  #keys = 0;

  constructor({ grpc, operatorKey }: BenchPlatform) {
    this.#windows = new settlementV1.WindowServiceClient(grpc, credentials.createInsecure());
    this.#institutions = new institutionV1.InstitutionServiceClient(grpc, credentials.createInsecure());
    this.#metadata.set('authorization', `Bearer ${operatorKey}`);
  }

  async admit(count: number): Promise<void> {
    const admitted = Array.from({ length: count }, (_, n) => {
      const institutionId = `participant-${n + 1}`;
      const asked = { idempotencyKey: this.#key(), institutionId, name: institutionId, creditLineSats: 0n };
      return called((done) => this.#institutions.createInstitution(asked, this.#metadata, done));
    });
    await Promise.all(admitted);
  }

  async open(): Promise<string> {
    const { windowId } = await called<settlementV1.Window>((done) =>
      this.#windows.openWindow({ idempotencyKey: this.#key() }, this.#metadata, done),
    );
    return windowId;
  }

  closeWindow(windowId: string): Promise<settlementV1.Window> {
    const asked = { idempotencyKey: this.#key(), windowId, reason: 'bench' };
    return called((done) => this.#windows.closeWindow(asked, this.#metadata, done));
  }

  /** The one that opened when this one closed. */
  async openAfter({ windowId: before }: settlementV1.Window): Promise<string> {
    const { windows } = await called<settlementV1.ListWindowsResponse>((done) =>
      this.#windows.listWindows(settlementV1.ListWindowsRequest.fromPartial({ pageSize: 1 }), this.#metadata, done),
    );
    const [newest] = windows;
    if (newest === undefined || newest.windowId === before) throw new Error('no window has opened');
    return newest.windowId;
  }

  close(): void {
    this.#windows.close();
    this.#institutions.close();
  }

  #key(): string {
    return `bench-window-${++this.#keys}`;
  }
}

function called<T>(call: (done: (error: ServiceError | null, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, answer) => (error ? reject(error) : resolve(answer)));
  });
}
