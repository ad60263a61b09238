import { type SimulationServer, startSimulationServer } from '@finality/testing/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLUEPRINTS } from '../services.ts';
import { reportOf } from './main.ts';
import { simulate, type SimulationOptions, type SimulationResult } from './simulation.ts';

const STEPS = 240;

/** Fails with what a person needs: what broke, what happened before, and the command that shows it again. */
export async function mustHold(server: SimulationServer, options: SimulationOptions): Promise<SimulationResult> {
  const result = await simulate(server, options);
  if (result.problems.length > 0) expect.fail(reportOf(result));
  return result;
}

/** A suite of its own for some of the seeds: files run side by side. */
export function testSeeds(first: number, last: number): void {
  describe('all services under one seeded scheduler', () => {
    let server: SimulationServer;
    beforeAll(async () => {
      server = await startSimulationServer(BLUEPRINTS);
    });
    afterAll(() => server.stop());

    const seeds = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    it.each(seeds)(`keep every promise: npm run sim -- --seed %i --steps ${STEPS}`, async (seed) => {
      const { settlements, blocks } = await mustHold(server, { seed, steps: STEPS });
      expect(settlements).toBeGreaterThan(0);
      expect(blocks).toBeGreaterThan(0);
    });
  });
}
