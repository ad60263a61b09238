import { LeaseLost } from '@finality/event-store';
import { KafkaError } from '@finality/messaging';
import { status } from '@grpc/grpc-js';
import { isDatabaseOutage } from './database/outage.ts';
import { RefusalException } from './grpc/refusal-status.ts';

/** Of a peer that isn't there, or not in time. */
const AWAY: readonly unknown[] = [status.UNAVAILABLE, status.DEADLINE_EXCEEDED];

/**
 * Whether something failed because what it depends on (the database, Kafka, another service) is away, or because another process does it by now: no
 * fault of ours, and asking again can help.
 */
export function isOutage(error: unknown): boolean {
  if (error instanceof KafkaError || error instanceof LeaseLost || isDatabaseOutage(error)) return true;
  if (error instanceof RefusalException) return error.refusal.kind === 'unavailable';
  return error instanceof Error && 'code' in error && 'metadata' in error && AWAY.includes(error.code);
}
