import type { Metadata } from '@grpc/grpc-js';
import { fromTimestamp, type ledgerV1 } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { fieldError, invalid, type Principal, refusal } from '@finality/kernel';
import { accountSpec, creditBalance } from '@finality/ledger';
import { type AccountTotals, lastEntryBefore, listTotalsAt, readLastEntry, readTotalsAt } from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { claimsOf } from './claims.ts';
import { checkInstitutionId, checkPageSize, pageSizeOf, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { accountsOf, isStaff } from './statement-accounts.ts';
import { checkPastTime } from './statement.ts';

interface Page {
  readonly afterAccount: string;
  readonly through: bigint;
  readonly limit: number;
}

/** By account: an institution's own, or all there are. */
@Controller()
export class ListBalancesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'listBalances')
  async handle(request: ledgerV1.ListBalancesRequest, metadata: Metadata): Promise<ledgerV1.ListBalancesResponse> {
    const { env, reader } = this.#gateway;
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { institutionId, at, pageSize, pageToken } = request;
    refuseInvalid(
      institutionId === '' && isStaff(caller) ? undefined : checkInstitutionId('institution_id', institutionId),
      checkPastTime('at', at, env.runtime.now()),
      checkPageSize(pageSize),
    );
    const { epoch } = await reader.head();
    const place = pageToken === '' ? undefined : decodePlace(pageToken, epoch);
    return readTransaction(env.pool, async (session) => {
      const last = await readLastEntry(session);
      const through = place?.through ?? (at === undefined ? last : await lastEntryBefore(session, fromTimestamp(at)));
      if (through > last) throw notOurToken();
      const limit = pageSizeOf(pageSize);
      const page = { afterAccount: place?.afterAccount ?? '', through, limit: limit + 1 };
      const found = await this.#totals(session, caller, institutionId, page);
      const accounts = found.slice(0, limit);
      const isLast = found.length <= limit;
      return {
        accounts: accounts.map(totalsMessage),
        nextPageToken: isLast ? '' : encodePlace(epoch, through, accounts.at(-1)!.account),
        throughEntry: through,
      };
    });
  }

  async #totals(
    session: Session,
    caller: Principal,
    institutionId: string,
    page: Page,
  ): Promise<readonly AccountTotals[]> {
    if (institutionId === '') return listTotalsAt(session, page);
    const claims = await claimsOf(this.#gateway, session, caller, institutionId);
    // Plain comparison: the order of bytes, as these ids are ASCII.
    const accounts = accountsOf(claims)
      .sort((a, b) => (a < b ? -1 : 1))
      .filter((account) => account > page.afterAccount)
      .slice(0, page.limit);
    const totals = await readTotalsAt(session, accounts, page.through);
    return accounts.map((account, i) => ({ account, ...totals[i]! }));
  }
}

const totalsMessage = (totals: AccountTotals): ledgerV1.AccountTotals => ({
  account: totals.account,
  unit: accountSpec(totals.account).unit,
  balance: creditBalance(totals),
  debits: totals.debitsPosted,
  credits: totals.creditsPosted,
  pendingDebits: totals.debitsPending,
  pendingCredits: totals.creditsPending,
});

const encodePlace = (epoch: number, through: bigint, account: string): string =>
  Buffer.from(`b1.${epoch}.${through}.${account}`).toString('base64url');

/** @throws RefusalException */
function decodePlace(token: string, epoch: number): Omit<Page, 'limit'> {
  const match = /^b1\.(\d{1,9})\.(\d{1,18})\.([!-~]{1,200})$/.exec(Buffer.from(token, 'base64url').toString('latin1'));
  if (match === null) throw notOurToken();
  if (Number(match[1]) !== epoch) {
    const message = 'the ledger was restored since this token: start over';
    throw toRpcException(refusal('failed_precondition', 'STALE_PAGE_TOKEN', message));
  }
  return { through: BigInt(match[2]!), afterAccount: match[3]! };
}

const notOurToken = (): Error =>
  toRpcException(invalid(fieldError('page_token', 'expected one that an earlier answer gave')));
