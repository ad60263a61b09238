import { proposalV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the service for what takes two operators. */
export function proposalRequests(by: GoodBy, institution_id: string): Readonly<Record<string, Good>> {
  const proposals = proposalV1.ProposalServiceService;
  const decision = { idempotency_key: '', proposal_id: '00'.repeat(32), reason: 'looked at' };
  return {
    ProposeChange: by('operator')(proposals.proposeChange, proposalV1.ProposeChangeRequest, {
      idempotency_key: '',
      change: { set_credit_line: { institution_id, limit_sats: '2000000' } },
      reason: 'reviewed',
    }),
    ConfirmProposal: by('operator')(proposals.confirmProposal, proposalV1.DecideProposalRequest, decision, 'NOT_FOUND'),
    RejectProposal: by('operator')(proposals.rejectProposal, proposalV1.DecideProposalRequest, decision, 'NOT_FOUND'),
    ListProposals: by('operator')(proposals.listProposals, proposalV1.ListProposalsRequest, { page_size: 10 }),
  };
}
