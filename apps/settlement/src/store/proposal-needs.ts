import type { Batch } from '@finality/event-store';
import { assertNever } from '@finality/kernel';
import { type Change, type ProposalCommand, proposalIdOf } from '@finality/settlement';
import { proposalStream } from './proposal-stream.ts';

/** What takes two operators, and what it would change. */
export class ProposalNeeds {
  readonly #ids = new Set<string>();

  /** @returns what it would change, where the command says it */
  add(command: ProposalCommand): Change | undefined {
    switch (command.type) {
      case 'propose_change':
        this.#ids.add(proposalIdOf(command.proposal.change));
        return command.proposal.change;
      case 'confirm_proposal':
      case 'reject_proposal':
        this.#ids.add(command.decision.proposalId);
        return undefined;
      default:
        return assertNever(command, 'command');
    }
  }

  streams(): readonly string[] {
    return [...this.#ids].map((id) => `${proposalStream.aggregate.name}/${id}`);
  }

  /** Once they are loaded. @returns what may be carried out */
  follow(batch: Batch): readonly Change[] {
    return [...this.#ids].flatMap((id) => {
      const proposal = batch.state(proposalStream, id);
      return proposal.status === 'proposed' ? [proposal.change] : [];
    });
  }
}
