import type { Metadata } from '@grpc/grpc-js';
import { proposalV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { knownProposal } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { proposalMessage } from '../store/proposal-message.ts';
import { proposalStream } from '../store/proposal-stream.ts';
import { checkInstitutionId, checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { decodePlace, encodePlace } from './page-token.ts';

/** Above any position there is. */
const NEWEST = 2n ** 63n - 1n;

const { ProposalStatus } = proposalV1;

/** Newest first. */
@Controller()
export class ListProposalsRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ProposalService', 'listProposals')
  async handle(
    { institutionId, status, pageSize, pageToken }: proposalV1.ListProposalsRequest,
    metadata: Metadata,
  ): Promise<proposalV1.ListProposalsResponse> {
    await this.#gateway.caller(metadata, 'operator', 'compliance', 'auditor');
    refuseInvalid(
      institutionId === '' ? undefined : checkInstitutionId('institution_id', institutionId),
      status === ProposalStatus.PROPOSAL_STATUS_UNSPECIFIED || STORED.has(status)
        ? undefined
        : fieldError('status', 'expected a status of the enum, got another number'),
      checkPageSize(pageSize),
    );
    const { env, reader } = this.#gateway;
    const now = env.runtime.now();
    const { epoch } = await reader.head();
    const before = pageToken === '' ? NEWEST : decodePlace(pageToken, epoch, 'page_token').position;
    const limit = pageSizeOf(pageSize);
    const isExpired = status === ProposalStatus.PROPOSAL_STATUS_EXPIRED;
    const isOpen = status === ProposalStatus.PROPOSAL_STATUS_PROPOSED;
    const { rows } = await env.pool.query<{ proposal_id: string; proposed_position: bigint }>(
      `SELECT proposal_id, proposed_position FROM proposals
       WHERE proposed_position < $1 AND ($2 = '' OR institution_id = $2) AND ($3::text IS NULL OR status = $3)
         AND (NOT $4 OR expires_at <= $6) AND (NOT $5 OR expires_at > $6)
       ORDER BY proposed_position DESC LIMIT $7`,
      [before, institutionId, STORED.get(status) ?? null, isExpired, isOpen, BigInt(now), limit + 1],
    );
    const page = rows.slice(0, limit);
    const ids = page.map((row) => row.proposal_id);
    const states = await reader.loadStates(proposalStream, ids);
    const last = page.at(-1);
    return {
      proposals: states.map(({ state }) => proposalMessage(knownProposal(state), now)),
      nextPageToken:
        rows.length > limit && last !== undefined
          ? encodePlace({ position: last.proposed_position, ordinal: 0 }, epoch)
          : '',
    };
  }
}

/** As they are stored: when one expires, nothing happens. */
const STORED: ReadonlyMap<proposalV1.ProposalStatus, string> = new Map([
  [ProposalStatus.PROPOSAL_STATUS_PROPOSED, 'proposed'],
  [ProposalStatus.PROPOSAL_STATUS_CONFIRMED, 'confirmed'],
  [ProposalStatus.PROPOSAL_STATUS_REJECTED, 'rejected'],
  [ProposalStatus.PROPOSAL_STATUS_EXPIRED, 'proposed'],
]);
