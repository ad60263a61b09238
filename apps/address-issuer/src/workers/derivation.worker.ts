import type { PerBranch, WalletKind } from '@finality/address';
import { type Branch, deriveScriptsAgain } from '@finality/bitcoin';
import type { CauseContext, Runtime, Worker } from '@finality/kernel';
import { execute } from '@finality/service';
import type { Pool } from 'pg';
import type { IssuerBody, IssuerStore } from '../commands.ts';
import type { Derivations, WalletKeysOf } from '../derivations.ts';
import type { SignerOfAccounts } from '../registration.ts';

const WALLETS_PER_STEP_MAX = 10;
/** The most that the signer derives in one call, and that is derived a second time here before others get their turn. */
const SCRIPTS_PER_CALL_MAX = 500;

export interface DerivationOptions {
  readonly store: IssuerStore;
  readonly pool: Pool;
  readonly signer: SignerOfAccounts;
  readonly runtime: Runtime;
  readonly derivations: Derivations;
}

interface Unverified {
  readonly wallet_id: string;
  readonly kind: WalletKind;
  readonly external: string;
  readonly internal: string;
  readonly watched_external: number;
  readonly watched_internal: number;
  readonly verified_external: number;
  readonly verified_internal: number;
}

/**
 * Has what is about to be issued derived a second time, and compares: by the signer from its own keys, or where they are the institution's
 * by other arithmetic. Only then may it be issued: nobody is given an address that a fault of ours has made. A difference blocks the wallet.
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
      `SELECT wallet_id, kind, external, internal, watched_external, watched_internal, verified_external, verified_internal FROM wallets
       WHERE blocked IS NULL AND (verified_external < watched_external OR verified_internal < watched_internal)
       ORDER BY position LIMIT $1`,
      [WALLETS_PER_STEP_MAX],
    );
    for (const row of rows)
      await execute(this.#options.store, { body: await this.#check(row), cause: this.#cause(row) });
    return rows.length > 0 ? 'progress' : 'idle';
  }

  async #check(row: Unverified): Promise<IssuerBody> {
    const { wallet_id: walletId } = row;
    const external = await this.#compare(row, 0, row.verified_external, row.watched_external);
    const internal = await this.#compare(row, 1, row.verified_internal, row.watched_internal);
    if (typeof external === 'string') return { kind: 'block', walletId, reason: external };
    if (typeof internal === 'string') return { kind: 'block', walletId, reason: internal };
    const below: PerBranch = { external, internal };
    return { kind: 'verify', walletId, below };
  }

  /** Up to which index both derive the same, or where they differ. */
  async #compare(row: Unverified, branch: Branch, from: number, to: number): Promise<number | string> {
    const indices = Array.from({ length: Math.min(to - from, SCRIPTS_PER_CALL_MAX) }, (_, i) => from + i);
    if (indices.length === 0) return from;
    const wallet = { walletId: row.wallet_id, external: row.external, internal: row.internal };
    const derived = this.#options.derivations.ahead(wallet, branch, indices);
    const again = await this.#deriveAgain(row.kind, wallet, branch, indices);
    const differs = indices.find((_, i) => again[i] !== derived[i]!.script);
    if (differs === undefined) return from + indices.length;
    return `${row.kind === 'custodial' ? 'the signer' : 'the second derivation'} has another script at ${branch}/${differs}`;
  }

  async #deriveAgain(
    kind: WalletKind,
    wallet: WalletKeysOf,
    branch: Branch,
    indices: readonly number[],
  ): Promise<readonly string[]> {
    const { signer, derivations } = this.#options;
    if (kind === 'non_custodial') return deriveScriptsAgain(derivations.descriptor(wallet), branch, indices);
    return (await signer.deriveScripts({ walletId: wallet.walletId, branch, indices: [...indices] })).scripts;
  }

  #cause({ wallet_id: walletId }: Unverified): CauseContext {
    const { runtime } = this.#options;
    const actor = { kind: 'service', id: 'address-issuer' } as const;
    return { actor, occurredAt: runtime.now(), correlationId: walletId, causationId: runtime.id() };
  }
}
