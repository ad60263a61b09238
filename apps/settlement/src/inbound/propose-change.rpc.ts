import type { Metadata } from '@grpc/grpc-js';
import type { proposalV1 } from '@finality/contracts';
import { type FieldError, fieldError, invalid, type Principal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { proposalIdOf } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { AskedChange } from './asked-change.ts';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showProposal } from './proposal-view.ts';
import { askedCorrection } from './asked-correction.ts';
import { askedDeclaration } from './asked-declaration.ts';
import { askedKey } from './asked-key.ts';
import { askedUnfreezing } from './asked-unfreezing.ts';
import { askedRate } from './publish-rate.rpc.ts';
import { askedRelease } from './release-collateral.rpc.ts';
import { askedRestriction } from './restrict-counterparties.rpc.ts';
import { askedApprovalPolicy } from './set-approval-policy.rpc.ts';
import { askedCreditLine } from './set-credit-line.rpc.ts';
import { askedCreditTerms } from './set-credit-terms.rpc.ts';
import { askedDebitCap } from './set-debit-cap.rpc.ts';
import { askedLimits } from './set-limits.rpc.ts';

/** The first of two operators. */
@Controller()
export class ProposeChangeRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ProposalService', 'proposeChange')
  async handle(
    request: proposalV1.ProposeChangeRequest,
    metadata: Metadata,
    call: object,
  ): Promise<proposalV1.Proposal> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { idempotencyKey, reason } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkReason(reason, 1), ...changeProblems(request.change));
    const asked = askedChange(request, caller, this.#gateway.env.runtime.id());
    if (asked === undefined) throw toRpcException(invalid());
    const { change, claim } = asked;
    const proposalId = proposalIdOf(change);
    const body = { type: 'propose_change', proposal: { change, by: caller.keyId, reason } } as const;
    await this.#gateway.decide(body, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'ProposeChange',
      key: idempotencyKey,
      resourceId: proposalId,
      fields: { ...claim.fields, change: claim.rpc, reason },
    });
    return showProposal(this.#gateway, proposalId);
  }
}

/** One of them, without what the proposal itself says. */
function changeProblems(change: proposalV1.Change | undefined): readonly (FieldError | undefined)[] {
  const asked = Object.values(change ?? {}).filter((each) => each !== undefined) as readonly object[];
  const [only] = asked;
  if (only === undefined) return [fieldError('change', 'expected one, got none')];
  return ['idempotencyKey', 'reason'].map((name) => {
    const value: unknown = Object.entries(only).find(([key]) => key === name)?.[1];
    return value === undefined || value === ''
      ? undefined
      : fieldError('change', 'expected a change without idempotency_key and reason: the proposal has them');
  });
}

/** @param pledgeId what a transfer that gives back is to be called @throws RefusalException */
function askedChange(
  { change, idempotencyKey, reason }: proposalV1.ProposeChangeRequest,
  caller: Principal,
  pledgeId: string,
): AskedChange | undefined {
  const own = { idempotencyKey, reason };
  if (change?.setCreditLine) return askedCreditLine({ ...change.setCreditLine, ...own }, caller);
  if (change?.setCreditTerms) return askedCreditTerms({ ...change.setCreditTerms, ...own }, caller);
  if (change?.setLimits) return askedLimits({ ...change.setLimits, ...own }, caller);
  if (change?.setApprovalPolicy) return askedApprovalPolicy({ ...change.setApprovalPolicy, ...own }, caller);
  if (change?.setDebitCap) return askedDebitCap({ ...change.setDebitCap, ...own }, caller);
  if (change?.restrictCounterparties) return askedRestriction({ ...change.restrictCounterparties, ...own }, caller);
  if (change?.publishRate) return askedRate({ ...change.publishRate, idempotencyKey }, caller);
  if (change?.issueApiKey) return askedKey(change.issueApiKey, own, caller);
  if (change?.unfreezeInstitution) return askedUnfreezing(change.unfreezeInstitution, own, caller);
  if (change?.declareDefault) return askedDeclaration(change.declareDefault, own, caller);
  if (change?.correctBankBooking) return askedCorrection(change.correctBankBooking, own, caller);
  if (change?.releaseCollateral) return askedRelease({ ...change.releaseCollateral, idempotencyKey }, caller, pledgeId);
  return undefined;
}
