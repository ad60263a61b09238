import type { Metadata } from '@grpc/grpc-js';
import { fromTimestamp, type ledgerV1 } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import type { Instant } from '@finality/kernel';
import { accountSpec, type Claim, claimBalance, type ClaimBalance, unitOf } from '@finality/ledger';
import { lastEntryBefore, readBalances, readLastEntry, readTotalsAt } from '@finality/ledger-store';
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
      const { balances, throughEntry } =
        at === undefined ? await balancesNow(session, claims) : await balancesAt(session, claims, fromTimestamp(at));
      return { balances: balances.map((balance, i) => messageOf(claims[i]!, balance)), throughEntry };
    });
  }
}

const messageOf = (claim: Claim, balance: ClaimBalance): ledgerV1.ClaimBalance => ({
  claim: claimName(claim),
  unit: unitOf(claim),
  ...balance,
});

interface Balances {
  readonly balances: readonly ClaimBalance[];
  readonly throughEntry: bigint;
}

async function balancesNow(session: Session, claims: readonly Claim[]): Promise<Balances> {
  return { balances: await readBalances(session, claims), throughEntry: await readLastEntry(session) };
}

async function balancesAt(session: Session, claims: readonly Claim[], at: Instant): Promise<Balances> {
  const throughEntry = await lastEntryBefore(session, at);
  const accounts = accountsOf(claims);
  const totals = await readTotalsAt(session, accounts, throughEntry);
  const byId = new Map(accounts.map((id, i) => [id, { ...accountSpec(id), ...totals[i]! }]));
  return { balances: claims.map((claim) => claimBalance(claim, (id) => byId.get(id)!)), throughEntry };
}
