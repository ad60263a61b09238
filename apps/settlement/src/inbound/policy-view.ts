import { type settlementV1, toTimestamp } from '@finality/contracts';
import type { Principal } from '@finality/kernel';
import { requireInstitution, toRpcException } from '@finality/service';
import { limitsStream, paymentRulesStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';
import { knownInstitution } from './institution-view.ts';
import { limitsMessage } from './limits-view.ts';

/** Who asks: the institution itself, or one of those who run the platform. @throws RefusalException when it is another institution */
export function policyAsker(caller: Principal, institutionId: string): 'itself' | 'staff' {
  if (caller.roles.some((role) => role !== 'institution')) return 'staff';
  const own = requireInstitution(caller, institutionId);
  if (!own.ok) throw toRpcException(own.error);
  return 'itself';
}

/** @throws RefusalException NOT_FOUND */
export async function showLimits(gateway: Gateway, institutionId: string): Promise<settlementV1.PaymentLimits> {
  await knownInstitution(gateway, institutionId);
  const { state } = await gateway.reader.loadState(limitsStream, institutionId);
  return limitsMessage(institutionId, state, gateway.env.runtime.now());
}

/** @throws RefusalException NOT_FOUND */
export async function showCounterparties(
  gateway: Gateway,
  institutionId: string,
): Promise<settlementV1.CounterpartyList> {
  await knownInstitution(gateway, institutionId);
  const { state } = await gateway.reader.loadState(paymentRulesStream, institutionId);
  if (state.status === 'none') return { institutionId, restricted: false, counterparties: [] };
  return {
    institutionId,
    restricted: state.isRestricted,
    counterparties: state.counterparties.map(({ institutionId: id, allowedFrom, addedBy }) => ({
      institutionId: id,
      allowedFrom: toTimestamp(allowedFrom),
      addedBy,
    })),
  };
}

/** @throws RefusalException NOT_FOUND */
export async function showApprovalPolicy(
  gateway: Gateway,
  institutionId: string,
): Promise<settlementV1.ApprovalPolicy> {
  await knownInstitution(gateway, institutionId);
  const { state } = await gateway.reader.loadState(paymentRulesStream, institutionId);
  return {
    institutionId,
    tiers:
      state.status === 'none'
        ? []
        : state.tiers.map(({ aboveSats, approvals, areSigned: signed }) => ({ aboveSats, approvals, signed })),
  };
}
