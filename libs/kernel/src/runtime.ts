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
  /** Resolves after `delayMs`, or as soon as `signal` aborts (never rejects). */
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
}

/** An RFC 9562 version 7 UUID from a time and at least ten random bytes. */
export function uuidV7(now: Instant, random: Uint8Array): string {
  const bytes = new Uint8Array(16);
  let ms = now as number;
  for (let i = 5; i >= 0; i--) {
    bytes[i] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
