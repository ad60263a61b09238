import { proposalIdOf } from '../proposal.ts';
import type { Change } from '../process/changes.ts';
import type { World } from './world.fixture.ts';

/** One operator proposes it, and another one confirms it. @returns why it was refused */
export function byTwo(world: World, change: Change, confirmedBy = 'operator-2'): string | undefined {
  const proposal = { change, by: 'operator', reason: 'as agreed' };
  const refused = world.tell({ type: 'propose_change', proposal });
  const decision = { proposalId: proposalIdOf(change), by: confirmedBy, reason: 'seen' };
  return refused ?? world.tell({ type: 'confirm_proposal', decision });
}
