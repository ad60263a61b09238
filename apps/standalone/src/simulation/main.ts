import { parseArgs } from 'node:util';
import { startSimulationServer } from '@finality/testing/simulation';
import { BLUEPRINTS } from '../services.ts';
import { runInMemory } from './memory.ts';
import { PROTECTIONS, type Protection, simulate, type SimulationResult } from './simulation.ts';

const STEPS_DEFAULT = 1_000;
const STEPS_MAX = 1_000_000;
const SEEDS_MAX = 100_000;
const SEED_MAX = 2 ** 32 - 1;

const HELP = `usage: npm run sim -- [options]

Runs all services under one seeded scheduler on virtual time, with crashes, repeated and reordered messages, lost connections, node
outages and reorgs, and checks what the platform promises. The same seed gives the same run.

  --seed N       the seed (default 1)
  --steps M      actions per seed (default ${STEPS_DEFAULT})
  --seeds K      runs seeds N to N + K - 1 (default 1)
  --without P    switches a protection off, from outside: ${PROTECTIONS.join(', ')}
  --trace        prints what happened last even if all is well
  --json         prints the results as the last line
  --memory       the deciders alone, over stores in memory: see --memory --help
  --help         this
`;

interface Arguments {
  readonly seed: number;
  readonly steps: number;
  readonly seeds: number;
  readonly without: Protection | undefined;
  readonly trace: boolean;
  readonly json: boolean;
}

/** The command that runs it again. */
export function commandOf({ seed, steps }: Pick<SimulationResult, 'seed' | 'steps'>, without?: Protection): string {
  return `npm run sim -- --seed ${seed} --steps ${steps}${without === undefined ? '' : ` --without ${without}`}`;
}

/** What went wrong, what happened before, and how to see it again. */
export function reportOf(result: SimulationResult, without?: Protection): string {
  return [
    `seed ${result.seed} broke a promise:`,
    ...result.problems.map((problem) => `  ${problem}`),
    'what happened last:',
    ...result.trace.map((line) => `  ${line}`),
    `run it again: ${commandOf(result, without)}`,
  ].join('\n');
}

async function main(): Promise<number> {
  const given = argumentsOf();
  if (given === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (typeof given === 'string') {
    process.stderr.write(`${given}\n\n${HELP}`);
    return 64;
  }
  const server = await startSimulationServer(BLUEPRINTS);
  try {
    return await runAll(server, given);
  } finally {
    await server.stop();
  }
}

async function runAll(server: Parameters<typeof simulate>[0], given: Arguments): Promise<number> {
  const { seed: first, seeds, steps, without, trace, json } = given;
  const results: SimulationResult[] = [];
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await simulate(server, { seed, steps, ...(without && { without }) });
    results.push(result);
    process.stdout.write(`${result.problems.length > 0 ? reportOf(result, without) : summaryOf(result)}\n`);
    if (trace && result.problems.length === 0) process.stdout.write(`${result.trace.join('\n')}\n`);
  }
  const failed = results.filter(({ problems }) => problems.length > 0);
  if (failed.length > 0) process.stdout.write(`${failed.length} of ${seeds} seeds failed\n`);
  if (json) process.stdout.write(`${JSON.stringify({ results: results.map(({ trace: _, ...rest }) => rest) })}\n`);
  return failed.length === 0 ? 0 : 1;
}

const summaryOf = ({ seed, steps, settlements, crashes, blocks, digest }: SimulationResult): string =>
  `seed ${seed}: ${steps} steps, ${settlements} settlements, ${blocks} blocks, ${crashes} crashes, all promises kept (${digest.slice(0, 16)})`;

function argumentsOf(): Arguments | 'help' | string {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        steps: { type: 'string', default: `${STEPS_DEFAULT}` },
        seeds: { type: 'string', default: '1' },
        without: { type: 'string' },
        trace: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const { without } = values;
    const protection = PROTECTIONS.find((each) => each === without);
    if (without !== undefined && protection === undefined)
      throw new Error(`--without: expected ${PROTECTIONS.join(' or ')}, got "${without}"`);
    return {
      seed: integer('seed', values.seed, 0, SEED_MAX),
      steps: integer('steps', values.steps, 1, STEPS_MAX),
      seeds: integer('seeds', values.seeds, 1, SEEDS_MAX),
      without: protection,
      trace: values.trace,
      json: values.json,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function integer(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Error(`--${name}: expected a whole number from ${min} to ${max}, got "${text}"`);
}

if (import.meta.main) process.exitCode = process.argv.includes('--memory') ? runInMemory() : await main();
