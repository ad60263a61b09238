import type { Metadata } from '@grpc/grpc-js';
import type { proposalV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Gateway } from './gateway.ts';
import { answerProposal } from './proposal-view.ts';

/** Another operator doesn’t agree, or the one who proposed it not any more. */
@Controller()
export class RejectProposalRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ProposalService', 'rejectProposal')
  handle(request: proposalV1.DecideProposalRequest, metadata: Metadata, call: object): Promise<proposalV1.Proposal> {
    return answerProposal(this.#gateway, 'reject_proposal', request, metadata, call);
  }
}
