import { sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { lockedCoins } from '@finality/settlement';
import type { DestinationState } from '@finality/signing';
import {
  ACTION_WEIGHTS,
  act,
  type ActionKind,
  beginCollecting,
  beginExchanging,
  stockUp,
  beginNetting,
  DEFAULT_WEIGHTS,
  fund,
  NETTING_WEIGHTS,
  PAYING,
  PAYOUT_WEIGHTS,
  QUEUE_WEIGHTS,
  RELEASE_WEIGHTS,
  settleDown,
  UNIT_WEIGHTS,
  VERSION_WEIGHTS,
  walletCalled,
  type World,
  EUR,
  USD,
} from '@finality/settlement/spec';
import { SeededRandom } from '../simulation/random.ts';
import { Trace } from '../simulation/trace.ts';
import { MemoryBus } from './bus.fixture.ts';
import { checkEnd, checkNow, checkTimes, Violation } from './checks.fixture.ts';
import { Faults } from './faults.fixture.ts';
import { MemoryIssuer } from './issuer.fixture.ts';
import type { Message, Parts } from './parts.fixture.ts';
import type { MemoryProtection } from './protections.fixture.ts';
import { MemorySigner } from './signer.fixture.ts';
import { disturb, letTimePass } from './disturbances.fixture.ts';
import { driftAway } from './rogue.fixture.ts';
import { SimulatedWorld } from './world.fixture.ts';

export interface MemoryOptions {
  readonly seed: number;
  /** What happens before everything is let come to rest. */
  readonly steps: number;
  readonly without?: MemoryProtection;
}

export interface MemoryResult extends MemoryOptions {
  /** What was promised and didn't hold; empty when all is well. */
  readonly problems: readonly string[];
  readonly trace: readonly string[];
  /** Over everything that happened. */
  readonly digest: string;
  readonly settlements: number;
  readonly blocks: number;
  readonly crashes: number;
}

/** Where participants are in default the platform stands in, in every unit. */
const LENDING = { ...PAYING, standbyMax: [BTC, USD, EUR].map((unit) => ({ unit, amount: 70n })) };

/** With it, reorgs go past every finality there is. */
const SHORT = {
  ...LENDING,
  bumpBearer: 'platform' as const,
  confirmations: {
    base: { deposit: 1, bilateral: 1, blockchain: 2 },
    amounts: [{ fromSats: sats(70_000n), more: 1 }],
    reviewed: 1,
    foreignInputs: 0,
    stale: { blocks: 12, more: 1 },
  },
  finalDepth: 3,
  deepReorgBlocks: 4,
  agreeFromSats: sats(60_000n),
  reopenedBlocksMax: 2,
};

/** What a history is mostly about, by the seed; and how it begins. */
const SORTS: readonly {
  readonly weights: Readonly<Record<ActionKind, number>>;
  readonly begin?: (world: World) => void;
}[] = [
  { weights: ACTION_WEIGHTS },
  { weights: PAYOUT_WEIGHTS },
  { weights: VERSION_WEIGHTS },
  { weights: ACTION_WEIGHTS },
  { weights: QUEUE_WEIGHTS },
  { weights: RELEASE_WEIGHTS },
  { weights: NETTING_WEIGHTS, begin: beginNetting },
  { weights: DEFAULT_WEIGHTS, begin: beginCollecting },
  {
    weights: UNIT_WEIGHTS,
    begin: (world) => {
      beginExchanging(world);
      stockUp(world);
    },
  },
];
const TRACE_LINES = 100;

/** Runs one seed: the same seed and steps give the same history, whatever machine it is. */
export function simulateInMemory({ seed, steps, without }: MemoryOptions): MemoryResult {
  const random = new SeededRandom(`memory ${seed}`);
  const trace = new Trace();
  const faults = new Faults(random.fork('faults'), trace);
  const late = seed % 4 < 2 ? [] : ['pool', 'w-c'];
  const make = (made: World): Parts => partsOf(made, { random, trace, faults, without });
  const world = new SimulatedWorld(seed % 2 === 0 ? LENDING : SHORT, late, without, make);
  const problems: string[] = [];
  try {
    history(world, seed, steps);
  } catch (error) {
    problems.push(
      error instanceof Violation ? error.message : `a bug, or what ought to be impossible: ${bugText(error)}`,
    );
  }
  return {
    seed,
    steps,
    ...(without && { without }),
    problems,
    trace: trace.last(TRACE_LINES),
    digest: trace.digest(),
    settlements: world.book.settlements.ids().length,
    blocks: world.chain.blocks.length,
    crashes: faults.crashes,
  };
}

function partsOf(
  { book }: World,
  { random, trace, faults, without }: Pick<Parts, 'random' | 'trace' | 'faults' | 'without'>,
): Parts {
  const destinations = new Map<string, DestinationState>();
  for (const { destinationId, institutionId, place: at, usableAt } of book.destinations.values()) {
    const { walletId } = { walletId: '', ...at };
    const place = at.kind === 'script' ? at : { ...at, descriptor: walletCalled(walletId).descriptor! };
    const destination = { destinationId, institutionId, place, usableAt, signatories: [] };
    destinations.set(destinationId, { status: 'registered', destination });
  }
  return {
    random,
    trace,
    faults,
    without,
    bus: new MemoryBus<Message>(faults, random.fork('bus'), trace, {
      hasInbox: without !== 'inbox',
      acknowledgesLast: without !== 'acknowledge-last',
    }),
    signer: new MemorySigner({
      hasJournal: without !== 'signer-journal',
      remembersHandOuts: without !== 'hand-out-journal',
      keepsAnchor: without !== 'anchor',
      destinations,
    }),
    issuer: new MemoryIssuer(without !== 'append-lock'),
  };
}

function history(world: SimulatedWorld, seed: number, steps: number): void {
  const { random, faults, trace } = world.surroundings;
  const { weights, begin } = SORTS[seed % SORTS.length]!;
  const kinds = weighed(weights);
  fund(world, seed % 3 === 0);
  begin?.(world);
  faults.calm = false;
  const number = (): number => random.below(0x1_0000);
  for (let i = 0; i < steps; i++) {
    if (random.chance(0.5)) disturb(world);
    const kind = random.pick(kinds);
    trace.add(`step ${i + 1}: ${kind}`);
    act(world, { kind, a: number(), b: number(), c: number() });
    checkNow(world);
  }
  faults.calm = true;
  trace.add('all is calm');
  world.nodeComesBack(true);
  world.follow();
  world.surroundings.bus.drain();
  settleDown(world);
  if (releaseLocked(world)) settleDown(world);
  checkEnd(world);
  letTimePass(world);
  checkTimes(world);
  driftAway(world);
  checkNow(world);
}

/** Operators release coins that lineages keep for nothing, and which others may wait for. @returns whether there were any */
function releaseLocked(world: SimulatedWorld): boolean {
  const { book } = world;
  const locked = book.lineages
    .all()
    .filter((lineage) => 'versions' in lineage && lockedCoins(book, lineage).length > 0);
  for (const lineage of locked) {
    if (!('versions' in lineage)) continue;
    const { lineageId } = lineage;
    world.proposeRelease(lineageId);
    world.confirmRelease(lineageId);
    world.coinsReleased(lineageId);
  }
  return locked.length > 0;
}

const weighed = (weights: Readonly<Record<ActionKind, number>>): readonly ActionKind[] =>
  Object.entries(weights).flatMap(([kind, weight]) =>
    Array.from({ length: Math.ceil(weight) }, () => kind as ActionKind),
  );

const STACK_LINES = 6;

const bugText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, STACK_LINES).join('\n') : String(error);
