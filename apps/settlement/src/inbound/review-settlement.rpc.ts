import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { answeredBefore } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { signedApprovalOf, signedApprovalProblems, verifyApproval } from './signed-approval.ts';
import { checkDecision, decisionOf } from './review-decision.ts';

/** A compliance officer's decision on a settlement under review, or an approval by a person of the payer's; never the submitter's. */
@Controller()
export class ReviewSettlementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'reviewSettlement')
  async handle(
    request: settlementV1.ReviewSettlementRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'compliance', 'institution');
    const { settlementId, reason, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkId('settlement_id', settlementId),
      checkDecision(request.decision),
      checkReason(reason, 1),
      ...signedApprovalProblems(request, caller),
    );
    const decision = decisionOf(request.decision);
    const { keyId: reviewer, institutionId } = caller;
    const signed = request.signedApproval && signedApprovalOf(request.signedApproval);
    const own = institutionId !== undefined && { institutionId };
    const review = { settlementId, decision, reason, reviewer, ...own, ...(signed && { signed }) };
    const claim = {
      // A person's, also where several of one institution approve: nobody's approval is taken for another's.
      principal: reviewer,
      rpc: 'ReviewSettlement',
      key: idempotencyKey,
      resourceId: settlementId,
      fields: {
        version: '1',
        settlement_id: settlementId,
        decision,
        reason,
        signed_approval: signed?.signature ?? '',
      },
    };
    // What was taken before is answered again, though the signer wouldn't take it any more.
    if (signed !== undefined && (await answeredBefore(this.#gateway.reader, claim)) === undefined)
      await verifyApproval(this.#gateway, settlementId, signed, caller);
    return this.#gateway.decideSettlement({ type: 'review', review }, this.#gateway.cause(caller, call), claim);
  }
}
