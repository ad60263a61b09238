import { PASSING_REASONS } from '@finality/address';
import type { IdempotencyClaim, Outcome, StoreCommand } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import { type execute, executeAll, RefusalException } from '@finality/service';
import type { IssuerBody, IssuerReply, IssuerStore } from './commands.ts';

/** How often a waiting request looks whether it can go on; those that wait together share a batch. */
export const POLL_MS = 50;
/** An institution that settlement has just told its owner about is known here within this time, or doesn't exist. */
const INSTITUTION_WAIT_MS = 1_500;

export type Answer = Awaited<ReturnType<typeof execute<IssuerBody, IssuerReply>>>;

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
): Promise<Answer> {
  const { runtime, waitMs, signal } = patience;
  const startedMs = runtime.monotonicMs();
  for (;;) {
    const outcome = (await executeAll(store, [command]))[0]!;
    const waitedMs = runtime.monotonicMs() - startedMs;
    if (signal?.aborted || waitedMs >= waitMaxMs(outcome, waitMs)) return answered(outcome);
    await runtime.sleep(POLL_MS, signal);
  }
}

/** How long to wait for what was refused to pass; 0 for what isn't refused, or won't pass. */
export function waitMaxMs(outcome: Outcome<IssuerReply>, waitMs: number): number {
  if (outcome.kind !== 'refused') return 0;
  const { reason } = outcome.refusal;
  if (!PASSING_REASONS.some((passing) => passing === reason)) return 0;
  return reason === 'UNKNOWN_INSTITUTION' ? Math.min(waitMs, INSTITUTION_WAIT_MS) : waitMs;
}

/** As {@link execute} answers. */
export function answered(outcome: Outcome<IssuerReply>): Answer {
  switch (outcome.kind) {
    case 'accepted':
      return { reply: outcome.reply };
    case 'repeated':
      return { repeated: outcome.resourceId };
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
