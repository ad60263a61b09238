import { deriveScript, MasterKey } from '@finality/bitcoin';
import { chainV1, institutionV1, type ServiceName, type Topic, TOPICS } from '@finality/contracts';
import { PostgresEventStore, type PublicMessage, type StreamType } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import { makeApiKey } from '@finality/service';
import type { Pool } from 'pg';
import type { SignerOfAccounts } from './registration.ts';

// The services around the address issuer, for its tests: what they publish goes through real stores, what the signer derives comes of real keys.

type Stored = {
  readonly type: 'published';
  readonly message: Omit<PublicMessage, 'payload'>;
  readonly payload: string;
};

const published: StreamType<null, Stored> = {
  aggregate: { name: 'test', initialState: null, evolve: () => null },
  institutions: () => [],
  publish: ({ message, payload }) => [{ ...message, payload: Buffer.from(payload, 'hex') }],
};

/** Publishes whatever it is told to. */
export class Neighbour {
  readonly #store: PostgresEventStore<PublicMessage, undefined, undefined>;
  readonly #runtime: Runtime;

  constructor(service: ServiceName, schema: string, pool: Pool, runtime: Runtime) {
    this.#runtime = runtime;
    this.#store = new PostgresEventStore<PublicMessage, undefined, undefined>({
      pool,
      schema,
      service,
      runtime,
      handler: {
        load: async (session, commands, batch) => {
          await batch.loadStreams(session, [...new Set(commands.map(({ body }) => `test/${body.orderingKey}`))]);
        },
        handle: ({ body: { payload, ...message } }, _world, batch) => {
          const hex = Buffer.from(payload).toString('hex');
          batch.append(published, message.orderingKey, { type: 'published', message, payload: hex });
          return { kind: 'accepted', reply: undefined };
        },
        save: () => Promise.resolve(),
      },
    });
  }

  async institution(institutionId: string, status: institutionV1.InstitutionStatus): Promise<void> {
    const message = institutionV1.InstitutionChanged.fromPartial({ institution: { institutionId, status } });
    await this.#publish(TOPICS.institution, institutionId, institutionV1.InstitutionChanged.encode(message).finish());
  }

  /** @returns the API key as its owner sends it */
  async apiKey(role: institutionV1.Role, institutionId = ''): Promise<string> {
    const { keyId, apiKey, secretSha256 } = makeApiKey(this.#runtime);
    const message = institutionV1.ApiKeyChanged.fromPartial({
      apiKey: { keyId, institutionId, roles: [role] },
      secretSha256: Buffer.from(secretSha256),
    });
    await this.#publish(TOPICS.apiKey, keyId, institutionV1.ApiKeyChanged.encode(message).finish());
    return apiKey;
  }

  async watch(walletId: string, externalBelow: number, internalBelow: number): Promise<void> {
    const message = chainV1.WatchExtended.encode({ walletId, externalBelow, internalBelow, scanning: false });
    await this.#publish(TOPICS.watch, walletId, message.finish());
  }

  async #publish(topic: Topic, orderingKey: string, payload: Uint8Array): Promise<void> {
    const body = { topic: topic.name, orderingKey, type: topic.message, schemaVersion: 1, payload };
    const cause = {
      actor: { kind: 'service', id: 'test' },
      occurredAt: this.#runtime.now(),
      correlationId: 'test',
      causationId: 'test',
    } as const;
    const [outcome] = await this.#store.execute([{ body, cause }]);
    if (outcome?.kind !== 'accepted') throw new Error(`publishing ended ${JSON.stringify(outcome)}`);
  }
}

/** An accountant of keys like the signer, whose failures can be chosen. */
export class KeysOfTest implements SignerOfAccounts {
  readonly #master = new MasterKey(new Uint8Array(32).fill(9), 'regtest');
  readonly #accounts = new Map<string, { readonly scriptType: 'wpkh' | 'tr'; readonly index: number }>();
  /** Answers nothing. */
  isDown = false;
  /** Derives other scripts from this index on. */
  wrongFrom = Number.POSITIVE_INFINITY;
  derivations = 0;

  createAccount({
    walletId,
    scriptType,
  }: {
    walletId: string;
    scriptType: string;
  }): ReturnType<SignerOfAccounts['createAccount']> {
    if (this.isDown) return Promise.reject(unavailable());
    if (!this.#accounts.has(walletId)) {
      this.#accounts.set(walletId, { scriptType: scriptType === 'tr' ? 'tr' : 'wpkh', index: this.#accounts.size });
    }
    const { external, internal } = this.#descriptor(walletId);
    return Promise.resolve({ walletId, externalDescriptor: external, internalDescriptor: internal });
  }

  deriveScripts({
    walletId,
    branch,
    indices,
  }: Parameters<SignerOfAccounts['deriveScripts']>[0]): ReturnType<SignerOfAccounts['deriveScripts']> {
    if (this.isDown) return Promise.reject(unavailable());
    this.derivations += 1;
    const descriptor = this.#descriptor(walletId);
    const place = (index: number): number => (index >= this.wrongFrom ? index + 1 : index);
    return Promise.resolve({
      scripts: indices.map((index) => deriveScript(descriptor, branch === 0 ? 0 : 1, place(index)).script),
    });
  }

  #descriptor(walletId: string): ReturnType<MasterKey['account']>['descriptor'] {
    const { scriptType, index } = this.#accounts.get(walletId)!;
    return this.#master.account(scriptType, index).descriptor;
  }
}

/** What a gRPC client gives when nobody listens. */
const unavailable = (): Error => Object.assign(new Error('14 UNAVAILABLE: no connection established'), { code: 14 });

/** Keys of an institution's own. */
export function foreignDescriptor(account: number): { external: string; internal: string; text: string; xpub: string } {
  const { external, internal, text, accountXpub } = new MasterKey(new Uint8Array(32).fill(77), 'regtest').account(
    'wpkh',
    account,
  ).descriptor;
  return { external, internal, text, xpub: accountXpub };
}
