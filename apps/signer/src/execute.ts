import { type StoreCommand, StoreUnavailable } from '@finality/event-store';
import { refusal } from '@finality/kernel';
import { RefusalException } from '@finality/service';
import type { SignerBody, SignerReply } from './signer.handler.ts';
import type { SignerStore } from './tokens.ts';

/** Decides one command and gives its reply; refusals and an unreachable database are thrown as callers get to see them. */
export async function execute(store: SignerStore, command: StoreCommand<SignerBody>): Promise<SignerReply> {
  const [outcome] = await store.execute([command]).catch((error: unknown) => {
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new RefusalException(refusal('unavailable', 'STORE_UNAVAILABLE', error.message, { retryable: true }));
  });
  switch (outcome?.kind) {
    case 'accepted':
      return outcome.reply;
    case 'refused':
      throw new RefusalException(outcome.refusal);
    case 'failed':
      throw outcome.error;
    default:
      throw new Error(`a command of the signer doesn't end ${outcome?.kind}`);
  }
}
