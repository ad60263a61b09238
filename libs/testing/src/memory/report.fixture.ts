import type { MemoryOptions, MemoryResult } from './simulation.fixture.ts';

/** The command that runs it again. */
export function memoryCommand({ seed, steps, without }: MemoryOptions): string {
  return `npm run sim -- --memory --seed ${seed} --steps ${steps}${without === undefined ? '' : ` --without ${without}`}`;
}

/** What went wrong, what happened before, and how to see it again. */
export const memoryReport = (result: MemoryResult): string =>
  [
    `seed ${result.seed} broke a promise:`,
    ...result.problems.map((problem) => `  ${problem}`),
    'what happened last:',
    ...result.trace.map((line) => `  ${line}`),
    `run it again: ${memoryCommand(result)}`,
  ].join('\n');
