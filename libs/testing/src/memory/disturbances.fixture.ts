import type { Instant } from '@finality/kernel';
import type { SimulatedWorld } from './world.fixture.ts';

/** What the settlement service hears of the chain, which is most of what there is to be heard. */
const CHAIN = 'settlement < chain regtest';
const MINUTE_MS = 60_000;
const BURST_MAX = 40;
const OUTAGE_STEPS_MAX = 12;
/** Timers that fire at once. */
const FIRED_MAX = 4;

/** What happens between the steps of a history: messages arrive, or come again; the watcher looks; clocks go on, nodes go away. */
export function disturb(world: SimulatedWorld): void {
  const { random, bus, issuer } = world.surroundings;
  world.book.now = (world.book.now + random.below(5_000)) as Instant;
  world.nodeComesBack();
  for (let i = 0; i < 3; i++) {
    const dice = random.below(100);
    if (dice < 40) deliver(world);
    else if (dice < 62) world.follow();
    else if (dice < 70) hear(world);
    else if (dice < 80) bus.rewind(random.chance(0.7) ? CHAIN : '');
    else if (dice < 83) jump(world, (1 + random.below(90)) * MINUTE_MS);
    else if (dice < 88) fire(world);
    else if (dice < 90) goAway(world);
    else if (dice < 92) issuer.pause();
    else if (dice < 97) world.goRogue();
    else world.writeLate();
  }
}

/** Some of what waits, of any kind. */
function deliver(world: SimulatedWorld): void {
  const { random, bus } = world.surroundings;
  for (let i = random.below(6); i >= 0; i--) {
    const waiting = bus.waiting();
    if (waiting.length === 0) return;
    world.pump(random.pick(waiting), 1 + random.below(4));
  }
}

/** What the chain's watcher has to tell. */
function hear(world: SimulatedWorld): void {
  const { random } = world.surroundings;
  world.pump(CHAIN, 1 + random.below(BURST_MAX));
}

function jump(world: SimulatedWorld, ms: number): void {
  world.surroundings.trace.add(`the clock jumps by ${ms} ms`);
  world.book.now = (world.book.now + ms) as Instant;
  fire(world);
}

/** What is due, earliest first. */
function fire(world: SimulatedWorld): void {
  const { book } = world;
  const due = [...book.alarms.values()].filter(({ dueAt }) => dueAt <= book.now);
  due.sort((a, b) => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1));
  for (const { id, kind } of due.slice(0, FIRED_MAX)) world.ring(kind, id);
}

/** Longer than anything may take. */
export function letTimePass(world: SimulatedWorld): void {
  world.book.now = (world.book.now + 100 * 24 * 60 * MINUTE_MS) as Instant;
  for (const { id, kind } of [...world.book.alarms.values()]) world.ring(kind, id);
}

function goAway(world: SimulatedWorld): void {
  const { random, trace } = world.surroundings;
  const [steps, how] = [1 + random.below(OUTAGE_STEPS_MAX), random.pick(['refuse', 'hang', 'cut_answer'] as const)];
  world.nodeGoesAway(steps, how);
  trace.add(`the node gives no answer (${how}) for ${steps} steps`);
}
