import { EventReader } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import type { ServiceMetrics } from '@finality/service';
import type { Pool } from 'pg';
import { SETTLEMENT_SCHEMA } from './env.ts';
import { CHAIN_TIP_ID, chainTipStream } from './store/streams.ts';

/** Sums over accounts take longer the more there are: so many who scrape at once cost one. */
const SUMS_KEPT_MS = 5_000;
/** One block is common, three happen, six is the rule for finality, ten stops the platform (DESIGN 7). */
const REORG_DEPTHS = [1, 3, 6, 10];

/** What an account's path stands for, by the first pattern that fits it; the sign that makes its usual balance positive. */
const WHERE = {
  custody: { like: 'custody/%', sign: -1 },
  suspense: { like: 'suspense/%', sign: 1 },
  available: { like: '%/available', sign: 1 },
  in_flight: { like: '%/in_flight', sign: 1 },
  incoming: { like: '%/incoming', sign: 1 },
  held: { like: '%/held', sign: 1 },
} as const;

/** How much money is where, and how much of it the chain could still take back. */
export function watchStakes(metrics: ServiceMetrics, pool: Pool, runtime: Runtime): void {
  const balances = kept(runtime, () => sumBalances(pool));
  for (const where of [...Object.keys(WHERE), 'reserved']) {
    metrics.watch(
      'finality_ledger_sats',
      'Balances of the ledger by what they are; reserved is part of available',
      { where },
      async () => (await balances()).get(where) ?? 0,
    );
  }
  const young = kept(runtime, () => sumYoungCoins(pool));
  for (const blocks of REORG_DEPTHS) {
    metrics.watch(
      'finality_reorg_stake_sats',
      'Outputs of ours in the last blocks: what a reorg of that many would put in question',
      { blocks: String(blocks) },
      async () => (await young()).get(blocks) ?? 0,
    );
  }
}

/** The last answer for a while, then another one. */
export function kept<T>(runtime: Runtime, read: () => Promise<T>): () => Promise<T> {
  let last: { readonly atMs: number; readonly answer: Promise<T> } | undefined;
  return () => {
    if (last === undefined || runtime.monotonicMs() - last.atMs > SUMS_KEPT_MS) {
      last = { atMs: runtime.monotonicMs(), answer: read() };
    }
    return last.answer;
  };
}

async function sumBalances(pool: Pool): Promise<ReadonlyMap<string, number>> {
  const cases = Object.entries(WHERE).map(([where, { like }]) => `WHEN id LIKE '${like}' THEN '${where}'`);
  const { rows } = await pool.query<{ where: keyof typeof WHERE | null; balance: string; pending: string }>(
    `SELECT CASE ${cases.join(' ')} END AS where, sum(credits_posted - debits_posted) AS balance, sum(debits_pending) AS pending
     FROM ledger_accounts LEFT JOIN wallets ON wallet_id = split_part(id, '/', 2) AND split_part(id, '/', 1) IN ('custody', 'wallet', 'suspense')
     -- Memos of what others hold are no money of ours.
     WHERE coalesce(custodial, true) AND unit = '${BTC}' GROUP BY 1`,
  );
  // Gauges are floating-point numbers: exact up to 90 million bitcoin.
  const sums = new Map<string, number>();
  for (const { where, balance, pending } of rows) {
    if (where === null) continue;
    sums.set(where, WHERE[where].sign * Number(balance));
    if (where === 'available') sums.set('reserved', Number(pending));
  }
  return sums;
}

async function sumYoungCoins(pool: Pool): Promise<ReadonlyMap<number, number>> {
  const reader = new EventReader({ pool, schema: SETTLEMENT_SCHEMA });
  const { height } = (await reader.loadState(chainTipStream, CHAIN_TIP_ID)).state;
  const { rows } = await pool.query<{ blocks: number; sats: string }>(
    `SELECT blocks, coalesce((SELECT sum(value_sats) FROM coins WHERE custodial AND height > $1::integer - blocks), 0) AS sats
     FROM unnest($2::integer[]) AS blocks`,
    [height, REORG_DEPTHS],
  );
  return new Map(rows.map(({ blocks, sats }) => [blocks, Number(sats)]));
}
