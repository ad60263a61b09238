import { type ledgerV1, settlementV1 } from '@finality/contracts';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';

// A service has a handler for each of its RPCs; these are never called.

@Controller()
export class UnaskedLedgerRpcs {
  @GrpcMethod('LedgerService', 'listBalances')
  listBalances(): ledgerV1.ListBalancesResponse {
    return { accounts: [], nextPageToken: '', throughEntry: 0n };
  }
  @GrpcMethod('LedgerService', 'getStatement')
  getStatement(): ledgerV1.Statement {
    return { entries: [], nextPageToken: '' };
  }
  @GrpcMethod('LedgerService', 'streamStatement')
  async *streamStatement(): AsyncGenerator<ledgerV1.StatementPart> {
    yield { csv: '' };
  }
}

@Controller()
export class UnaskedSettlementRpcs {
  @GrpcMethod('SettlementService', 'reverseSettlement')
  reverseSettlement(): settlementV1.Settlement {
    return settlementV1.Settlement.fromPartial({});
  }
}
