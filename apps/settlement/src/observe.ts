import { modeName, settlementV1, statusName } from '@finality/contracts';
import type { Runtime, Worker } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { type AssembledService, type Observation, SERVICE_ENV, type ServiceMetrics } from '@finality/service';
import { type FundSizing, sizeFund, standbyMaxIn } from '@finality/settlement';
import type { Pool } from 'pg';
import { Commits } from './commits.ts';
import { timeSettlements } from './settlement-metrics.ts';
import { EventReader } from '@finality/event-store';
import { SETTLEMENT_SCHEMA, type SettlementEnv } from './env.ts';
import { readFund, readFundUnits } from './outbound/read-fund.ts';
import { RecoveryGate } from './recovery-gate.ts';
import { watchQueues } from './queue-metrics.ts';
import { kept, watchStakes } from './stakes.ts';
import { CHAIN_TIP_ID, chainTipStream } from './store/streams.ts';

/** Settlements by mode and status, how long they take, and how much money is where. */
export function observeSettlements(
  service: AssembledService,
  { base, metrics, check }: Observation,
): readonly Worker[] {
  watchSettlements(metrics, base.pool, base.runtime);
  watchRecovery(service.get<RecoveryGate>(RecoveryGate), { base, metrics, check });
  watchStakes(metrics, base.pool, base.runtime);
  watchQueues(metrics, base.pool, base.runtime);
  const reader = new EventReader({ pool: base.pool, schema: SETTLEMENT_SCHEMA });
  metrics.watch('finality_incidents_open', 'Incidents that wait for an operator: they stop signing', {}, async () => {
    const { state } = await reader.loadState(chainTipStream, CHAIN_TIP_ID);
    return state.incidents.filter(({ kind }) => kind !== 'participant_default').length;
  });
  metrics.watch('finality_defaults_open', 'Defaults of participants that no operator has confirmed', {}, async () => {
    const { state } = await reader.loadState(chainTipStream, CHAIN_TIP_ID);
    return state.incidents.filter(({ kind }) => kind === 'participant_default').length;
  });
  watchFund(service.get<SettlementEnv>(SERVICE_ENV), metrics);
  metrics.watchEach(
    'finality_defaulters_owe',
    'What defaulters owe to those who stood in for them, in the smallest part of the unit',
    'unit',
    async () => {
      const { rows } = await base.pool.query<{ unit: string; owed: string }>(
        'SELECT unit, sum(still_owed)::text AS owed FROM defaults GROUP BY unit',
      );
      return new Map([[BTC, 0], ...rows.map(({ unit, owed }) => [unit, Number(owed)] as const)]);
    },
  );
  metrics.watch(
    'finality_proposals_open',
    'Changes that wait for a second operator, and are still valid',
    {},
    async () => {
      const { rows } = await base.pool.query<{ count: bigint }>(
        "SELECT count(*) AS count FROM proposals WHERE status = 'proposed' AND expires_at > $1",
        [BigInt(base.runtime.now())],
      );
      return Number(rows[0]?.count ?? 0n);
    },
  );
  timeSettlements(metrics, service.get<Commits>(Commits));
  return [];
}

/** What contributions to the default fund of each unit should be, and what they lack: as a whole, and of whoever contributes too little. */
function watchFund({ pool, runtime, config }: SettlementEnv, metrics: ServiceMetrics): void {
  const sizings = kept(runtime, async () => {
    const units = new Set([BTC, ...(await readFundUnits(pool))]);
    const sized = [...units].map(
      async (unit) => [unit, sizeFund(await readFund(pool, unit), standbyMaxIn(config.policy, unit))] as const,
    );
    return Promise.all(sized);
  });
  const watch = (name: string, help: string, of: (fund: FundSizing) => bigint): void =>
    metrics.watchEach(
      name,
      `${help}, in the smallest part of the unit`,
      'unit',
      async () => new Map((await sizings()).map(([unit, fund]) => [unit, Number(of(fund))])),
    );
  watch('finality_default_fund', 'All contributions to the default fund', ({ fund }) => fund);
  watch('finality_default_fund_target', 'What they should be', ({ target }) => target);
  watch('finality_default_fund_short', 'What members together contribute too little', ({ members }) =>
    members.reduce((sum, { short }) => sum + short, 0n),
  );
}

/** Whoever asks whether we are ready has to know that nothing is paid. A process that stands by doesn't find out. */
function watchRecovery(gate: RecoveryGate, { base, metrics, check }: Observation): void {
  metrics.watch(
    'finality_recovering',
    '1 while nothing new is paid: the store was restored from an older copy',
    {},
    () => (gate.status === 'importing' || gate.status === 'reconciling' ? 1 : 0),
  );
  check('recovery', () => {
    const standsBy = base.writer !== undefined && base.writer.lease === undefined;
    return { ok: standsBy || gate.isOpen, detail: { status: gate.status } };
  });
}

/** One series per mode and status, read by one query. */
function watchSettlements(metrics: ServiceMetrics, pool: Pool, runtime: Runtime): void {
  const counts = kept(runtime, () => countSettlements(pool));
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
