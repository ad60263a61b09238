/**
 * The files that take longest, of each kind. Whoever begins one of them last keeps a core idle for as long as it takes; a clean checkout knows nothing
 * about durations, and goes by the size of the files, which says little where the suites themselves stand in fixtures.
 */
export const LONG: readonly string[] = [
  'libs/settlement/src/spec/histories.property.spec.ts',
  'docker/dockerfile.int.spec.ts',
  'tools/servers/servers.int.spec.ts',
  'apps/settlement/src/store/histories.int.spec.ts',
  'apps/chain-watcher/src/chain-watcher.int.spec.ts',
  'libs/testing/src/contract/kafka.int.spec.ts',
  'libs/testing/src/contract/kafka-outages.int.spec.ts',
  'apps/reconciliation/src/reconciliation.int.spec.ts',
  'apps/chain-watcher/src/btcd.int.spec.ts',
  'libs/testing/src/contract/messaging.int.spec.ts',
  'apps/chain-watcher/src/watch-ahead.int.spec.ts',
  'libs/testing/src/contract/kafka-delivery.int.spec.ts',
  'libs/testing/src/contract/kafka-problems.int.spec.ts',
  'libs/service/src/postgres/launcher.int.spec.ts',
  'apps/settlement/src/store/liquidity.int.spec.ts',
  'libs/testing/src/contract/postgres-store.int.spec.ts',
  'apps/standalone/src/simulation/crash-table.sim.spec.ts',
  'apps/standalone/src/simulation/simulation.sim.spec.ts',
  'apps/standalone/src/simulation/seeds-1-to-5.sim.spec.ts',
  'apps/standalone/src/simulation/seeds-6-to-10.sim.spec.ts',
  'libs/testing/src/memory/memory.sim.spec.ts',
  'apps/standalone/src/standalone.e2e.spec.ts',
  'apps/standalone/src/e2e/one-process.e2e.spec.ts',
  'apps/standalone/src/e2e/liquidity.e2e.spec.ts',
  'apps/standalone/src/e2e/exchange.e2e.spec.ts',
  'apps/standalone/src/e2e/payouts.e2e.spec.ts',
  'apps/standalone/src/crash/postgres-loss.e2e.spec.ts',
  'apps/standalone/src/e2e/settlement-reorgs.e2e.spec.ts',
  'apps/standalone/src/e2e/destinations.e2e.spec.ts',
];

/** One kind after the other; within a kind what takes long comes first. Those that tie stay as they come. */
export function longFirst<T>(
  files: readonly T[],
  about: (each: T) => { readonly kind: number; readonly file: string },
): T[] {
  const rank = (file: string): number => (LONG.includes(file) ? LONG.indexOf(file) : LONG.length);
  return files
    .map((each) => ({ each, ...about(each) }))
    .toSorted((a, b) => a.kind - b.kind || rank(a.file) - rank(b.file))
    .map(({ each }) => each);
}
