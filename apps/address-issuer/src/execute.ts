import { PASSING_REASONS } from '@finality/address';
import { type IdempotencyClaim, type Outcome, type StoreCommand, StoreUnavailable } from '@finality/event-store';
import { type Refusal, refusal, type Runtime } from '@finality/kernel';
import { RefusalException } from '@finality/service';
import type { IssuerBody, IssuerReply, IssuerStore } from './commands.ts';

/** How often a waiting request looks whether it can go on; those that wait together share a batch. */
const POLL_MS = 50;
/** An institution that settlement has just told its owner about is known here within this time, or doesn't exist. */
const INSTITUTION_WAIT_MS = 1_500;

export type Answered =
  | { readonly kind: 'accepted'; readonly reply: IssuerReply }
  | { readonly kind: 'repeated'; readonly resourceId: string };

/** Decides one command. Refusals and an unreachable database are thrown as callers get to see them. */
export async function execute(store: IssuerStore, command: StoreCommand<IssuerBody>): Promise<Answered> {
  return answered(await attempt(store, command));
}

export interface Patience {
  readonly runtime: Runtime;
  readonly waitMs: number;
  /** The caller has gone, or the server is about to stop. */
  readonly signal?: AbortSignal;
}

/** {@link execute}, but what passes by itself (keys under way, addresses about to be watched) is waited for, within bounds. */
export async function executePatiently(
  store: IssuerStore,
  command: StoreCommand<IssuerBody>,
  patience: Patience,
): Promise<Answered> {
  const { runtime, waitMs, signal } = patience;
  const startedMs = runtime.monotonicMs();
  for (;;) {
    const outcome = await attempt(store, command);
    const waitedMs = runtime.monotonicMs() - startedMs;
    if (outcome.kind !== 'refused' || signal?.aborted || waitedMs >= waitMaxMs(outcome.refusal, waitMs))
      return answered(outcome);
    await runtime.sleep(POLL_MS, signal);
  }
}

function waitMaxMs({ reason }: Refusal, waitMs: number): number {
  if (!PASSING_REASONS.some((passing) => passing === reason)) return 0;
  return reason === 'UNKNOWN_INSTITUTION' ? Math.min(waitMs, INSTITUTION_WAIT_MS) : waitMs;
}

async function attempt(store: IssuerStore, command: StoreCommand<IssuerBody>): Promise<Outcome<IssuerReply>> {
  try {
    return (await store.execute([command]))[0]!;
  } catch (error) {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new RefusalException(refusal('unavailable', 'STORE_UNAVAILABLE', error.message, { retryable: true }));
  }
}

function answered(outcome: Outcome<IssuerReply>): Answered {
  switch (outcome.kind) {
    case 'accepted':
    case 'repeated':
      return outcome;
    case 'refused':
      throw new RefusalException(outcome.refusal);
    case 'failed':
      throw outcome.error;
    default:
      throw new Error(`a request doesn't end ${outcome.kind}`);
  }
}

/** Fields of a request as text, for the comparison of repeats; `version` is that of the list of fields. */
export function idempotencyClaim(
  scope: Pick<IdempotencyClaim, 'principal' | 'rpc' | 'key' | 'resourceId'>,
  fields: Readonly<Record<string, string | number>>,
): IdempotencyClaim {
  const texts = Object.entries(fields).map(([name, value]): [string, string] => [name, `${value}`]);
  return { ...scope, fields: { version: '1', ...Object.fromEntries(texts) } };
}
