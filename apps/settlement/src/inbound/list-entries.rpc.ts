import type { Metadata } from '@grpc/grpc-js';
import { type ledgerV1, toTimestamp } from '@finality/contracts';
import { fieldError, invalid } from '@finality/kernel';
import { accountSpec } from '@finality/ledger';
import { type Entry, listEntries } from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { claimName, claimsOf } from './claims.ts';
import { checkInstitutionId, checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { accountsOf } from './statement-accounts.ts';

/** Oldest first: an account's statement. */
@Controller()
export class ListEntriesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'listEntries')
  async handle(request: ledgerV1.ListEntriesRequest, metadata: Metadata): Promise<ledgerV1.ListEntriesResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkInstitutionId('institution_id', request.institutionId), checkPageSize(request.pageSize));
    const { epoch } = await this.#gateway.reader.head();
    return readTransaction(this.#gateway.env.pool, async (session) => {
      const all = await claimsOf(this.#gateway, session, caller, request.institutionId);
      const claims = request.claim === '' ? all : all.filter((claim) => claimName(claim) === request.claim);
      if (claims.length === 0) {
        throw toRpcException(
          invalid(
            fieldError(
              'claim',
              `expected one of ${all.map(claimName).join(', ')}, got "${request.claim.slice(0, 64)}"`,
            ),
          ),
        );
      }
      const accounts = accountsOf(claims);
      const { pageSize, pageToken } = request;
      const query = { accounts, pageSize: pageSizeOf(pageSize), pageToken, epoch, eachTransferOnce: true };
      const page = await listEntries(session, query);
      if (!page.ok) throw toRpcException(page.error);
      return { entries: page.value.entries.map(entryMessage), nextPageToken: page.value.nextPageToken ?? '' };
    });
  }
}

function entryMessage(entry: Entry): ledgerV1.Entry {
  const isDebit = entry.side === 'debit';
  return {
    transferId: entry.transferId,
    debitAccount: isDebit ? entry.account : entry.counterAccount,
    creditAccount: isDebit ? entry.counterAccount : entry.account,
    amount: entry.amount,
    unit: accountSpec(entry.account).unit,
    kind: entry.kind,
    purpose: entry.purpose,
    object: entry.object,
    recordedAt: toTimestamp(entry.recordedAt),
    position: entry.position,
  };
}
