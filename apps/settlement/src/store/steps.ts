import type { SettlementCommand } from './commands.ts';

/** The API key that takes a step of what takes two persons: whether it may, is the key's own state. */
export function stepOf(body: SettlementCommand): string | undefined {
  switch (body.type) {
    case 'propose_change':
      return body.proposal.by;
    case 'confirm_proposal':
      return body.decision.by;
    case 'propose_bank_booking':
      return body.proposal.proposedBy;
    case 'confirm_bank_booking':
      return body.decision.by;
    case 'release_coins':
    case 'confirm_release':
    case 'resolve_suspense':
    case 'confirm_resolution':
      return body.request.by;
    default:
      return undefined;
  }
}
