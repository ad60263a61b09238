import { encoded, proposalV1, TOPICS } from '@finality/contracts';
import type { StreamType } from '@finality/event-store';
import { institutionOf, type Proposal, proposalAggregate, type ProposalEvent } from '@finality/settlement';
import { proposalMessage } from './proposal-message.ts';
import { message } from './public-message.ts';

/** What takes two operators: the institution concerned is told by what becomes of it. */
export const proposalStream: StreamType<Proposal, ProposalEvent> = {
  aggregate: proposalAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [institutionOf(state.change)]),
  publish(event, state) {
    if (state.status === 'none') return [];
    const changed = { proposal: proposalMessage(state, event.at) };
    return [message(TOPICS.proposal, state.proposalId, encoded(proposalV1.ProposalChanged, changed))];
  },
};
