import type { Role, Runtime } from '@finality/kernel';
import { execute } from '@finality/service';
import type { SettlementStore } from '../env.ts';

export interface FirstKey {
  readonly keyId: string;
  readonly roles: readonly Role[];
  readonly label: string;
  /** Hex. */
  readonly secretSha256: string;
}

/** For whoever installs the platform: the first operators' keys can't be issued by operators. Not reachable over the network. */
export class Bootstrap {
  readonly #store: SettlementStore;
  readonly #runtime: Runtime;

  constructor(store: SettlementStore, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
  }

  /** Repeating it with the same key changes nothing, also when it was revoked. @throws RefusalException ALREADY_EXISTS when the id is another key's */
  async registerKey(key: FirstKey): Promise<void> {
    const id = this.#runtime.id();
    await execute(this.#store, {
      body: { type: 'register_first_key', key: { ...key, institutionId: '' } },
      cause: {
        actor: { kind: 'service', id: 'bootstrap' },
        occurredAt: this.#runtime.now(),
        correlationId: id,
        causationId: id,
      },
      idempotency: {
        principal: 'bootstrap',
        rpc: 'RegisterKey',
        key: key.keyId,
        resourceId: key.keyId,
        fields: { version: '1', roles: key.roles.join(','), label: key.label, secret_sha256: key.secretSha256 },
      },
    });
  }
}
