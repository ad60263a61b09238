import type { Environment } from './environment.ts';
import { local } from './environments/local.ts';
import { production } from './environments/production.ts';
import { LocalServers } from './constructs/local-servers.ts';
import { selectorOf } from './constructs/pod.ts';
import { helmChart } from './helm/chart.ts';
import { alertRules } from './monitoring/alerts.ts';
import { dashboard } from './monitoring/dashboard.ts';
import { type ManifestFiles, synthesize } from './platform.ts';
import { MIGRATIONS } from './constructs/pod.ts';
import { SERVICES } from './services.ts';
import { toYaml } from './yaml.ts';

export const ENVIRONMENTS: readonly Environment[] = [local, production];
const DEFAULTS_OF_CHART = production;
const ORDER_STEP = 10;

/** An environment's manifests; `local` brings its servers with it. */
export function manifestsOf(environment: Environment): ManifestFiles {
  if (environment.name !== local.name) return synthesize(environment);
  const callers = [
    ...SERVICES.map(({ name }) => ({ podSelector: { matchLabels: selectorOf(name, 'service') } })),
    { podSelector: { matchLabels: MIGRATIONS } },
  ];
  return synthesize(environment, { extras: (chart) => void new LocalServers(chart, 'servers', { callers }) });
}

/** Everything below deploy/ that is generated, by path from the root. Names begin with a number: `kubectl apply` goes by the alphabet. */
export function deployment(): ReadonlyMap<string, string> {
  const manifests = ENVIRONMENTS.flatMap((environment) =>
    [...manifestsOf(environment)].map(([name, objects], i): [string, string] => [
      `deploy/manifests/${environment.name}/${String(i * ORDER_STEP).padStart(3, '0')}-${name}.yaml`,
      toYaml(objects),
    ]),
  );
  const chart = [...helmChart(DEFAULTS_OF_CHART)].map(([name, text]): [string, string] => [
    `deploy/helm/finality/${name}`,
    text,
  ]);
  const monitoring: [string, string][] = [
    ['deploy/monitoring/alerts.yaml', alertRules()],
    ['deploy/monitoring/dashboard.json', dashboard()],
  ];
  return new Map([...manifests, ...chart, ...monitoring]);
}
