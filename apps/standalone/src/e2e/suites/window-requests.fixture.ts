import { settlementV1 } from '@finality/contracts';
import { type Bank, freshKey } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the service for windows, of which one is closed and one is open. */
export async function windowRequests(
  e2e: E2e,
  by: GoodBy,
  { payer, payee }: Readonly<Record<'payer' | 'payee', Bank>>,
): Promise<Readonly<Record<string, Good>>> {
  const [asPayer, asOperator] = [by('payer'), by('operator')];
  const service = settlementV1.WindowServiceService;
  const { windowId } = await e2e.operator.windows.openWindow({ idempotencyKey: freshKey() });
  await e2e.operator.windows.closeWindow({ idempotencyKey: freshKey(), windowId, reason: 'cut-off' });
  const counterparty_id = payee.id;
  const closing = { idempotency_key: '', window_id: windowId, reason: 'cut-off' };
  return {
    OpenWindow: asOperator(
      service.openWindow,
      settlementV1.OpenWindowRequest,
      { idempotency_key: '' },
      'FAILED_PRECONDITION',
    ),
    CloseWindow: asOperator(service.closeWindow, settlementV1.CloseWindowRequest, closing, 'FAILED_PRECONDITION'),
    GetWindow: asPayer(service.getWindow, settlementV1.GetWindowRequest, { window_id: windowId }),
    ListWindows: asPayer(service.listWindows, settlementV1.ListWindowsRequest, { page_size: 10 }),
    AgreeBilateralNetting: asPayer(service.agreeBilateralNetting, settlementV1.AgreeBilateralNettingRequest, {
      idempotency_key: '',
      counterparty_id,
    }),
    EndBilateralNetting: asPayer(service.endBilateralNetting, settlementV1.EndBilateralNettingRequest, {
      idempotency_key: '',
      counterparty_id,
    }),
    SetWindowPayout: asPayer(service.setWindowPayout, settlementV1.SetWindowPayoutRequest, {
      idempotency_key: '',
      rule: 'WINDOW_PAYOUT_RULE_NET_CREDIT',
      wallet_id: payer.wallet?.walletId,
    }),
    SetDebitCap: asOperator(service.setDebitCap, settlementV1.SetDebitCapRequest, {
      idempotency_key: '',
      institution_id: payer.id,
      reason: 'agreed',
    }),
    GetWindowPayout: asPayer(service.getWindowPayout, settlementV1.GetWindowPayoutRequest, {}),
    ListNettingPairs: asPayer(service.listNettingPairs, settlementV1.ListNettingPairsRequest, {}),
  };
}
