import { readdirSync, readFileSync } from 'node:fs';
import { Client, credentials, status } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';
import { expect, it } from 'vitest';
import { onPlatform } from './e2e.fixture.ts';
import { until } from './wait.fixture.ts';

const SERVICES = ['settlement', 'address-issuer', 'chain-watcher', 'risk', 'aml', 'reconciliation'];
const PUBLIC = [
  'finality.settlement.v1.SettlementService',
  'finality.settlement.v1.OperationsService',
  'finality.settlement.v1.WindowService',
  'finality.settlement.v1.PolicyService',
  'finality.institution.v1.InstitutionService',
  'finality.address.v1.AddressService',
  'finality.ledger.v1.LedgerService',
  'finality.reconciliation.v1.ReconciliationService',
  'finality.risk.v1.RiskService',
  'finality.aml.v1.AmlService',
];

/** Where services are processes of their own, and Kafka is between them. */
const ONE_PROCESS_EACH = ['finality_relay_lag_messages'];

/** The metrics that what we give to Prometheus and Grafana asks for. */
function namedInMonitoring(): readonly string[] {
  const monitoring = new URL('../../../../deploy/monitoring/', import.meta.url);
  const text = readdirSync(monitoring).map((file) => readFileSync(new URL(file, monitoring), 'utf8'));
  return [...new Set(text.join('\n').match(/\bfinality_[a-z_]+/g))];
}

onPlatform('operations', (e2e) => {
  /** Series by name and labels, as Prometheus reads them. */
  async function metrics(): Promise<ReadonlyMap<string, number>> {
    const text = await (await fetch(`${e2e().http}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    );
  }

  const valueOf = (series: ReadonlyMap<string, number>, name: string, ...labels: readonly string[]) =>
    [...series].find(([key]) => key.startsWith(name) && labels.every((label) => key.includes(label)))?.[1];

  it('is alive and ready, and says of what', async () => {
    const alive = await fetch(`${e2e().http}/healthz`);
    expect([alive.status, await alive.json()]).toEqual([200, { status: 'alive' }]);
    const ready = await fetch(`${e2e().http}/readyz`);
    const report = (await ready.json()) as { status: string; checks: Record<string, { status: string }> };
    expect([ready.status, report.status]).toEqual([200, 'ready']);
    const names = Object.keys(report.checks);
    for (const service of [...SERVICES, 'signer']) expect(names).toContain(`${service}/database`);
    expect(names).toContain('chain-watcher/node');
  });

  it('isn’t ready while the node is away, stays alive, and recovers', async () => {
    const { faults } = e2e().platform.chain.simulator!;
    const readiness = async () => (await fetch(`${e2e().http}/readyz`)).status;
    faults.outage = 'refuse';
    await until('it isn’t ready', readiness, (code) => code === 503);
    expect((await fetch(`${e2e().http}/healthz`)).status).toBe(200);
    faults.outage = 'none';
    await until('it is ready again', readiness, (code) => code === 200);
  });

  it('has the series that dashboards and alarms rest on', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ clearing: [2_000_000n], wallet: [3_000_000n] });
    await payer.settle({ to: payee, amountSats: 1_000_000n, mode: 'CENTRALIZED' });
    await payer.settle({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    await payer.submit({ to: payee, amountSats: 9_000_000n, mode: 'CENTRALIZED' });
    const height = await e2e().outside.height();
    await until(
      'the watcher has processed the tip',
      metrics,
      (series) => valueOf(series, 'finality_chain_tip_height') === height,
    );
    const series = await until('counts have been read anew', metrics, (found) =>
      [
        ['mode="CENTRALIZED"', 'status="settled"'],
        ['mode="BILATERAL"', 'status="settled"'],
        ['mode="CENTRALIZED"', 'status="queued"'],
      ].every((labels) => (valueOf(found, 'finality_settlements', ...labels) ?? 0) >= 1),
    );
    for (const mode of ['CENTRALIZED', 'BILATERAL'])
      expect(valueOf(series, 'finality_settlement_seconds_count', `mode="${mode}"`)).toBeGreaterThanOrEqual(1);
    for (const service of SERVICES) {
      expect([service, valueOf(series, 'finality_consumer_lag_messages', `service="${service}"`)]).toEqual([
        service,
        0,
      ]);
      expect([service, valueOf(series, 'finality_parked_keys', `service="${service}"`)]).toEqual([service, 0]);
    }
    expect(valueOf(series, 'finality_chain_tip_age_seconds')).toBeGreaterThanOrEqual(0);
    expect(valueOf(series, 'finality_chain_lag_blocks')).toBe(0);
  });

  it('has every metric that alerts and dashboard name, and tells where the money is', async () => {
    const bank = await e2e().bank();
    await bank.fund({ clearing: [700_000n] });
    const series = await until(
      'the deposit is in the sums',
      metrics,
      (found) => valueOf(found, 'finality_reorg_stake_sats', 'blocks="6"')! >= 700_000,
    );
    for (const name of namedInMonitoring()) {
      expect([name, valueOf(series, name) !== undefined]).toEqual([name, !ONE_PROCESS_EACH.includes(name)]);
    }
    const sats = (where: string) => valueOf(series, 'finality_ledger_sats', `where="${where}"`)!;
    expect(sats('custody')).toBeGreaterThanOrEqual(sats('available'));
    expect(sats('available')).toBeGreaterThanOrEqual(700_000);
    expect(sats('suspense')).toBe(0);
    const depths = ['1', '3', '6', '10'].map((blocks) =>
      valueOf(series, 'finality_reorg_stake_sats', `blocks="${blocks}"`)!,
    );
    expect(depths).toEqual(depths.toSorted((a, b) => a - b));
  });

  it('answers the standard health check, for the server and for each service', async () => {
    const client = new Client(e2e().address, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = healthService['Check']!;
    const check = (service: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { service }, (error, answer) =>
          error ? reject(error) : resolve(answer),
        );
      });
    for (const service of ['', ...PUBLIC]) {
      await until(
        `${service || 'the server'} is served`,
        () => check(service),
        (answer) => (answer as { status: string }).status === 'SERVING',
      );
    }
    await expect(check('finality.signing.v1.SigningService')).rejects.toMatchObject({ code: status.NOT_FOUND });
    client.close();
  });
});
