import { describe, expect, it } from 'vitest';
import { memoryCommand, memoryReport } from './report.fixture.ts';
import { simulateInMemory } from './simulation.fixture.ts';

export const MEMORY_STEPS = 60;

/** A suite for some of the seeds: files run side by side. */
export function testMemorySeeds(first: number, last: number): void {
  describe('the deciders in memory keep every promise', () => {
    const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    it.each(seeds)(`${memoryCommand({ seed: 0, steps: MEMORY_STEPS }).replace(' 0 ', ' %i ')}`, (seed) => {
      const result = simulateInMemory({ seed, steps: MEMORY_STEPS });
      if (result.problems.length > 0) expect.fail(memoryReport(result));
      expect(result.blocks).toBeGreaterThan(0);
    });
  });
}
