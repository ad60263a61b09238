import { parseArgs } from 'node:util';
import {
  MEMORY_PROTECTIONS,
  type MemoryProtection,
  memoryReport,
  type MemoryResult,
  simulateInMemory,
} from '@finality/testing/memory';

const STEPS_DEFAULT = 60;
const STEPS_MAX = 100_000;
const SEED_MAX = 2 ** 32 - 1;

const HELP = `usage: npm run sim -- --memory [options]

Runs the real deciders of all services over stores and a bus in memory, and over a node of the chain simulator that takes what is rightly
signed and pays enough, with crashes before and after every append, repeated and delayed messages, outages and reorgs. The same seed gives
the same run.

  --seed N       the seed (default 1)
  --seeds A-B    runs seeds A to B
  --steps M      actions per seed (default ${STEPS_DEFAULT})
  --without P    switches a protection off, from outside: ${MEMORY_PROTECTIONS.join(', ')}
  --trace        prints what happened last even if all is well
  --help         this
`;

interface Arguments {
  readonly first: number;
  readonly last: number;
  readonly steps: number;
  readonly without: MemoryProtection | undefined;
  readonly trace: boolean;
}

/** @returns the exit code: 0 when all promises were kept, 1 otherwise, 64 for wrong arguments */
export function runInMemory(): number {
  const given = argumentsOf();
  if (given === 'help') {
    process.stdout.write(HELP);
    return 0;
  }
  if (typeof given === 'string') {
    process.stderr.write(`${given}\n\n${HELP}`);
    return 64;
  }
  const { first, last, steps, without, trace } = given;
  let failed = 0;
  for (let seed = first; seed <= last; seed++) {
    const result = simulateInMemory({ seed, steps, ...(without && { without }) });
    const isKept = result.problems.length === 0;
    process.stdout.write(`${isKept ? summaryOf(result) : memoryReport(result)}\n`);
    if (trace && isKept) process.stdout.write(`${result.trace.join('\n')}\n`);
    if (!isKept) failed += 1;
  }
  if (failed > 0) process.stdout.write(`${failed} of ${last - first + 1} seeds failed\n`);
  return failed === 0 ? 0 : 1;
}

const summaryOf = ({ seed, steps, settlements, crashes, blocks, digest }: MemoryResult): string =>
  `seed ${seed}: ${steps} steps, ${settlements} settlements, ${blocks} blocks, ${crashes} crashes, all promises kept (${digest.slice(0, 16)})`;

function argumentsOf(): Arguments | 'help' | string {
  try {
    const { values } = parseArgs({
      options: {
        memory: { type: 'boolean' },
        seed: { type: 'string', default: '1' },
        seeds: { type: 'string' },
        steps: { type: 'string', default: `${STEPS_DEFAULT}` },
        without: { type: 'string' },
        trace: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const without = MEMORY_PROTECTIONS.find((each) => each === values.without);
    if (values.without !== undefined && without === undefined)
      throw new Error(`--without: expected one of ${MEMORY_PROTECTIONS.join(', ')}, got "${values.without}"`);
    const [first, last = first] = (values.seeds ?? values.seed).split('-');
    return {
      first: integer('seed', first!, SEED_MAX),
      last: integer('seeds', last!, SEED_MAX),
      steps: integer('steps', values.steps, STEPS_MAX),
      without,
      trace: values.trace,
    };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function integer(name: string, text: string, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value <= max) return value;
  throw new Error(`--${name}: expected a whole number of at most ${max}, got "${text}"`);
}
