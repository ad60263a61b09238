import type { institutionV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { apiKeyMessage } from '../store/messages.ts';
import { apiKeyStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

/** A key that is there, in its present state. */
export async function showApiKey(gateway: Gateway, keyId: string): Promise<institutionV1.ApiKey> {
  const { state } = await gateway.reader.loadState(apiKeyStream, keyId);
  assert(state.status !== 'none', 'the key was decided on a moment ago');
  return apiKeyMessage(state);
}
