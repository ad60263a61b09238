import { type Instant, sats } from '@finality/kernel';
import { expect } from 'vitest';
import { type Limits, type LimitsEvent, type WindowLimit, WINDOWS_MAX } from '../limits.ts';
import { living, type Mode, type SettlementEvent } from '../settlement.ts';
import { valued } from '../unit-terms.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { type World } from './world.fixture.ts';

const MODES: readonly (Mode | undefined)[] = [undefined, 'centralized', 'bilateral', 'blockchain'];
const SECONDS = [1, 60, 3_600, 86_400];
const WINDOW_SATS = [40_000n, 90_000n, 200_000n];

/** Any limits of some institution: narrow enough to matter, mostly wide enough to pay something. */
export function limit(world: World, a: number, b: number, c: number): void {
  setLimits(world, pick(INSTITUTIONS, a)!, anyLimits(b, c));
}

export function setLimits(world: World, institutionId: string, limits: Limits, isOwn = false): string | undefined {
  return world.tell({
    type: 'set_limits',
    request: {
      institutionId,
      limits,
      reason: 'because',
      by: 'operator',
      isOwn,
      ...(!isOwn && { confirmedBy: 'operator-2' }),
    },
  });
}

/** Windows of different length or mode, in any number. */
export function anyLimits(b: number, c: number): Limits {
  const windows: WindowLimit[] = [];
  for (let i = 0; i < b % (WINDOWS_MAX + 1); i++) {
    const mode = pick(MODES, (b >> 4) + i * 3);
    windows.push({
      ...(mode !== undefined && { mode }),
      seconds: pick(SECONDS, (b >> 8) + i)!,
      maxSats: sats(pick(WINDOW_SATS, c + i)!),
      ...(bit(c, i) && { countMax: 1 + ((c >> 3) % 4) }),
    });
  }
  const distinct = new Map(windows.map((window) => [`${window.mode} ${window.seconds}`, window]));
  const transactions = bit(c, 12) ? [{ maxSats: sats(pick(WINDOW_SATS, c >> 9)!) }] : [];
  return { transactions, windows: [...distinct.values()] };
}

interface Happened {
  readonly stream: string;
  readonly event: LimitsEvent | SettlementEvent;
}

interface Begun {
  readonly id: string;
  readonly mode: Mode;
  readonly amountSats: bigint;
  readonly at: Instant;
}

/**
 * From the log alone, and nothing of what was counted: whenever a settlement begins, what has begun within each window and hasn't ended unpaid is within
 * it, counted since its limit is in force.
 */
export function checkPaymentLimits(book: MemoryBook): void {
  const inForce = new Map<string, { limits: Limits; readonly begun: Map<WindowLimit, Map<string, Begun>> }>();
  for (const { stream, event } of book.log as unknown as readonly Happened[]) {
    const [name, id] = stream.split('/') as [string, string];
    if (event.type === 'limits_set') {
      const before = inForce.get(id)?.begun ?? new Map<WindowLimit, Map<string, Begun>>();
      inForce.set(id, { limits: event.limits, begun: carriedOver(before, event.limits) });
    }
    if (name !== 'settlement') continue;
    const { terms } = living(book.settlements.get(id));
    const payer = inForce.get(terms.from);
    if (payer === undefined) continue;
    if (event.type === 'screening_requested') {
      const { mode, amountSats } = valued(terms);
      begins(payer, { id, mode, amountSats, at: event.at });
    } else if (
      ['settlement_rejected', 'settlement_cancelled', 'settlement_expired', 'settlement_failed'].includes(event.type)
    )
      for (const begun of payer.begun.values()) begun.delete(id);
  }
}

function begins({ limits, begun }: { limits: Limits; begun: Map<WindowLimit, Map<string, Begun>> }, one: Begun): void {
  for (const { mode, maxSats } of limits.transactions)
    if (mode === undefined || mode === one.mode) expect(one.amountSats, one.id).toBeLessThanOrEqual(maxSats);
  for (const [window, all] of begun) {
    if (window.mode !== undefined && window.mode !== one.mode) continue;
    all.set(one.id, one);
    const within = [...all.values()].filter(({ at }) => at > one.at - window.seconds * 1_000);
    const sum = within.reduce((total, { amountSats }) => total + amountSats, 0n);
    expect(sum, `${one.id} in ${window.seconds} s`).toBeLessThanOrEqual(window.maxSats);
    expect(within.length, one.id).toBeLessThanOrEqual(window.countMax ?? Number.POSITIVE_INFINITY);
  }
}

function carriedOver(
  before: ReadonlyMap<WindowLimit, Map<string, Begun>>,
  { windows }: Limits,
): Map<WindowLimit, Map<string, Begun>> {
  return new Map(
    windows.map((window) => {
      const same = [...before].find(([{ mode, seconds }]) => mode === window.mode && seconds === window.seconds);
      return [window, same?.[1] ?? new Map<string, Begun>()];
    }),
  );
}
