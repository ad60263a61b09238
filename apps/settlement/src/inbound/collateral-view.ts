import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { err, type FieldError, fieldError, MAX_MONEY_SATS, ok, type Principal, type Result } from '@finality/kernel';
import {
  BTC,
  clearingClaim,
  creditBalance,
  type Money,
  type Pledge,
  pledgeAccount,
  PLEDGES,
  type Unit,
} from '@finality/ledger';
import { clearingUnits, readAccounts, readBalances } from '@finality/ledger-store';
import { requireInstitution, toRpcException } from '@finality/service';
import {
  type Credit,
  type CreditTerms,
  type Institution,
  lineInForce,
  type Obligation,
  requiredCollateral,
  termsIn,
  termsOf,
} from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { creditStream } from '../store/credit-streams.ts';
import type { Gateway } from './gateway.ts';
import { parseBankMoney } from './money.ts';
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

/** What is put aside in these units, in their order. */
export async function readPledgedIn(
  session: Session,
  institutionId: string,
  pledge: Pledge,
  units: readonly Unit[],
): Promise<readonly bigint[]> {
  const ids = units.map((unit) => pledgeAccount(pledge, institutionId, unit));
  const accounts = await readAccounts(session, ids);
  return ids.map((id) => creditBalance(accounts(id)));
}

export const creditOf = async ({ reader }: Gateway, institutionId: string): Promise<Credit> =>
  (await reader.loadState(creditStream, institutionId)).state;

/** What an institution has put aside and what it may owe, as it is now. @throws RefusalException NOT_FOUND */
export async function showCollateral(gateway: Gateway, institutionId: string): Promise<liquidityV1.Collateral> {
  const institution = await knownInstitution(gateway, institutionId);
  const { creditLineSats } = institution;
  const credit = await creditOf(gateway, institutionId);
  const terms = termsOf(credit);
  return readTransaction(gateway.env.pool, async (session) => {
    const [balance] = await readBalances(session, [{ kind: 'clearing', institutionId }]);
    const { collateral, default_fund: defaultFundSats } = await readPledged(session, institutionId);
    const drawn = drawnSats(balance!);
    const required = requiredCollateral(drawn, terms);
    return {
      institutionId,
      collateralSats: collateral,
      releasableSats: collateral > required ? collateral - required : 0n,
      defaultFundSats,
      haircutBps: terms.haircutBps,
      creditLineSats,
      lineInForceSats: lineInForce(creditLineSats, terms, collateral),
      drawnSats: drawn,
      dueAfterSeconds: secondsOf(terms.dueAfterMs),
      obligations: owedBy(credit)
        .filter(({ unit }) => unit === BTC)
        .map(({ windowId, owed, dueAt }) => ({ windowId, owedSats: owed, dueAt: toTimestamp(dueAt) })),
      unitObligations: owedBy(credit)
        .filter(({ unit }) => unit !== BTC)
        .map((each) => obligationMessage(each, false))
        .concat(overdueOf(credit).map((each) => obligationMessage(each, true))),
      units: await showUnits(session, institution, terms),
    };
  });
}

/** Of other units than BTC. */
async function showUnits(
  session: Session,
  { institutionId, unitLines }: Exclude<Institution, { status: 'none' }>,
  terms: CreditTerms,
): Promise<liquidityV1.UnitCollateral[]> {
  const known = [
    ...(await clearingUnits(session, institutionId)),
    ...unitLines.map(({ limit }) => limit.unit),
    ...(terms.units ?? []).map(({ unit }) => unit),
  ];
  const units = [...new Set(known)].filter((unit) => unit !== BTC).sort();
  const claims = units.map((unit) => clearingClaim(institutionId, unit));
  const balances = await readBalances(session, claims);
  const pledged = await readPledgedIn(session, institutionId, 'collateral', units);
  const contributed = await readPledgedIn(session, institutionId, 'default_fund', units);
  return units.map((unit, i) => {
    const own = termsIn(terms, unit);
    const collateral = pledged[i]!;
    const drawn = drawnSats(balances[i]!);
    const required = requiredCollateral(drawn, own);
    const granted = unitLines.find(({ limit }) => limit.unit === unit)?.limit.amount ?? 0n;
    return {
      unit,
      collateral,
      releasable: collateral > required ? collateral - required : 0n,
      haircutBps: own.haircutBps,
      creditLine: granted,
      lineInForce: lineInForce(granted, own, collateral),
      drawn,
      dueAfterSeconds: secondsOf(own.dueAfterMs),
      defaultFund: contributed[i]!,
      graceSeconds: secondsOf(own.graceMs),
    };
  });
}

const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / SECOND_MS);

const obligationMessage = (
  { windowId, unit, owed, dueAt, graceUntil = dueAt }: Obligation,
  overdue: boolean,
): liquidityV1.UnitObligation => ({
  windowId,
  owed: { unit, amount: owed },
  dueAt: toTimestamp(dueAt),
  graceUntil: toTimestamp(graceUntil),
  overdue,
});

const overdueOf = (credit: Credit): readonly Obligation[] => (credit.status === 'none' ? [] : credit.overdue);

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

/** Satoshi, or another unit instead. */
export function parsePledged({
  amountSats,
  amount,
}: Pick<liquidityV1.PostCollateralRequest, 'amountSats' | 'amount'>): Result<Money, FieldError> {
  if (amount !== undefined)
    return amountSats === 0n
      ? parseBankMoney(amount, 'amount')
      : err(fieldError('amount_sats', 'expected 0 beside an amount of another unit'));
  if (amountSats >= 1n && amountSats <= MAX_MONEY_SATS) return ok({ unit: BTC, amount: amountSats });
  return err(fieldError('amount_sats', `expected 1 to ${MAX_MONEY_SATS} sat, got ${amountSats}`));
}

/** Whoever isn't an operator asks for his own institution. @throws RefusalException */
export function ownOnly(caller: Principal, institutionId: string): void {
  if (!caller.roles.every((role) => role === 'institution')) return;
  const own = requireInstitution(caller, institutionId);
  if (!own.ok) throw toRpcException(own.error);
}
