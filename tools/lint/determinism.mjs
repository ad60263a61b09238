/**
 * What would make a run differ from its replay (DESIGN 5): clocks, timers, randomness, ids, the environment. Code gets them from the
 * Runtime port and from `src/config.ts`; these are the settings of ESLint's own rules that refuse them elsewhere.
 */

const RUNTIME = 'take it from the Runtime port (@finality/kernel), so that a run can be replayed from its seed';
const CONFIG = "the environment is read once, in the app's src/config.ts";

const TIMERS = ['setTimeout', 'setInterval', 'setImmediate'];
const GLOBALS = ['Date', ...TIMERS];
const RANDOM = [
  'randomUUID',
  'randomUUIDv7',
  'randomBytes',
  'randomInt',
  'randomFill',
  'randomFillSync',
  'getRandomValues',
  'webcrypto',
];

export const restrictedGlobals = [
  'error',
  ...[...GLOBALS, 'crypto', 'performance'].map((name) => ({ name, message: RUNTIME })),
];

const fromRuntime = [
  { object: 'Math', property: 'random' },
  { property: 'randomUUID' },
  { property: 'getRandomValues' },
  { object: 'AbortSignal', property: 'timeout' },
  { object: 'process', property: 'hrtime' },
  ...[...GLOBALS, 'crypto', 'performance'].map((property) => ({ object: 'globalThis', property })),
].map((each) => ({ ...each, message: RUNTIME }));

const fromConfig = [
  { object: 'process', property: 'env', message: CONFIG },
  { object: 'globalThis', property: 'process', message: CONFIG },
];

export const restrictedProperties = ['error', ...fromRuntime, ...fromConfig];
export const restrictedPropertiesInConfig = ['error', ...fromRuntime];
export const restrictedPropertiesInRuntime = ['error', ...fromConfig];

/** Modules that hand out what the rules above refuse. */
export const restrictedPaths = [
  ...['node:crypto', 'crypto'].map((name) => ({ name, importNames: RANDOM, message: RUNTIME })),
  ...['node:timers', 'timers', 'node:timers/promises', 'timers/promises', 'node:perf_hooks', 'perf_hooks', 'uuid'].map(
    (name) => ({
      name,
      message: RUNTIME,
    }),
  ),
  ...['node:process', 'process'].map((name) => ({ name, importNames: ['env', 'default', 'hrtime'], message: CONFIG })),
];
