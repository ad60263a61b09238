import { CHAIN_STATUS, type ChainStatus } from '@finality/chain-watcher-app';
import { fromTimestamp, type ServiceName, settlementV1, TOPICS } from '@finality/contracts';
import type { Runtime, Worker } from '@finality/kernel';
import { ParkedKeys } from '@finality/messaging';
import type { AssembledService, CheckResult, Metrics, ServiceEnv, ServiceMetrics } from '@finality/service';
import type { Pool } from 'pg';
import { modeName, statusName } from './names.ts';

/** From a tenth of a second (ledger only) to a day (on the chain, with a review). */
const DURATION_BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 1_800, 3_600, 7_200, 21_600, 86_400];
/** Counting takes longer the more there are: so many who scrape at once cost one count. */
const COUNTS_KEPT_MS = 5_000;
const MESSAGES_MAX = 500;
const POLL_MS = 1_000;

export interface WatchedPlatform {
  readonly services: ReadonlyMap<ServiceName, AssembledService>;
  readonly baseOf: (name: ServiceName) => Omit<ServiceEnv, 'config'>;
  readonly metrics: Metrics;
  readonly runtime: Runtime;
}

/** Figures that are read when somebody scrapes. */
export function watchPlatform({ services, baseOf, metrics, runtime }: WatchedPlatform): void {
  for (const [name, { blueprint, consumer }] of services) {
    if (consumer === undefined) continue;
    const own = metrics.forService(name);
    const parked = new ParkedKeys({ pool: baseOf(name).pool, schema: blueprint.schema, runtime });
    own.watch('finality_consumer_lag_messages', 'Messages published but not yet handled', {}, async () =>
      Number(await consumer.lag()),
    );
    own.watch('finality_parked_keys', 'Keys whose messages wait behind one that could not be handled', {}, () =>
      parked.count(),
    );
  }
  watchChain(metrics.forService('chain-watcher'), chainStatus(services));
  watchSettlements(metrics.forService('settlement'), baseOf('settlement').pool, runtime);
}

function watchChain(metrics: ServiceMetrics, chain: ChainStatus): void {
  const read = (name: string, help: string, value: () => number | null): void =>
    metrics.watch(name, help, {}, () => value() ?? Number.NaN);
  read('finality_chain_tip_height', 'Height of the last block processed', () => chain.status().tipHeight);
  read('finality_chain_tip_age_seconds', 'Since the time of the last block processed', () => {
    const { tipAgeMs } = chain.status();
    return tipAgeMs === null ? null : tipAgeMs / 1_000;
  });
  read('finality_chain_lag_blocks', 'Blocks of the node not yet processed', () => chain.status().lagBlocks);
  read('finality_broadcasts_wanted', 'Transactions to be on the chain', () => chain.status().broadcastsWanted);
}

/** One series per mode and status, read by one query. */
function watchSettlements(metrics: ServiceMetrics, pool: Pool, runtime: Runtime): void {
  let counted: { readonly atMs: number; readonly counts: Promise<ReadonlyMap<string, number>> } | undefined;
  const counts = (): Promise<ReadonlyMap<string, number>> => {
    if (counted === undefined || runtime.monotonicMs() - counted.atMs > COUNTS_KEPT_MS) {
      counted = { atMs: runtime.monotonicMs(), counts: countSettlements(pool) };
    }
    return counted.counts;
  };
  const { SettlementMode, SettlementStatus, settlementModeFromJSON, settlementStatusFromJSON } = settlementV1;
  for (const mode of Object.keys(SettlementMode).map(settlementModeFromJSON).filter(isKnown).map(modeName)) {
    for (const status of Object.keys(SettlementStatus).map(settlementStatusFromJSON).filter(isKnown).map(statusName)) {
      metrics.watch(
        'finality_settlements',
        'Settlements by mode and present status',
        { mode, status },
        async () => (await counts()).get(`${mode}/${status}`) ?? 0,
      );
    }
  }
}

/** Neither 0, which says nothing, nor what this release doesn't know. */
const isKnown = (value: number): boolean => value > 0;

async function countSettlements(pool: Pool): Promise<ReadonlyMap<string, number>> {
  const { rows } = await pool.query<{ mode: string; status: string; count: bigint }>(
    'SELECT mode, status, count(*) AS count FROM settlements GROUP BY mode, status',
  );
  return new Map(rows.map(({ mode, status, count }) => [`${mode.toUpperCase()}/${status}`, Number(count)]));
}

interface MessageRow {
  readonly position: bigint;
  readonly ordinal: number;
  readonly payload: Buffer;
}

/** Times settlements by what the settlement service publishes, from its start on: how long from request to finality, by mode. */
export function durationWorker(pool: Pool, metrics: ServiceMetrics): Worker {
  const seconds = metrics.histogram(
    'finality_settlement_seconds',
    'From request to settled, by mode',
    DURATION_BUCKETS_S,
    ['mode'],
  );
  const changes = metrics.counter(
    'finality_settlement_changes_total',
    'Changes of settlements by mode and new status',
    ['mode', 'status'],
  );
  let place: Omit<MessageRow, 'payload'> | undefined;
  return {
    name: 'settlement durations',
    pollMs: POLL_MS,
    step: async () => {
      place ??= { position: await headOf(pool), ordinal: 0 };
      const { rows } = await pool.query<MessageRow>(
        `SELECT position, ordinal, payload FROM published_messages WHERE topic = $1 AND (position, ordinal) > ($2::bigint, $3::integer)
         ORDER BY position, ordinal LIMIT ${MESSAGES_MAX}`,
        [TOPICS.settlement.name, place.position, place.ordinal],
      );
      for (const { payload } of rows) {
        const { settlement } = settlementV1.SettlementChanged.decode(payload);
        if (settlement === undefined) continue;
        const mode = modeName(settlement.settlementMode);
        changes.inc({ mode, status: statusName(settlement.status) });
        const durationMs = durationOf(settlement);
        if (durationMs !== undefined) seconds.observe(durationMs / 1_000, { mode });
      }
      const last = rows.at(-1);
      if (last) place = { position: last.position, ordinal: last.ordinal };
      return rows.length === MESSAGES_MAX ? 'progress' : 'idle';
    },
  };
}

/** Of one that has just been settled for the first time. */
function durationOf({ transitions, createdAt }: settlementV1.Settlement): number | undefined {
  const { SETTLEMENT_STATUS_SETTLED } = settlementV1.SettlementStatus;
  const settled = transitions.filter(({ status }) => status === SETTLEMENT_STATUS_SETTLED);
  const [first] = settled;
  if (settled.length !== 1 || transitions.at(-1) !== first || !first?.at || !createdAt) return undefined;
  return fromTimestamp(first.at) - fromTimestamp(createdAt);
}

async function headOf(pool: Pool): Promise<bigint> {
  const { rows } = await pool.query<{ position: bigint }>('SELECT position FROM store_head');
  return rows[0]?.position ?? 0n;
}

/** Without a node nothing moves on the chain: whoever asks whether we are ready has to know. */
export function chainCheck(services: ReadonlyMap<ServiceName, AssembledService>): () => CheckResult {
  const chain = chainStatus(services);
  return () => {
    const { nodeReachable, tipHeight, nodeHeight, problem } = chain.status();
    return {
      ok: nodeReachable && problem === null,
      detail: {
        tipHeight,
        ...(nodeHeight === null ? {} : { nodeHeight }),
        ...(problem === null ? {} : { problem }),
      },
    };
  };
}

const chainStatus = (services: ReadonlyMap<ServiceName, AssembledService>): ChainStatus =>
  services.get('chain-watcher')!.get<ChainStatus>(CHAIN_STATUS);
