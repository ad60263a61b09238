import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { type FieldError, fieldError, MAX_MONEY_SATS, type Principal } from '@finality/kernel';
import { BTC, creditBalance, type Pledge, pledgeAccount, PLEDGES } from '@finality/ledger';
import { readAccounts, readBalances } from '@finality/ledger-store';
import { requireInstitution, toRpcException } from '@finality/service';
import { type Credit, lineInForce, type Obligation, requiredSats, termsOf } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { creditStream } from '../store/credit-streams.ts';
import type { Gateway } from './gateway.ts';
import { drawnSats, knownInstitution } from './institution-view.ts';

const SECOND_MS = 1_000;

/** What an institution has put aside, in satoshi. */
export type Pledged = Readonly<Record<Pledge, bigint>>;

export async function readPledged(session: Session, institutionId: string): Promise<Pledged> {
  const accounts = await readAccounts(
    session,
    PLEDGES.map((pledge) => pledgeAccount(pledge, institutionId)),
  );
  const balanceOf = (pledge: Pledge): bigint => creditBalance(accounts(pledgeAccount(pledge, institutionId)));
  return { collateral: balanceOf('collateral'), default_fund: balanceOf('default_fund') };
}

export const creditOf = async ({ reader }: Gateway, institutionId: string): Promise<Credit> =>
  (await reader.loadState(creditStream, institutionId)).state;

/** What an institution has put aside and what it may owe, as it is now. @throws RefusalException NOT_FOUND */
export async function showCollateral(gateway: Gateway, institutionId: string): Promise<liquidityV1.Collateral> {
  const { creditLineSats } = await knownInstitution(gateway, institutionId);
  const credit = await creditOf(gateway, institutionId);
  const terms = termsOf(credit);
  return readTransaction(gateway.env.pool, async (session) => {
    const [balance] = await readBalances(session, [{ kind: 'clearing', institutionId }]);
    const { collateral, default_fund: defaultFundSats } = await readPledged(session, institutionId);
    const drawn = drawnSats(balance!);
    const required = requiredSats(drawn, terms);
    return {
      institutionId,
      collateralSats: collateral,
      releasableSats: collateral > required ? collateral - required : 0n,
      defaultFundSats,
      haircutBps: terms.haircutBps,
      creditLineSats,
      lineInForceSats: lineInForce(creditLineSats, terms, collateral),
      drawnSats: drawn,
      dueAfterSeconds: terms.dueAfterMs === undefined ? undefined : terms.dueAfterMs / SECOND_MS,
      obligations: owedBy(credit)
        .filter(({ unit }) => unit === BTC)
        .map(({ windowId, owed, dueAt }) => ({ windowId, owedSats: owed, dueAt: toTimestamp(dueAt) })),
      unitObligations: owedBy(credit)
        .filter(({ unit }) => unit !== BTC)
        .map(({ windowId, unit, owed, dueAt }) => ({
          windowId,
          owed: { unit, amount: owed },
          dueAt: toTimestamp(dueAt),
        })),
    };
  });
}

const owedBy = (credit: Credit): readonly Obligation[] => (credit.status === 'none' ? [] : credit.obligations);

/** As the API names them. */
const KINDS: ReadonlyMap<liquidityV1.Pledge, Pledge> = new Map([
  [liquidityV1.Pledge.PLEDGE_COLLATERAL, 'collateral'],
  [liquidityV1.Pledge.PLEDGE_DEFAULT_FUND, 'default_fund'],
]);

/** Undefined where it is none of the enum. */
export const pledgeOf = (pledge: liquidityV1.Pledge): Pledge | undefined => KINDS.get(pledge);

export const checkPledge = (pledge: liquidityV1.Pledge): FieldError | undefined =>
  KINDS.has(pledge) ? undefined : fieldError('pledge', 'expected COLLATERAL or DEFAULT_FUND');

export const checkPledgedAmount = (amountSats: bigint): FieldError | undefined =>
  amountSats >= 1n && amountSats <= MAX_MONEY_SATS
    ? undefined
    : fieldError('amount_sats', `expected 1 to ${MAX_MONEY_SATS} sat, got ${amountSats}`);

/** Whoever isn't an operator asks for his own institution. @throws RefusalException */
export function ownOnly(caller: Principal, institutionId: string): void {
  if (!caller.roles.every((role) => role === 'institution')) return;
  const own = requireInstitution(caller, institutionId);
  if (!own.ok) throw toRpcException(own.error);
}
