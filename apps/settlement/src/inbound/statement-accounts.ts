import type { Session } from '@finality/event-store';
import { type Principal, refusal } from '@finality/kernel';
import {
  type AccountId,
  accountNamed,
  type AccountName,
  type Claim,
  CLAIM_PARTS,
  claimAccount,
  custodyAccount,
  parseAccountId,
  pledgeAccount,
  PLEDGES,
  walletSuspenseAccount,
} from '@finality/ledger';
import { toRpcException } from '@finality/service';
import { loadWallets } from '../projections/registry.ts';
import { institutionStream } from '../store/streams.ts';
import { claimsOf } from './claims.ts';
import type { Gateway } from './gateway.ts';

/** An account that the caller may have a statement of. */
export interface StatementAccount {
  readonly account: AccountId;
  /** Whether the caller may know of it as the other side of an entry. */
  maySee(counterAccount: AccountId): boolean;
}

/** What belongs to nobody in particular: whoever has an entry with it learns nothing of others. */
const NOBODYS: readonly AccountName['kind'][] = [
  'transit',
  'ccp',
  'nostro',
  'fees_network',
  'suspense_settlement',
  'standby',
];

/** Those who run the platform see any account. */
export const isStaff = (caller: Principal): boolean => caller.roles.some((role) => role !== 'institution');

/** All accounts of claims, and what is put aside of those on clearing. */
export const accountsOf = (claims: readonly Claim[]): AccountId[] =>
  claims.flatMap((claim) => {
    const parts = CLAIM_PARTS.map((part) => claimAccount(claim, part));
    if (claim.kind === 'wallet') return parts;
    return [...parts, ...PLEDGES.map((pledge) => pledgeAccount(pledge, claim.institutionId, claim.unit))];
  });

/** To an institution, another's account doesn't exist. @throws RefusalException NOT_FOUND */
export async function statementAccount(
  gateway: Gateway,
  session: Session,
  caller: Principal,
  account: string,
): Promise<StatementAccount> {
  if (isStaff(caller)) {
    if (!(await exists(gateway, session, account))) throw unknownAccount(account);
    return { account: account as AccountId, maySee: () => true };
  }
  const claims = await claimsOf(gateway, session, caller, caller.institutionId ?? '');
  const own = accountsOf(claims);
  const found = own.find((id) => id === account);
  if (found === undefined) throw unknownAccount(account);
  const wallets = claims.flatMap((claim) => (claim.kind === 'wallet' ? [claim.walletId] : []));
  const seen = new Set<string>([...own, ...wallets.map(custodyAccount), ...wallets.map(walletSuspenseAccount)]);
  return {
    account: found,
    maySee: (counterAccount) => seen.has(counterAccount) || NOBODYS.includes(parseAccountId(counterAccount).kind),
  };
}

/** Has had an entry, or is an account of an institution or a wallet that may have one. */
async function exists({ reader }: Gateway, session: Session, account: string): Promise<boolean> {
  const rows = await session.query('SELECT FROM ledger_accounts WHERE id = $1', [account]);
  if (rows.length > 0) return true;
  const name = accountNamed(account);
  if (name?.kind === 'pledge') return isKnown(reader, name.institutionId);
  if (name?.kind !== 'claim') return false;
  const { claim } = name;
  if (claim.kind === 'wallet') return (await loadWallets(session, [claim.walletId], [])).wallets.length > 0;
  return isKnown(reader, claim.institutionId);
}

const isKnown = async (reader: Gateway['reader'], institutionId: string): Promise<boolean> =>
  (await reader.loadState(institutionStream, institutionId)).state.status !== 'none';

const unknownAccount = (account: string): Error =>
  toRpcException(refusal('not_found', 'UNKNOWN_ACCOUNT', `no account "${account.slice(0, 200)}" of yours`));
