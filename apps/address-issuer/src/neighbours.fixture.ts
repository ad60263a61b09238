import {
  type Descriptor,
  deriveScript,
  MasterKey,
  parseDescriptor,
  signMessage,
  type SigningKey,
  type SingleKeyScriptType,
} from '@finality/bitcoin';
import { type addressV1, chainV1, institutionV1, type ServiceName, type Topic, TOPICS } from '@finality/contracts';
import { PostgresEventStore, type PublicMessage, type StreamType } from '@finality/event-store';
import { type Runtime, unwrap } from '@finality/kernel';
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

  async watch(walletId: string, externalBelow: number, internalBelow: number, scanning: boolean): Promise<void> {
    const message = chainV1.WatchExtended.encode({ walletId, externalBelow, internalBelow, scanning });
    await this.#publish(TOPICS.watch, walletId, message.finish());
  }

  /** A transaction in the mempool that pays these addresses. */
  async pays(...addresses: readonly addressV1.Address[]): Promise<void> {
    const outputs = addresses.map(({ script, walletId, branch, index }, vout) => ({
      vout,
      script,
      walletId,
      branch,
      index,
    }));
    const fact = chainV1.ChainFact.fromPartial({
      network: 'regtest',
      transactionSeen: { transaction: { txid: 'ab'.repeat(32), outputs } },
    });
    await this.#publish(TOPICS.chainFact, 'regtest', chainV1.ChainFact.encode(fact).finish());
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

  // The signer's registry of destinations isn't here: what rests on it is tested with a real one.
  readonly registerSignatory = absent;
  readonly revokeSignatory = absent;
  readonly requireApprovals = absent;
  readonly checkDestinationRequest = absent;
  readonly registerDestination = absent;
  readonly removeDestination = absent;

  #descriptor(walletId: string): ReturnType<MasterKey['account']>['descriptor'] {
    const { scriptType, index } = this.#accounts.get(walletId)!;
    return this.#master.account(scriptType, index).descriptor;
  }
}

const absent = (): Promise<never> => Promise.reject(unavailable());

/** What a gRPC client gives when nobody listens. */
const unavailable = (): Error => Object.assign(new Error('14 UNAVAILABLE: no connection established'), { code: 14 });

/** A wallet whose keys an institution holds itself. */
export interface ForeignWallet extends Pick<Descriptor, 'external' | 'internal' | 'text'> {
  /** Of its (first) key. */
  readonly xpub: string;
  /** BIP322, by its first external script. */
  sign(message: string): string;
}

const FOREIGN_MASTER = new MasterKey(new Uint8Array(32).fill(77), 'regtest');

export function foreignWallet(account: number, type: SingleKeyScriptType = 'wpkh'): ForeignWallet {
  const key = FOREIGN_MASTER.account(type, account);
  return signedBy(key.descriptor, [key.signingKey(0, 0)]);
}

/** Two of three keys. */
export function foreignMultisig(account: number): ForeignWallet {
  const keys = [0, 1, 2].map((i) => FOREIGN_MASTER.account('wpkh', 10 * account + i));
  const texts = keys.map(({ xpub }) => `${xpub}/<0;1>/*`).join(',');
  const descriptor = unwrap(parseDescriptor(`wsh(sortedmulti(2,${texts}))`, 'regtest'));
  return signedBy(
    descriptor,
    keys.slice(1).map((key) => key.signingKey(0, 0)),
  );
}

function signedBy(descriptor: Descriptor, signers: readonly SigningKey[]): ForeignWallet {
  const { external, internal, text, keys } = descriptor;
  const sign = (message: string): string => signMessage(message, descriptor, deriveScript(descriptor, 0, 0), signers);
  return { external, internal, text, xpub: keys[0]!.xpub, sign };
}
