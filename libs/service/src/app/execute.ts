import {
  type EventReader,
  type EventStore,
  type IdempotencyClaim,
  NotTheWriter,
  type Outcome,
  type StoreCommand,
  StoreUnavailable,
} from '@finality/event-store';
import { refusal } from '@finality/kernel';
import { RefusalException } from '../grpc/refusal-status.ts';

/** Hands commands to the store. A store that can't be reached is UNAVAILABLE: asking again with the same keys is safe. */
export async function executeAll<Body, Reply>(
  store: EventStore<Body, Reply>,
  commands: readonly StoreCommand<Body>[],
): Promise<readonly Outcome<Reply>[]> {
  return store.execute(commands).catch((error: unknown) => {
    if (!(error instanceof StoreUnavailable)) throw error;
    const reason = error instanceof NotTheWriter ? 'STANDBY' : 'STORE_UNAVAILABLE';
    throw new RefusalException(refusal('unavailable', reason, error.message, { retryable: true }));
  });
}

/**
 * Decides one command of a caller.
 * @returns the reply, or the resource that an earlier request with this key has made
 * @throws RefusalException as callers get to see it
 */
export async function execute<Body, Reply>(
  store: EventStore<Body, Reply>,
  command: StoreCommand<Body>,
): Promise<{ readonly reply: Reply } | { readonly repeated: string }> {
  const [outcome] = await executeAll(store, [command]);
  switch (outcome?.kind) {
    case 'accepted':
      return { reply: outcome.reply };
    case 'repeated':
      return { repeated: outcome.resourceId };
    case 'refused':
      throw new RefusalException(outcome.refusal);
    case 'failed':
      throw outcome.error;
    default:
      throw new Error(`the command of a caller doesn't end ${outcome?.kind}`);
  }
}

/**
 * The resource that a request with this key has made: for whoever has to ask others, or look at what may have changed, before there is anything to decide.
 * @returns undefined where no such request has been accepted
 * @throws RefusalException where it wasn't the same
 */
export async function answeredBefore(
  reader: Pick<EventReader, 'answered'>,
  claim: IdempotencyClaim,
): Promise<string | undefined> {
  const before = await reader.answered(claim);
  if (before?.kind === 'refused') throw new RefusalException(before.refusal);
  return before?.resourceId;
}
