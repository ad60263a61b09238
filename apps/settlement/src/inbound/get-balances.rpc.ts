import type { Metadata } from '@grpc/grpc-js';
import type { ledgerV1 } from '@finality/contracts';
import { readBalances } from '@finality/ledger-store';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { claimName, claimsOf } from './claims.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';

@Controller()
export class GetBalancesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'getBalances')
  async handle(
    { institutionId }: ledgerV1.GetBalancesRequest,
    metadata: Metadata,
  ): Promise<ledgerV1.GetBalancesResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', institutionId));
    return readTransaction(this.#gateway.env.pool, async (session) => {
      const claims = await claimsOf(this.#gateway, session, caller, institutionId);
      const balances = await readBalances(session, claims);
      return { balances: balances.map((balance, i) => ({ claim: claimName(claims[i]!), ...balance })) };
    });
  }
}
