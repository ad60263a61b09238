import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { Mode } from './settlement.ts';

/** The most that one settlement may be for; without a mode, in all of them. */
export interface TransactionLimit {
  readonly mode?: Mode;
  readonly maxSats: Sats;
}

/** The most that may begin within so many seconds, whenever they end; without a mode, in all of them together. */
export interface WindowLimit {
  readonly mode?: Mode;
  readonly seconds: number;
  readonly maxSats: Sats;
  readonly countMax?: number;
}

/** What an institution may pay. None of them: anything. */
export interface Limits {
  readonly transactions: readonly TransactionLimit[];
  readonly windows: readonly WindowLimit[];
}

/** Enough for an hour, a day, a week and a month, in total and by mode. */
export const WINDOWS_MAX = 8;
/**
 * A window slides by a 48th of its length: what has begun counts from that moment on, and for up to a 48th longer than the window is, never
 * shorter. So what is kept for a window is bounded, however much is paid.
 */
export const BUCKETS_PER_WINDOW = 48;

/** What began within a 48th of a window; its number is that of the 48th since 1970. */
export interface Bucket {
  readonly number: number;
  readonly sats: bigint;
  readonly count: number;
}

export interface WindowUse {
  readonly limit: WindowLimit;
  /** The version of the limits that it counts since: what began before is unknown to it. */
  readonly since: number;
  /** Oldest first. */
  readonly buckets: readonly Bucket[];
}

export interface SetLimits {
  readonly status: 'set';
  readonly institutionId: string;
  /** From 1, one more each time. */
  readonly version: number;
  readonly transactions: readonly TransactionLimit[];
  readonly windows: readonly WindowUse[];
  readonly setAt: Instant;
  /** API key. */
  readonly setBy: string;
  readonly reason: string;
}

export type LimitsState = { readonly status: 'none' } | SetLimits;

/** A settlement as limits see it. */
export interface Counted {
  readonly mode: Mode;
  readonly amountSats: Sats;
}

export type LimitsEvent = { readonly at: Instant } & (
  | {
      readonly type: 'limits_set';
      readonly institutionId: string;
      readonly version: number;
      readonly limits: Limits;
      readonly by: string;
      readonly confirmedBy?: string;
      readonly reason: string;
    }
  /** A settlement has begun. */
  | ({ readonly type: 'use_counted'; readonly settlementId: string } & Counted)
  /** It has ended unpaid. `countedAt` and `version`: when it was counted, and under which limits. */
  | ({
      readonly type: 'use_returned';
      readonly settlementId: string;
      readonly countedAt: Instant;
      readonly version: number;
    } & Counted)
);

/** An institution's limits, and what counts against them still: one stream for each institution that has some. */
export const limitsAggregate: Aggregate<LimitsState, LimitsEvent> = {
  name: 'payment_limits',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'limits_set':
        return limitsSet(state, event);
      case 'use_counted':
        return eachWindow(state, event, ({ limit }, buckets) => added(buckets, bucketAt(limit, event.at), event));
      case 'use_returned':
        return eachWindow(state, event, ({ limit, since }, buckets) =>
          since > event.version ? buckets : taken(buckets, bucketAt(limit, event.countedAt), event),
        );
      default:
        return assertNever(event, 'limits event');
    }
  },
};

export const isOf = (limit: { readonly mode?: Mode }, mode: Mode): boolean =>
  limit.mode === undefined || limit.mode === mode;

/** What counts in a window now. */
export function usedIn({ limit, buckets }: WindowUse, now: Instant): { readonly sats: bigint; readonly count: number } {
  const live = buckets.filter((bucket) => endOf(limit, bucket) > now);
  return {
    sats: live.reduce((sum, { sats }) => sum + sats, 0n),
    count: live.reduce((sum, { count }) => sum + count, 0),
  };
}

/** When a window has room for it; undefined: never, whatever is waited for. Now, where it has room already. */
export function roomAt({ limit, buckets }: WindowUse, { amountSats }: Counted, now: Instant): Instant | undefined {
  const { maxSats, countMax = Number.POSITIVE_INFINITY } = limit;
  if (amountSats > maxSats || countMax < 1) return undefined;
  const live = buckets.filter((bucket) => endOf(limit, bucket) > now);
  let [sats, count] = [0n, 0];
  // The newest that may stay beside it do.
  for (const bucket of live.toReversed()) {
    sats += bucket.sats;
    count += bucket.count;
    if (sats + amountSats > maxSats || count + 1 > countMax) return endOf(limit, bucket);
  }
  return now;
}

function limitsSet(state: LimitsState, event: Extract<LimitsEvent, { type: 'limits_set' }>): SetLimits {
  const { institutionId, version, limits, by, reason, at } = event;
  const before = state.status === 'set' ? state.windows : [];
  assert(version === (state.status === 'set' ? state.version : 0) + 1, 'versions of limits follow each other');
  return {
    status: 'set',
    institutionId,
    version,
    transactions: limits.transactions,
    windows: limits.windows.map((limit) => {
      const same = before.find((use) => isSameWindow(use.limit, limit));
      return same === undefined ? { limit, since: version, buckets: [] } : { ...same, limit };
    }),
    setAt: at,
    setBy: by,
    reason,
  };
}

/** What was used of the one counts against the other. */
export const isSameWindow = (a: WindowLimit, b: WindowLimit): boolean => a.seconds === b.seconds && a.mode === b.mode;

function eachWindow(
  state: LimitsState,
  { at, mode }: { readonly at: Instant; readonly mode: Mode },
  change: (use: WindowUse, buckets: readonly Bucket[]) => readonly Bucket[],
): SetLimits {
  assert(state.status === 'set', 'what there are no limits for isn’t counted');
  const windows = state.windows.map((use) => {
    if (!isOf(use.limit, mode)) return use;
    const live = use.buckets.filter((bucket) => endOf(use.limit, bucket) > at);
    return { ...use, buckets: change(use, live) };
  });
  return { ...state, windows };
}

function added(buckets: readonly Bucket[], number: number, { amountSats }: Counted): readonly Bucket[] {
  // Mostly the last one: only what a restored store learns of has begun before others.
  const at = buckets.findLastIndex((bucket) => bucket.number <= number);
  const found = buckets[at];
  if (found?.number !== number) return buckets.toSpliced(at + 1, 0, { number, sats: amountSats, count: 1 });
  return buckets.with(at, { ...found, sats: found.sats + amountSats, count: found.count + 1 });
}

function taken(buckets: readonly Bucket[], number: number, { amountSats }: Counted): readonly Bucket[] {
  return buckets.flatMap((bucket) => {
    if (bucket.number !== number) return [bucket];
    assert(bucket.sats >= amountSats && bucket.count >= 1, 'only what was counted is returned');
    return bucket.count === 1 ? [] : [{ ...bucket, sats: bucket.sats - amountSats, count: bucket.count - 1 }];
  });
}

const SECOND_MS = 1_000;

const bucketMs = ({ seconds }: WindowLimit): number => Math.ceil((seconds * SECOND_MS) / BUCKETS_PER_WINDOW);
const bucketAt = (limit: WindowLimit, at: Instant): number => Math.floor(at / bucketMs(limit));

/** From then on nothing in it began within the window. */
function endOf(limit: WindowLimit, { number }: Bucket): Instant {
  return ((number + 1) * bucketMs(limit) + limit.seconds * SECOND_MS) as Instant;
}
