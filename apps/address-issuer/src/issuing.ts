import type { AddressPurpose, IssuedAddress } from '@finality/address';
import { assert, type CauseContext, type Runtime } from '@finality/kernel';
import type { FaultPoints } from '@finality/service';
import type { Pool } from 'pg';
import type { IssueBody, IssuerStore } from './commands.ts';
import { executePatiently, idempotencyClaim } from './execute.ts';
import { addressById } from './outbound/read-addresses.ts';

/** Who asks, in whose name, under which key. */
export interface Asked {
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly rpc: string;
  readonly cause: CauseContext;
  readonly signal?: AbortSignal;
}

export interface AddressWanted {
  readonly purpose: AddressPurpose;
  readonly label: string;
  /** Empty: the only wallet of the institution. */
  readonly walletId: string;
  readonly institutionId?: string;
}

export interface IssuingOptions {
  readonly store: IssuerStore;
  readonly pool: Pool;
  readonly runtime: Runtime;
  readonly waitMs: number;
  readonly faults?: FaultPoints;
}

/** Gives out addresses. The index is taken, and the address published, before anybody gets to see it; a repeat gives the same address. */
export class Issuing {
  readonly #options: IssuingOptions;

  constructor(options: IssuingOptions) {
    this.#options = options;
  }

  /** @throws RefusalException among others UNAVAILABLE when the next address isn't watched in time */
  async issue(wanted: AddressWanted, asked: Asked): Promise<IssuedAddress> {
    const { store, pool, runtime, waitMs, faults } = this.#options;
    const { purpose, label, walletId, institutionId } = wanted;
    const addressId = runtime.id();
    const body: IssueBody = { kind: 'issue', addressId, ...wanted };
    const idempotency = idempotencyClaim(
      { principal: asked.principal, rpc: asked.rpc, key: asked.idempotencyKey, resourceId: addressId },
      { institution_id: institutionId ?? '', wallet_id: walletId, purpose, label },
    );
    const patience = { runtime, waitMs, ...(asked.signal && { signal: asked.signal }) };
    const answer = await executePatiently(store, { body, cause: asked.cause, idempotency }, patience);
    faults?.at('address-issuer.issued');
    if ('repeated' in answer) return addressById(pool, answer.repeated);
    assert(answer.reply.kind === 'address', 'issuing gives an address');
    return answer.reply.address;
  }
}
