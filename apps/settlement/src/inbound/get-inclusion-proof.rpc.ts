import type { Metadata } from '@grpc/grpc-js';
import type { ledgerV1 } from '@finality/contracts';
import { fieldError, refusal } from '@finality/kernel';
import type { TransferId } from '@finality/ledger';
import { proveInclusion } from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { claimsOf } from './claims.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { proofMessage } from './ledger-head-view.ts';
import { accountsOf } from './statement-accounts.ts';

const TRANSFER_ID = /^[0-9a-f]{64}$/;

/** A proof that needs nobody's word but the signature: for an entry on one of the institution's own accounts. */
@Controller()
export class GetInclusionProofRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'getInclusionProof')
  async handle(request: ledgerV1.GetInclusionProofRequest, metadata: Metadata): Promise<ledgerV1.InclusionProof> {
    const { institutionId, transferId } = request;
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(
      checkInstitutionId('institution_id', institutionId),
      TRANSFER_ID.test(transferId)
        ? undefined
        : fieldError('transfer_id', `expected the hex of 32 bytes, got "${transferId.slice(0, 64)}"`),
    );
    return readTransaction(this.#gateway.env.pool, async (session) => {
      const claims = await claimsOf(this.#gateway, session, caller, institutionId);
      const accounts = new Set(accountsOf(claims));
      const proof = await proveInclusion(session, transferId as TransferId, accounts);
      // Whoever asks for another's doesn't learn whether it exists.
      if (proof === undefined) {
        throw toRpcException(
          refusal('not_found', 'UNKNOWN_TRANSFER', `no transfer ${transferId} is on an account of "${institutionId}"`),
        );
      }
      if (proof === 'unsealed') {
        const message = 'expected an entry of a sealed segment; this one is sealed and signed soon';
        throw toRpcException(refusal('failed_precondition', 'NOT_SEALED_YET', message));
      }
      return proofMessage(proof);
    });
  }
}
