import type { Metadata } from '@grpc/grpc-js';
import type { proposalV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Gateway } from './gateway.ts';
import { answerProposal } from './proposal-view.ts';

/** The second of two operators; never the one who proposed it. */
@Controller()
export class ConfirmProposalRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ProposalService', 'confirmProposal')
  handle(request: proposalV1.DecideProposalRequest, metadata: Metadata, call: object): Promise<proposalV1.Proposal> {
    return answerProposal(this.#gateway, 'confirm_proposal', request, metadata, call);
  }
}
