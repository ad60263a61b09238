import { type SimulationServer, startSimulationServer } from '@finality/testing/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLUEPRINTS } from '../services.ts';
import { reportOf } from './main.ts';
import { type Protection, simulate, type SimulationOptions, type SimulationResult } from './simulation.ts';

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);
const STEPS = 400;
/** Of the runs without a protection, which have to come upon what it protects from. */
const STEPS_WITHOUT = 600;
/** With a protection switched off, one of so many seeds has to fail. */
const SEEDS_MAX = 6;

let server: SimulationServer;

beforeAll(async () => {
  server = await startSimulationServer(BLUEPRINTS);
});

afterAll(() => server.stop());

/** Fails with what a person needs: what broke, what happened before, and the command that shows it again. */
async function mustHold(options: SimulationOptions): Promise<SimulationResult> {
  const result = await simulate(server, options);
  if (result.problems.length > 0) expect.fail(reportOf(result));
  return result;
}

describe('all services under one seeded scheduler', () => {
  it.each(SEEDS)('keep every promise: npm run sim -- --seed %i --steps 400', async (seed) => {
    const { settlements, blocks } = await mustHold({ seed, steps: STEPS });
    expect(settlements).toBeGreaterThan(0);
    expect(blocks).toBeGreaterThan(0);
  });

  it('do the same for the same seed, and something else for another', async () => {
    const [once, again, other] = [
      await mustHold({ seed: 77, steps: 250 }),
      await mustHold({ seed: 77, steps: 250 }),
      await mustHold({ seed: 78, steps: 250 }),
    ];
    expect(again.digest).toBe(once.digest);
    expect(other.digest).not.toBe(once.digest);
  });
});

describe('a simulation bites', () => {
  it.each<[Protection, RegExp]>([
    ['inbox', /^(custody of|coins:|ledger:|settlement .* doesn't end|\S+: parked key)/],
    ['anchor', /signed that don't exclude each other|is paid 2 times/],
  ])('without the %s', async (without, expected) => {
    const failed: SimulationResult[] = [];
    for (let seed = 1; seed <= SEEDS_MAX && failed.length === 0; seed++) {
      const result = await simulate(server, { seed, steps: STEPS_WITHOUT, without });
      if (result.problems.length > 0) failed.push(result);
    }
    const [result] = failed;
    expect(result?.problems, `${SEEDS_MAX} seeds held without the ${without}`).toContainEqual(
      expect.stringMatching(expected),
    );
    expect(reportOf(result!, without)).toContain(
      `npm run sim -- --seed ${result!.seed} --steps ${STEPS_WITHOUT} --without ${without}`,
    );
  });
});
