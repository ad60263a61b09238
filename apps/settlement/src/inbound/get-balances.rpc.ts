import type { Metadata } from '@grpc/grpc-js';
import { fromTimestamp, type ledgerV1 } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import {
  type Account,
  type AccountId,
  accountSpec,
  type Claim,
  claimBalance,
  type ClearingClaim,
  creditBalance,
  type Pledge,
  pledgeAccount,
  unitOf,
} from '@finality/ledger';
import { lastEntryBefore, readAccounts, readLastEntry, readTotalsAt } from '@finality/ledger-store';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { readTransaction } from '../outbound/read-transaction.ts';
import { claimName, claimsOf } from './claims.ts';
import { checkInstitutionId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { accountsOf } from './statement-accounts.ts';
import { checkPastTime } from './statement.ts';

@Controller()
export class GetBalancesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('LedgerService', 'getBalances')
  async handle(
    { institutionId, at }: ledgerV1.GetBalancesRequest,
    metadata: Metadata,
  ): Promise<ledgerV1.GetBalancesResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { env } = this.#gateway;
    refuseInvalid(checkInstitutionId('institution_id', institutionId), checkPastTime('at', at, env.runtime.now()));
    return readTransaction(env.pool, async (session) => {
      const claims = await claimsOf(this.#gateway, session, caller, institutionId);
      const { account, throughEntry } =
        at === undefined ? await accountsNow(session, claims) : await accountsAt(session, claims, fromTimestamp(at));
      return { balances: claims.map((claim) => messageOf(claim, account)), throughEntry };
    });
  }
}

type AccountOf = (id: AccountId) => Account;

const messageOf = (claim: Claim, account: AccountOf): ledgerV1.ClaimBalance => ({
  claim: claimName(claim),
  unit: unitOf(claim),
  ...claimBalance(claim, account),
  ...(claim.kind === 'clearing' ? pledgedBy(claim, account) : {}),
});

/** Most have put nothing aside. */
function pledgedBy(
  claim: ClearingClaim,
  account: AccountOf,
): Pick<ledgerV1.ClaimBalance, 'collateral' | 'defaultFund'> {
  const pledged = (pledge: Pledge): bigint | undefined =>
    creditBalance(account(pledgeAccount(pledge, claim.institutionId, unitOf(claim)))) || undefined;
  return { collateral: pledged('collateral'), defaultFund: pledged('default_fund') };
}

interface Accounts {
  readonly account: AccountOf;
  readonly throughEntry: bigint;
}

async function accountsNow(session: Session, claims: readonly Claim[]): Promise<Accounts> {
  return { account: await readAccounts(session, accountsOf(claims)), throughEntry: await readLastEntry(session) };
}

async function accountsAt(session: Session, claims: readonly Claim[], at: Instant): Promise<Accounts> {
  const throughEntry = await lastEntryBefore(session, at);
  const accounts = accountsOf(claims);
  const totals = await readTotalsAt(session, accounts, throughEntry);
  const byId = new Map(accounts.map((id, i) => [id, { ...accountSpec(id), ...totals[i]! }]));
  return { account: (id) => byId.get(id)!, throughEntry };
}
