import type { PerBranch } from '@finality/address';
import { type Branch, type Descriptor, deriveScript, type Network, parseDescriptor } from '@finality/bitcoin';
import { type CauseContext, type Runtime, unwrap, type Worker } from '@finality/kernel';
import { execute } from '@finality/service';
import type { Pool } from 'pg';
import type { IssuerBody, IssuerStore } from '../commands.ts';
import type { SignerOfAccounts } from '../registration.ts';

const WALLETS_PER_STEP_MAX = 10;
/** The most that the signer derives in one call. */
const SCRIPTS_PER_CALL_MAX = 1_000;

export interface DerivationOptions {
  readonly store: IssuerStore;
  readonly pool: Pool;
  readonly signer: SignerOfAccounts;
  readonly runtime: Runtime;
  readonly network: Network;
}

interface Unverified {
  readonly wallet_id: string;
  readonly external: string;
  readonly internal: string;
  readonly watched_external: number;
  readonly watched_internal: number;
  readonly verified_external: number;
  readonly verified_internal: number;
}

/**
 * Has the signer derive what is about to be issued from its own keys, many scripts a call, and compares. Only then may it be issued: nobody
 * is given an address that the signer couldn't spend from. A difference blocks the wallet.
 */
export class DerivationWorker implements Worker {
  readonly name = 'address-issuer derivation check';
  readonly pollMs = 100;
  readonly #options: DerivationOptions;

  constructor(options: DerivationOptions) {
    this.#options = options;
  }

  async step(): Promise<'progress' | 'idle'> {
    const { rows } = await this.#options.pool.query<Unverified>(
      `SELECT wallet_id, external, internal, watched_external, watched_internal, verified_external, verified_internal FROM wallets
       WHERE kind = 'custodial' AND blocked IS NULL AND (verified_external < watched_external OR verified_internal < watched_internal)
       ORDER BY position LIMIT $1`,
      [WALLETS_PER_STEP_MAX],
    );
    for (const row of rows)
      await execute(this.#options.store, { body: await this.#check(row), cause: this.#cause(row) });
    return rows.length > 0 ? 'progress' : 'idle';
  }

  async #check(row: Unverified): Promise<IssuerBody> {
    const { wallet_id: walletId } = row;
    const descriptor = unwrap(parseDescriptor([row.external, row.internal], this.#options.network));
    const external = await this.#compare(walletId, descriptor, 0, row.verified_external, row.watched_external);
    const internal = await this.#compare(walletId, descriptor, 1, row.verified_internal, row.watched_internal);
    if (typeof external === 'string') return { kind: 'block', walletId, reason: external };
    if (typeof internal === 'string') return { kind: 'block', walletId, reason: internal };
    const below: PerBranch = { external, internal };
    return { kind: 'verify', walletId, below };
  }

  /** Up to which index both derive the same, or where they differ. */
  async #compare(
    walletId: string,
    descriptor: Descriptor,
    branch: Branch,
    from: number,
    to: number,
  ): Promise<number | string> {
    const indices = Array.from({ length: Math.min(to - from, SCRIPTS_PER_CALL_MAX) }, (_, i) => from + i);
    if (indices.length === 0) return from;
    const { scripts } = await this.#options.signer.deriveScripts({ walletId, branch, indices });
    const differs = indices.find((index, i) => scripts[i] !== deriveScript(descriptor, branch, index).script);
    if (differs !== undefined) return `the signer derives another script at ${branch}/${differs}`;
    return from + indices.length;
  }

  #cause({ wallet_id: walletId }: Unverified): CauseContext {
    const { runtime } = this.#options;
    const actor = { kind: 'service', id: 'address-issuer' } as const;
    return { actor, occurredAt: runtime.now(), correlationId: walletId, causationId: runtime.id() };
  }
}
