import type { Metadata } from '@grpc/grpc-js';
import { institutionV1, TOPICS } from '@finality/contracts';
import { assertNever, type Principal, type Role, type Worker } from '@finality/kernel';
import type { MessageConsumer, MessageDriver } from '@finality/messaging';
import { KeyMap } from '../auth/api-key.ts';
import { authenticate, requireRole } from '../auth/authenticate.ts';
import { toRpcException } from '../grpc/refusal-status.ts';

const MESSAGES_MAX = 500;
const POLL_MS = 1_000;
/** Pages read to find a key that isn't known yet: as many as a burst of new keys can fill. */
const CATCH_UP_STEPS_MAX = 20;

/**
 * Who is calling, by the API keys that the settlement service publishes: kept in memory, read from the beginning at every start, so that
 * nobody needs the other's tables. A revocation takes effect as soon as its message is there, at the latest after {@link POLL_MS}.
 */
export class Authenticator {
  readonly worker: Worker;
  readonly #keys = new KeyMap();
  /** Of the newest message of each key: an older one that comes again mustn't bring a revoked key back. */
  readonly #sequences = new Map<string, bigint>();
  readonly #consumer: MessageConsumer;
  #following: Promise<'progress' | 'idle'> | undefined;

  constructor(service: string, driver: MessageDriver) {
    this.#consumer = driver.consumer({ service, topics: [TOPICS.apiKey.name], replay: true });
    this.worker = {
      name: `${service} api keys`,
      pollMs: POLL_MS,
      onStandby: true,
      step: () => this.#follow(),
      onWake: (listener) => this.#consumer.onWake(listener),
    };
  }

  /**
   * The caller, who has one of these roles.
   * @throws RefusalException UNAUTHENTICATED or PERMISSION_DENIED
   */
  async caller(metadata: Metadata, ...roles: readonly Role[]): Promise<Principal> {
    let principal = authenticate(metadata, this.#keys);
    // A key issued a moment ago may not have been read yet: look before refusing.
    for (
      let step = 0;
      !principal.ok && principal.error.reason === 'API_KEY_INVALID' && step < CATCH_UP_STEPS_MAX;
      step++
    ) {
      if ((await this.#follow()) === 'idle') step = CATCH_UP_STEPS_MAX;
      principal = authenticate(metadata, this.#keys);
    }
    if (!principal.ok) throw toRpcException(principal.error);
    const allowed = requireRole(principal.value, ...roles);
    if (!allowed.ok) throw toRpcException(allowed.error);
    return allowed.value;
  }

  async close(): Promise<void> {
    await this.#consumer.close();
  }

  /** One reader at a time, whoever asks. */
  #follow(): Promise<'progress' | 'idle'> {
    this.#following ??= this.#read().finally(() => (this.#following = undefined));
    return this.#following;
  }

  async #read(): Promise<'progress' | 'idle'> {
    const messages = await this.#consumer.poll(MESSAGES_MAX);
    for (const message of messages) {
      if (message.sequence <= (this.#sequences.get(message.orderingKey) ?? 0n)) continue;
      this.#sequences.set(message.orderingKey, message.sequence);
      const { apiKey, secretSha256 } = institutionV1.ApiKeyChanged.decode(message.payload);
      if (apiKey === undefined) continue;
      const { keyId, institutionId, roles, revoked } = apiKey;
      this.#keys.put({
        keyId,
        secretSha256,
        revoked,
        roles: roles.flatMap(roleOf),
        ...(institutionId === '' ? {} : { institutionId }),
      });
    }
    await this.#consumer.acknowledge(messages);
    return messages.length === 0 ? 'idle' : 'progress';
  }
}

/** A role that this release doesn't know gives no rights. */
function roleOf(role: institutionV1.Role): Role[] {
  switch (role) {
    case institutionV1.Role.ROLE_INSTITUTION:
      return ['institution'];
    case institutionV1.Role.ROLE_OPERATOR:
      return ['operator'];
    case institutionV1.Role.ROLE_COMPLIANCE:
      return ['compliance'];
    case institutionV1.Role.ROLE_AUDITOR:
      return ['auditor'];
    case institutionV1.Role.ROLE_UNSPECIFIED:
    case institutionV1.Role.UNRECOGNIZED:
      return [];
    default:
      return assertNever(role, 'role');
  }
}
