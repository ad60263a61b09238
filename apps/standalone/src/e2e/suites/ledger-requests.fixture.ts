import { ledgerV1 } from '@finality/contracts';
import type { Good, GoodBy } from './bad-input.fixture.ts';

/** One per rpc of the ledger's service. */
export function ledgerRequests(by: GoodBy, institution_id: string): Readonly<Record<string, Good>> {
  const ledger = ledgerV1.LedgerServiceService;
  const account = `clearing/${institution_id}/available`;
  const page = { page_size: 10 };
  const asPayer = by('payer');
  return {
    GetBalances: asPayer(ledger.getBalances, ledgerV1.GetBalancesRequest, { institution_id }),
    ListBalances: asPayer(ledger.listBalances, ledgerV1.ListBalancesRequest, { ...page, institution_id }),
    GetStatement: asPayer(ledger.getStatement, ledgerV1.GetStatementRequest, { ...page, account }),
    StreamStatement: asPayer(ledger.streamStatement, ledgerV1.StreamStatementRequest, { account }),
    ListEntries: asPayer(ledger.listEntries, ledgerV1.ListEntriesRequest, { ...page, institution_id }),
    GetInclusionProof: asPayer(
      ledger.getInclusionProof,
      ledgerV1.GetInclusionProofRequest,
      { institution_id, transfer_id: '00'.repeat(32) },
      'NOT_FOUND',
    ),
    ListLedgerHeads: asPayer(ledger.listLedgerHeads, ledgerV1.ListLedgerHeadsRequest, page),
  };
}
