import { encoded, settlementV1, TOPICS } from '@finality/contracts';
import type { PublicMessage } from '@finality/event-store';
import type { LivingSettlement, SettlementEvent, Terms } from '@finality/settlement';
import { MODES } from './messages.ts';
import { message } from './public-message.ts';

/** For those who judge settlements, and nobody else: what is to be judged, and what has passed. */
export function screeningMessages(event: SettlementEvent, state: LivingSettlement): readonly PublicMessage[] {
  const { settlementId, from, to, mode, amountSats, units } = state.terms;
  const valueSats = units === undefined ? amountSats : (units.valueSats ?? 0n);
  if (event.type === 'screening_requested') {
    const requested: settlementV1.ScreeningRequested = {
      ...{ settlementId, fromInstitution: from, toInstitution: to, settlementMode: MODES[mode], valueSats },
      fundingSources: state.sources.map((source) => ({ ...source })),
      paidOutside: paidOutside(state.terms),
    };
    return [message(TOPICS.screening, settlementId, encoded(settlementV1.ScreeningRequested, requested))];
  }
  if (event.type !== 'settlement_approved') return [];
  const approved: settlementV1.SettlementApproved = { settlementId, toInstitution: to, valueSats };
  return [message(TOPICS.approval, settlementId, encoded(settlementV1.SettlementApproved, approved))];
}

/** Where the money leaves the platform to, if it does. */
const paidOutside = ({ payee }: Terms): settlementV1.PaidOutside | undefined =>
  payee.kind === 'destination' ? { script: payee.script, address: payee.address } : undefined;
