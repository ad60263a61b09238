import { liquidityV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the service for collateral. The institution has nothing that it could pledge. */
export function collateralRequests(by: GoodBy, institution_id: string): Readonly<Record<string, Good>> {
  const collateral = liquidityV1.CollateralServiceService;
  const move = { idempotency_key: '', institution_id, pledge: 'PLEDGE_COLLATERAL', amount_sats: '1000000' };
  return {
    PostCollateral: by('payer')(
      collateral.postCollateral,
      liquidityV1.PostCollateralRequest,
      move,
      'FAILED_PRECONDITION',
    ),
    ReleaseCollateral: by('payer')(
      collateral.releaseCollateral,
      liquidityV1.ReleaseCollateralRequest,
      move,
      'FAILED_PRECONDITION',
    ),
    GetCollateral: by('payer')(collateral.getCollateral, liquidityV1.GetCollateralRequest, { institution_id }),
    SetCreditTerms: by('operator')(collateral.setCreditTerms, liquidityV1.SetCreditTermsRequest, {
      idempotency_key: '',
      institution_id,
      reason: 'agreed',
    }),
  };
}
