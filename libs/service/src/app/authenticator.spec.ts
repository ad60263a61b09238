import { institutionV1, TOPICS } from '@finality/contracts';
import { uuidV7, type Instant } from '@finality/kernel';
import type { IncomingMessage, MessageDriver } from '@finality/messaging';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { makeApiKey } from '../auth/api-key.ts';
import { refusalOf } from '../grpc/refusal-status.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { Authenticator } from './authenticator.ts';

const runtime = systemRuntime();
const { keyId, apiKey, secretSha256 } = makeApiKey(runtime);

function message(sequence: bigint, revoked: boolean): IncomingMessage {
  const changed = {
    apiKey: {
      keyId,
      institutionId: 'bank-a',
      roles: [institutionV1.Role.ROLE_INSTITUTION],
      label: '',
      revoked,
      createdAt: undefined,
      issuedBy: '',
      confirmedBy: '',
    },
    secretSha256: Buffer.from(secretSha256),
  };
  return {
    topic: TOPICS.apiKey.name,
    orderingKey: keyId,
    sequence,
    id: uuidV7(0 as Instant, new Uint8Array(10)),
    type: TOPICS.apiKey.message,
    schemaVersion: 1,
    headers: {},
    payload: institutionV1.ApiKeyChanged.encode(changed).finish(),
    position: sequence,
    ordinal: 0,
  };
}

/** Delivers what it is told to, one message per poll. */
function delivering(...messages: readonly IncomingMessage[]): MessageDriver {
  const left = [...messages];
  return {
    consumer: () => ({
      poll: () => Promise.resolve(left.splice(0, 1)),
      acknowledge: () => Promise.resolve(),
      fetch: () => Promise.resolve([]),
      onWake: () => undefined,
      lag: () => Promise.resolve(0n),
      close: () => Promise.resolve(),
    }),
    close: () => Promise.resolve(),
  };
}

const metadata = new Metadata();
metadata.set('authorization', `Bearer ${apiKey}`);

describe('callers by their published keys', () => {
  it('finds a key that it has not read yet', async () => {
    const authenticator = new Authenticator('settlement', delivering(message(1n, false)));
    expect(await authenticator.caller(metadata, 'institution')).toMatchObject({ keyId, institutionId: 'bank-a' });
  });

  it('does not let a revoked key back in when the message that issued it comes again', async () => {
    const again = [message(1n, false), message(2n, true), message(1n, false)];
    const authenticator = new Authenticator('settlement', delivering(...again));
    while ((await authenticator.worker.step()) === 'progress');
    const refused: unknown = await authenticator.caller(metadata, 'institution').catch((error: unknown) => error);
    expect(refusalOf(refused)).toMatchObject({ kind: 'unauthenticated', reason: 'API_KEY_INVALID' });
  });
});
