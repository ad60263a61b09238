import { type Aggregate, assert, assertNever, encodeJson, type Instant } from '@finality/kernel';
import { type TransferId, transferId } from '@finality/ledger';
import type { Change } from './process/changes.ts';

/** What one operator wants changed, and another one has to agree to. */
export interface ProposedChange {
  readonly proposalId: ProposalId;
  readonly change: Change;
  /** API key. */
  readonly proposedBy: string;
  readonly reason: string;
  /** From then on it can't be confirmed any more. */
  readonly expiresAt: Instant;
}

/** Lower-case hex: see {@link proposalIdOf}. */
export type ProposalId = TransferId;

/** It follows from what is to be changed, whoever says it with whatever key and for whatever reason: what is confirmed is what was read. */
export const proposalIdOf = (change: Change): ProposalId =>
  transferId({ purpose: 'proposal', object: encodeJson(contentOf(change)), life: 1 });

/** Without who wants it, why, and what its transfer is to be called. */
function contentOf(change: Change): unknown {
  if (change.type === 'publish_rate') {
    const { publishedBy: _by, ...content } = change.proposal;
    return { type: change.type, content };
  }
  const content = Object.entries(change.request).filter(([name]) => !['by', 'reason', 'pledgeId'].includes(name));
  return { type: change.type, content: Object.fromEntries(content) };
}

/** Both persons of what was decided are named in its event. */
export type ProposalEvent = { readonly at: Instant } & (
  | { readonly type: 'change_proposed'; readonly proposed: ProposedChange }
  | {
      readonly type: 'change_confirmed' | 'change_rejected';
      readonly proposedBy: string;
      readonly by: string;
      readonly reason: string;
    }
);

export type Proposal = { readonly status: 'none' } | KnownProposal;

export type KnownProposal = ProposedChange & {
  /** How often it was proposed. */
  readonly proposals: number;
  readonly proposedAt: Instant;
} & (
    | { readonly status: 'proposed' }
    | {
        readonly status: 'confirmed' | 'rejected';
        readonly decidedBy: string;
        readonly decisionReason: string;
        readonly decidedAt: Instant;
      }
  );

/** What nobody has decided in time: nothing happens then. */
export const isExpired = (proposal: KnownProposal, now: Instant): boolean =>
  proposal.status === 'proposed' && proposal.expiresAt <= now;

export const proposalAggregate: Aggregate<Proposal, ProposalEvent> = {
  name: 'proposal',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'change_proposed': {
        const isOpen = state.status === 'proposed' && !isExpired(state, event.at);
        assert(!isOpen, 'what waits for a decision isn’t proposed again');
        const proposals = state.status === 'none' ? 1 : state.proposals + 1;
        return { ...event.proposed, status: 'proposed', proposals, proposedAt: event.at };
      }
      case 'change_confirmed':
      case 'change_rejected': {
        assert(state.status === 'proposed', `a proposal that is ${state.status} isn't decided on`);
        return {
          ...state,
          status: event.type === 'change_confirmed' ? 'confirmed' : 'rejected',
          decidedBy: event.by,
          decisionReason: event.reason,
          decidedAt: event.at,
        };
      }
      default:
        return assertNever(event, 'proposal event');
    }
  },
};

/** The proposal, when it must be there. */
export function knownProposal(proposal: Proposal): KnownProposal {
  assert(proposal.status !== 'none', 'the proposal is known');
  return proposal;
}
