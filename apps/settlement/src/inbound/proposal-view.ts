import type { Metadata } from '@grpc/grpc-js';
import type { proposalV1 } from '@finality/contracts';
import { type FieldError, fieldError } from '@finality/kernel';
import { knownProposal } from '@finality/settlement';
import { proposalMessage } from '../store/proposal-message.ts';
import { proposalStream } from '../store/proposal-stream.ts';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { type Gateway, scopeOf } from './gateway.ts';

const PROPOSAL_ID = /^[0-9a-f]{64}$/;

const checkProposalId = (proposalId: string): FieldError | undefined =>
  PROPOSAL_ID.test(proposalId)
    ? undefined
    : fieldError('proposal_id', `expected 64 hexadecimal digits in lower case, got "${proposalId.slice(0, 80)}"`);

/** As it is after what was just decided. */
export async function showProposal(
  { reader, env }: Pick<Gateway, 'reader' | 'env'>,
  proposalId: string,
): Promise<proposalV1.Proposal> {
  const { state } = await reader.loadState(proposalStream, proposalId);
  return proposalMessage(knownProposal(state), env.runtime.now());
}

const RPCS = { confirm_proposal: 'ConfirmProposal', reject_proposal: 'RejectProposal' } as const;

/** What an operator says to what another one proposed. */
export async function answerProposal(
  gateway: Gateway,
  type: keyof typeof RPCS,
  { idempotencyKey, proposalId, reason }: proposalV1.DecideProposalRequest,
  metadata: Metadata,
  call: object,
): Promise<proposalV1.Proposal> {
  const caller = await gateway.caller(metadata, 'operator');
  refuseInvalid(checkIdempotencyKey(idempotencyKey), checkProposalId(proposalId), checkReason(reason, 1));
  const decision = { proposalId, by: caller.keyId, reason };
  await gateway.decide({ type, decision }, gateway.cause(caller, call), {
    principal: scopeOf(caller),
    rpc: RPCS[type],
    key: idempotencyKey,
    resourceId: proposalId,
    fields: { version: '1', proposal_id: proposalId, reason },
  });
  return showProposal(gateway, proposalId);
}
