import { liquidityV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the service for liquidity. */
export function liquidityRequests(
  by: GoodBy,
  { institution_id, settlement_id }: { readonly institution_id: string; readonly settlement_id: string },
): Readonly<Record<string, Good>> {
  const liquidity = liquidityV1.LiquidityServiceService;
  return {
    SetCreditLine: by('operator')(liquidity.setCreditLine, liquidityV1.SetCreditLineRequest, {
      idempotency_key: '',
      institution_id,
      limit_sats: '1000000',
      reason: 'reviewed',
    }),
    ReprioritizeSettlement: by('payer')(
      liquidity.reprioritizeSettlement,
      liquidityV1.ReprioritizeSettlementRequest,
      { idempotency_key: '', settlement_id, priority: 'SETTLEMENT_PRIORITY_HIGH' },
      'FAILED_PRECONDITION',
    ),
    SetLiquidityAlerts: by('payer')(liquidity.setLiquidityAlerts, liquidityV1.SetLiquidityAlertsRequest, {
      idempotency_key: '',
      institution_id,
      alerts: { warn_below: '0', critical_below: '0' },
    }),
    GetLiquidity: by('payer')(liquidity.getLiquidity, liquidityV1.GetLiquidityRequest, { institution_id }),
  };
}
