import { liquidityV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the services for collateral and defaults. The institution has nothing that it could pledge. */
export function collateralRequests(by: GoodBy, institution_id: string): Readonly<Record<string, Good>> {
  const collateral = liquidityV1.CollateralServiceService;
  const defaults = liquidityV1.DefaultServiceService;
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
    ListDefaults: by('operator')(defaults.listDefaults, liquidityV1.ListDefaultsRequest, { page_size: 10 }),
    GetFundSizing: by('payer')(liquidityV1.FundServiceService.getFundSizing, liquidityV1.GetFundSizingRequest, {}),
    GetDefault: by('operator')(
      defaults.getDefault,
      liquidityV1.GetDefaultRequest,
      { default_id: '00000000-0000-8000-8000-000000000000' },
      'NOT_FOUND',
    ),
  };
}
