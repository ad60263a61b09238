import { settlementV1 } from '@finality/contracts';
import { freshKey } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';

export const TRACE_ID = 'c0ffee'.padEnd(32, '1');

/** A BILATERAL settlement that a client who traces asks for, until it has been broadcast. */
export async function submitTraced(e2e: E2e): Promise<void> {
  const [payer, payee] = [await e2e.bank(), await e2e.bank()];
  await payer.fund({ wallet: [40_000_000n] });
  const metadata = payer.api.metadata.clone();
  metadata.set('traceparent', `00-${TRACE_ID}-${'ab'.repeat(8)}-01`);
  const request = settlementV1.SubmitSettlementRequest.fromPartial({
    idempotencyKey: freshKey(),
    fromInstitution: payer.id,
    toInstitution: payee.id,
    amountSats: 5_000_000n,
    settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_BILATERAL,
  });
  const { settlementId } = await new Promise<settlementV1.Settlement>((resolve, reject) => {
    payer.api.streams.submitSettlement(request, metadata, (error, settlement) =>
      error === null ? resolve(settlement) : reject(error),
    );
  });
  await payer.executing(settlementId);
}
