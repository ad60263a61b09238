import type { Brand } from './brand.ts';

/** Milliseconds since 1970-01-01T00:00:00Z. A time, not money: a safe integer. */
export type Instant = Brand<number, 'Instant'>;

/**
 * The only source of time, timers, randomness and ids (DESIGN 5). Production binds it to the machine, the simulator to a seed;
 * lint bans `Date`, `Math.random`, timers and `randomUUID` everywhere else.
 */
export interface Runtime {
  now(): Instant;
  /** Monotonic milliseconds, for durations only. */
  monotonicMs(): number;
  /** Resolves after `delayMs`, or as soon as `signal` aborts (never rejects). 0: in the next turn of the event loop. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
  /** Uniform bytes; cryptographically strong in production. */
  randomBytes(length: number): Uint8Array;
  /** A UUIDv7 (RFC 9562): ids made later sort later, to the millisecond. */
  id(): string;
}

/** A piece of background work, done a step at a time: production loops it, the simulator schedules it (DESIGN 5). */
export interface Worker {
  readonly name: string;
  /** Does a bounded amount of work. `idle` means: nothing to do until woken or until `pollMs` have passed. */
  step(): Promise<'progress' | 'idle'>;
  readonly pollMs: number;
  /** How long after a step that found nothing it may be woken again: what many events at once concern is looked at once. */
  readonly restMs?: number;
  /** Whether its last step did what there was to do: the next one waits as after a step that found nothing. */
  readonly isDrained?: boolean;
  /** Whether it works in a process that stands by as well: it keeps nothing but that process up to date. Default: no. */
  readonly onStandby?: boolean;
  /** Calls `listener` when there is something to do. Nothing else wakes a worker that has it; others are woken by whatever happens in their service. */
  onWake?(listener: () => void): void;
}

/** Of every byte. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** An RFC 9562 version 7 UUID from a time and at least ten random bytes. */
export function uuidV7(now: Instant, random: Uint8Array): string {
  const time = (now as number).toString(16).padStart(12, '0');
  const hex = (index: number): string => HEX[random[index]!]!;
  const version = HEX[(random[0]! & 0x0f) | 0x70]!;
  const variant = HEX[(random[2]! & 0x3f) | 0x80]!;
  const node = hex(4) + hex(5) + hex(6) + hex(7) + hex(8) + hex(9);
  return `${time.slice(0, 8)}-${time.slice(8)}-${version}${hex(1)}-${variant}${hex(3)}-${node}`;
}
