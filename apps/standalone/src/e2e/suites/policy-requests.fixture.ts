import { addressV1, settlementV1 } from '@finality/contracts';
import type { Bank } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';
import { outsideAddress } from '../signatories.fixture.ts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the service for what an institution may pay. The payer may pay anything, the stranger nobody but the payer. */
export async function policyRequests(
  { operator }: E2e,
  by: GoodBy,
  { payer, payee, stranger }: Readonly<Record<'payer' | 'payee' | 'stranger', Bank>>,
): Promise<Readonly<Record<string, Good>>> {
  const policy = settlementV1.PolicyServiceService;
  const [idempotency_key, reason, institution_id] = ['', 'agreed', stranger.id];
  const anything = { institution_id: payer.id, transactions: [{ max_sats: '2100000000000000' }], reason };
  await operator.policy.setLimits(settlementV1.SetLimitsRequest.fromJSON({ ...anything, idempotency_key: 'anything' }));
  const restricting = { idempotencyKey: 'restrict', institutionId: stranger.id, restricted: true, reason };
  await stranger.api.policy.restrictCounterparties(restricting);
  const tiers = [{ above_sats: '1000', approvals: 1 }];
  const approving = { institution_id, tiers, reason };
  const quorum = settlementV1.SetApprovalPolicyRequest.fromJSON({ ...approving, idempotency_key: 'quorum' });
  await operator.policy.setApprovalPolicy(quorum);
  const statement = { nonce: 'n', valid_until: '2030-01-01T00:00:00Z', signature: 'smp' };
  const [ann, bob] = [outsideAddress(901), outsideAddress(902)];
  const statements = { request: { signatory: ann, ...statement }, approval: { signatory: bob, ...statement } };
  return {
    SetApprovalPolicy: by('operator')(policy.setApprovalPolicy, settlementV1.SetApprovalPolicyRequest, {
      idempotency_key,
      ...approving,
    }),
    GetApprovalPolicy: by('stranger')(policy.getApprovalPolicy, settlementV1.GetApprovalPolicyRequest, {
      institution_id,
    }),
    SetLimits: by('operator')(policy.setLimits, settlementV1.SetLimitsRequest, { idempotency_key, ...anything }),
    GetLimits: by('payer')(policy.getLimits, settlementV1.GetLimitsRequest, { institution_id: payer.id }),
    RestrictCounterparties: by('stranger')(policy.restrictCounterparties, settlementV1.RestrictCounterpartiesRequest, {
      idempotency_key,
      institution_id,
      restricted: true,
      reason,
    }),
    AllowCounterparty: by('stranger')(policy.allowCounterparty, settlementV1.AllowCounterpartyRequest, {
      idempotency_key,
      institution_id,
      counterparty_id: payer.id,
    }),
    RemoveCounterparty: by('stranger')(
      policy.removeCounterparty,
      settlementV1.RemoveCounterpartyRequest,
      { idempotency_key, institution_id, counterparty_id: payee.id },
      'NOT_FOUND',
    ),
    RequireApprovals: by('payer')(
      addressV1.DestinationServiceService.requireApprovals,
      addressV1.RequireApprovalsRequest,
      { institution_id: payer.id, above_sats: '1000', approvals: 2, ...statements },
      'FAILED_PRECONDITION',
    ),
    ListCounterparties: by('stranger')(policy.listCounterparties, settlementV1.ListCounterpartiesRequest, {
      institution_id,
    }),
  };
}
