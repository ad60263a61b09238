import { assertNever, err, type Instant, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { isExpired, type KnownProposal, knownProposal, proposalIdOf } from '../proposal.ts';
import { carryOut, type Change, changeRefusal, confirmedChange } from './changes.ts';
import { secondStepRefusal, stepRefusal } from './second-person.ts';

/** Over a weekend: what nobody has looked at by then may rest on what isn't so any more. */
export const PROPOSAL_VALID_MS = 72 * 3_600_000;

export interface ChangeProposal {
  readonly change: Change;
  /** API key. */
  readonly by: string;
  readonly reason: string;
}

export interface ProposalDecision {
  readonly proposalId: string;
  /** API key. */
  readonly by: string;
  readonly reason: string;
}

export type ProposalCommand =
  | { readonly type: 'propose_change'; readonly proposal: ChangeProposal }
  | { readonly type: 'confirm_proposal' | 'reject_proposal'; readonly decision: ProposalDecision };

export function decideProposal(book: Book, command: ProposalCommand): Result<KnownProposal, Refusal> {
  switch (command.type) {
    case 'propose_change':
      return proposeChange(book, command.proposal);
    case 'confirm_proposal':
      return confirmProposal(book, command.decision);
    case 'reject_proposal':
      return rejectProposal(book, command.decision);
    default:
      return assertNever(command, 'command');
  }
}

/** The first person's: nothing changes yet. @returns KEY_TOO_NEW, ALREADY_PROPOSED, or why the change couldn't be made now */
export function proposeChange(book: Book, { change, by, reason }: ChangeProposal): Result<KnownProposal, Refusal> {
  const proposalId = proposalIdOf(change);
  const before = book.proposals.get(proposalId);
  if (before.status === 'proposed' && !isExpired(before, book.now)) {
    const message = `expected a change that nobody has proposed yet, got one that waits for its second person: ${proposalId}`;
    return err(refusal('already_exists', 'ALREADY_PROPOSED', message));
  }
  const refused = stepRefusal(book, by) ?? changeRefusal(book, change);
  if (refused !== undefined) return err(refused);
  const expiresAt = (book.now + PROPOSAL_VALID_MS) as Instant;
  const proposed = { proposalId, change, proposedBy: by, reason, expiresAt };
  return ok(knownProposal(book.proposals.record(proposalId, { type: 'change_proposed', at: book.now, proposed })));
}

/**
 * Another person agrees: it is carried out at once, on what is so now. Where that is refused, the proposal stays as it is.
 * @returns UNKNOWN_PROPOSAL, NOT_PROPOSED, PROPOSAL_EXPIRED, SAME_PERSON, KEY_TOO_NEW, or why the change can't be made any more
 */
export function confirmProposal(book: Book, decision: ProposalDecision): Result<KnownProposal, Refusal> {
  const found = open(book, decision.proposalId);
  if (!found.ok) return found;
  const { change, proposedBy, proposalId, expiresAt } = found.value;
  const { by, reason } = decision;
  if (isExpired(found.value, book.now))
    return failed('PROPOSAL_EXPIRED', `expected a proposal that is still valid, got one that was until ${expiresAt}`);
  const refused = secondStepRefusal(book, proposedBy, by);
  if (refused !== undefined) return err(refused);
  const done = carryOut(book, confirmedChange(change, by));
  if (!done.ok) return done;
  const confirmed = { type: 'change_confirmed', at: book.now, proposedBy, by, reason } as const;
  return ok(knownProposal(book.proposals.record(proposalId, confirmed)));
}

/** By anybody who could confirm it, or by who proposed it; also of one that has expired. @returns UNKNOWN_PROPOSAL, NOT_PROPOSED */
export function rejectProposal(book: Book, decision: ProposalDecision): Result<KnownProposal, Refusal> {
  const found = open(book, decision.proposalId);
  if (!found.ok) return found;
  const { proposedBy, proposalId } = found.value;
  const { by, reason } = decision;
  const rejected = { type: 'change_rejected', at: book.now, proposedBy, by, reason } as const;
  return ok(knownProposal(book.proposals.record(proposalId, rejected)));
}

function open(book: Book, id: string): Result<KnownProposal, Refusal> {
  const proposal = book.proposals.get(id);
  if (proposal.status === 'none') return err(refusal('not_found', 'UNKNOWN_PROPOSAL', `no proposal ${id}`));
  if (proposal.status === 'proposed') return ok(proposal);
  return failed('NOT_PROPOSED', `expected a proposal that waits for a decision, got one that is ${proposal.status}`);
}

const failed = (reason: string, message: string): Result<never, Refusal> =>
  err(refusal('failed_precondition', reason, message));
