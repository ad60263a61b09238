import { type SimulationServer, startSimulationServer } from '@finality/testing/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLUEPRINTS } from '../services.ts';
import { reportOf } from './main.ts';
import { type Protection, simulate, type SimulationResult } from './simulation.ts';
import { mustHold } from './seeds.fixture.ts';

/** Of the runs without a protection, which have to come upon what it protects from. */
const STEPS_WITHOUT = 600;
/** With a protection switched off, one of so many seeds has to fail. */
const SEEDS_MAX = 6;

let server: SimulationServer;

beforeAll(async () => {
  server = await startSimulationServer(BLUEPRINTS);
});

afterAll(() => server.stop());

describe('a simulation', () => {
  it('does the same for the same seed, and something else for another', async () => {
    const [once, again, other] = [
      await mustHold(server, { seed: 77, steps: 250 }),
      await mustHold(server, { seed: 77, steps: 250 }),
      await mustHold(server, { seed: 78, steps: 250 }),
    ];
    expect(again.digest).toBe(once.digest);
    expect(other.digest).not.toBe(once.digest);
  });
});

describe('a simulation bites', () => {
  it.each<[Protection, RegExp]>([
    [
      'inbox',
      /^(custody of|coins:|ledger:|settlement .* doesn't end|\S+: parked key|issueAddress isn't answered|the platform doesn't come to rest)/,
    ],
    ['anchor', /signed that don't exclude each other|is paid 2 times/],
  ])('without the %s', async (without, expected) => {
    let result: SimulationResult | undefined;
    for (let seed = 1; seed <= SEEDS_MAX && result === undefined; seed++) {
      const found = await simulate(server, { seed, steps: STEPS_WITHOUT, without });
      if (found.problems.some((problem) => expected.test(problem))) result = found;
    }
    expect(result, `${SEEDS_MAX} seeds held without the ${without}`).toBeDefined();
    expect(reportOf(result!, without)).toContain(
      `npm run sim -- --seed ${result!.seed} --steps ${STEPS_WITHOUT} --without ${without}`,
    );
  });
});
