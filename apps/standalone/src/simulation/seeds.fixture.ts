import { type SimulationServer, startSimulationServer } from '@finality/testing/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BLUEPRINTS } from '../services.ts';
import { reportOf } from './main.ts';
import { simulate, type SimulationOptions, type SimulationResult } from './simulation.ts';

const STEPS = 600;
/** In all seeds of a file: some have little that goes through. */
const SETTLEMENTS_MIN = 10;
/** What seeds are there to come upon, each file for itself. */
const COME_UPON = [
  ...['settlement_settled', 'lineage_final', 'head_signed', 'pledge_posted', 'approval_tiers_set'],
  'unit_line_set',
];

/** What others are asked for before it is decided, or is shown from what has changed since: answered again in each file. */
const REPEATED = [
  'AddressService/issueAddresses',
  'DestinationService/registerDestination',
  'DestinationService/registerSignatory',
  'DestinationService/revokeSignatory',
  'SettlementService/preparePsbt',
  'SettlementService/reviewSettlement',
  'SettlementService/submitSignedPsbt',
];

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
    const results: SimulationResult[] = [];
    it.each(seeds)(`keep every promise: npm run sim -- --seed %i --steps ${STEPS}`, async (seed) => {
      const result = await mustHold(server, { seed, steps: STEPS });
      expect(result.blocks).toBeGreaterThan(0);
      results.push(result);
    });

    it('has been through what it is there for', () => {
      const settlements = results.reduce((sum, result) => sum + result.settlements, 0);
      expect(settlements).toBeGreaterThanOrEqual(SETTLEMENTS_MIN);
      expect(results.some(({ driftsRefused }) => driftsRefused > 0)).toBe(true);
      const missing = COME_UPON.filter((type) => results.every(({ events }) => events[type] === undefined));
      expect(missing).toEqual([]);
      const unrepeated = REPEATED.filter((call) => results.every(({ repeated }) => !repeated.includes(call)));
      expect(unrepeated).toEqual([]);
    });
  });
}
