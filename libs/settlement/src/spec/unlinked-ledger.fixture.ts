import { ok } from '@finality/kernel';
import { LedgerView, type Transfer } from '@finality/ledger';

/** Each transfer by itself: one that can't be made stays behind alone. */
export class UnlinkedLedger extends LedgerView {
  override post(transfers: readonly Transfer[]) {
    return ok(
      transfers.flatMap((transfer) => {
        const posted = super.post([transfer]);
        return posted.ok ? posted.value : [];
      }),
    );
  }
}
