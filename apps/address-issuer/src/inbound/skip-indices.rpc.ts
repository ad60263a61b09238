import type { addressV1 } from '@finality/contracts';
import { executeAll, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { IssuerStore } from '../commands.ts';
import type { AddressIssuerConfig } from '../config.ts';
import { answered } from '../execute.ts';
import { ISSUER_STORE } from '../tokens.ts';

/** A copy may be older than addresses that were handed out: what they pay must not be credited to whoever is given them next. */
@Controller()
export class SkipIndicesRpc {
  readonly #store: IssuerStore;
  readonly #env: ServiceEnv<AddressIssuerConfig>;

  constructor(@Inject(ISSUER_STORE) store: IssuerStore, @Inject(SERVICE_ENV) env: ServiceEnv<AddressIssuerConfig>) {
    this.#store = store;
    this.#env = env;
  }

  @GrpcMethod('InternalAddressService', 'skipIndices')
  async handle({ epoch }: addressV1.SkipIndicesRequest): Promise<addressV1.SkipIndicesResponse> {
    const { runtime, pool, config } = this.#env;
    const { rows } = await pool.query<{ walletId: string }>(
      `SELECT wallet_id AS "walletId" FROM wallets WHERE status = 'registered' ORDER BY wallet_id`,
    );
    const actor = { kind: 'service', id: 'settlement' } as const;
    const id = runtime.id();
    const cause = { actor, occurredAt: runtime.now(), correlationId: id, causationId: id };
    const skip = { kind: 'skip_indices', epoch, count: config.RECOVERY_SKIP_INDICES } as const;
    const outcomes = await executeAll(
      this.#store,
      rows.map(({ walletId }) => ({ body: { ...skip, walletId }, cause })),
    );
    outcomes.forEach(answered);
    return { wallets: outcomes.length };
  }
}
