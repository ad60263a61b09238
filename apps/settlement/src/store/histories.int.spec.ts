import {
  act,
  ACTION_WEIGHTS,
  type ActionKind,
  fund,
  PAYOUT_WEIGHTS,
  POLICY,
  settleDown,
  World,
} from '@finality/settlement/spec';
import { seededRandom } from '@finality/testing';
import { describe, expect, it } from 'vitest';
import { StoreRig } from './store-rig.fixture.ts';

const SHORT = {
  ...POLICY,
  confirmations: { bilateral: 1, blockchain: 2 },
  depositConfirmations: 1,
  finalDepth: 3,
  reopenedBlocksMax: 2,
};

const ACTIONS = 90;

/** Of all sorts, or of payouts that need each other's change. */
function history(seed: number): World {
  const random = seededRandom(seed);
  const number = (): number => Math.floor(random() * 0x1_0000);
  const isOfPayouts = seed % 3 === 0;
  const kinds = weighed(isOfPayouts ? PAYOUT_WEIGHTS : ACTION_WEIGHTS);
  const world = new World(seed % 2 === 0 ? POLICY : SHORT, seed % 4 < 2 ? [] : ['pool', 'w-c']);
  if (seed % 5 !== 0) fund(world, isOfPayouts);
  for (let i = 0; i < ACTIONS; i++)
    act(world, { kind: kinds[number() % kinds.length]!, a: number(), b: number(), c: number() });
  if (seed % 7 < 3) settleDown(world);
  return world;
}

const weighed = (weights: Readonly<Record<ActionKind, number>>): readonly ActionKind[] =>
  Object.entries(weights).flatMap(([kind, weight]) =>
    Array.from({ length: Math.ceil(weight) }, () => kind as ActionKind),
  );

/** Splits a history into batches of any size; nobody answers to what hasn't been committed. */
function* batches({ told }: World, random: () => number): Generator<World['told']> {
  for (let start = 0; start < told.length;) {
    const size = 1 + Math.floor(random() ** 3 * 120);
    let end = start + 1;
    while (end < told.length && end - start < size && (told[end]!.after ?? -1) < start) end++;
    yield told.slice(start, end);
    start = end;
  }
}

const COUNT = Number(process.env['HISTORIES'] ?? 12);
const FIRST = Number(process.env['FIRST'] ?? 1);

describe('any history, in batches of any size', () => {
  it.each(Array.from({ length: COUNT }, (_, i) => FIRST + i))(
    'is stored as it would be in memory (seed %i)',
    async (seed) => {
      const world = history(seed);
      const rig = await StoreRig.open(world.book.policy);
      try {
        const random = seededRandom(seed + 1_000_000);
        for (const batch of batches(world, random)) {
          const outcomes = await rig.execute(batch.map(({ command }) => command));
          for (const [i, outcome] of outcomes.entries()) {
            if (outcome.kind === 'failed')
              throw new Error(`${batch[i]!.command.type}: ${outcome.error.message}`, { cause: outcome.error });
            const reason = outcome.kind === 'refused' ? outcome.refusal.reason : undefined;
            expect(reason).toBe(batch[i]!.refused);
          }
        }
        await rig.compare(world.book);
        await rig.verify();
      } finally {
        await rig.close();
      }
    },
  );
});
