import type { Instant } from '@finality/kernel';
import type { Timestamp } from './generated/google/protobuf/timestamp.ts';

/** google.protobuf.Timestamp of a time in milliseconds. */
export function toTimestamp(instant: Instant): Timestamp {
  const seconds = Math.floor(instant / 1000);
  return { seconds: BigInt(seconds), nanos: (instant - seconds * 1000) * 1_000_000 };
}

/** Milliseconds of a google.protobuf.Timestamp; finer parts are dropped. */
export function fromTimestamp(timestamp: Timestamp): Instant {
  return (Number(timestamp.seconds) * 1000 + Math.floor(timestamp.nanos / 1_000_000)) as Instant;
}
