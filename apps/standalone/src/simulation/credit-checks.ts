import type { Session } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import {
  type Account,
  availableAccount,
  BTC,
  clearingClaim,
  creditBalance,
  type Money,
  PLEDGES,
  pledgeAccount,
  standbyAccount,
  type Unit,
} from '@finality/ledger';
import {
  type Credit,
  type CreditEvent,
  type Default,
  type Institution,
  type KnownDefault,
  lineInForce,
  type LivingSettlement,
  paidOf,
  sumOf,
  termsIn,
  termsOf,
} from '@finality/settlement';
import { STANDBY_MAX } from './settings.ts';

type Accounts = ReadonlyMap<string, Account>;

/**
 * What lines, pledges and defaults promise: what covers a default adds up to what was owed, and is what the ledger moved for it; pledges are what
 * their events say; nobody may owe more than line and collateral allow.
 */
export async function creditProblems(
  session: Session,
  all: readonly LivingSettlement[],
  accounts: readonly Account[],
  isEnd: boolean,
): Promise<readonly string[]> {
  const byId: Accounts = new Map(accounts.map((account) => [account.id, account]));
  const defaults = (await statesOf<Default>(session, 'default')).filter((each) => each.status !== 'none');
  const moved = await movedByDefaults(session);
  return [
    ...defaults.flatMap((each) => defaultProblems(each, moved, all)),
    ...defaults.flatMap(({ status, defaultId }) =>
      isEnd && status === 'open' ? [`default ${defaultId} doesn't end`] : [],
    ),
    ...(await pledgeProblems(session, defaults, byId)),
    ...(await lineProblems(session, byId)),
    ...(await deciderProblems(session)),
    ...[...STANDBY_MAX].flatMap(([unit, most]) => {
      const lent = -balanceOf(byId, standbyAccount(unit));
      return lent > most ? [`the standby line has lent ${lent} ${unit}, past ${most}`] : [];
    }),
  ];
}

async function statesOf<State>(session: Session, aggregate: string): Promise<readonly State[]> {
  const rows = await session.query<{ state: string }>(
    'SELECT state FROM stream_states WHERE starts_with(stream, $1) ORDER BY stream',
    [`${aggregate}/`],
  );
  return rows.map(({ state }) => decodeJson(state) as State);
}

/** What the ledger's own entries say, by purpose, default and unit: one in a unit that isn't the default's is found nowhere. */
async function movedByDefaults(session: Session): Promise<ReadonlyMap<string, bigint>> {
  const rows = await session.query<{ what: string; amount: bigint }>(
    `SELECT purpose || ' ' || split_part(object, ':', 1) || ' ' || unit AS what, sum(amount)::bigint AS amount
     FROM ledger_transfers JOIN ledger_accounts a ON a.number = debit
     WHERE starts_with(purpose, 'default_') GROUP BY 1 ORDER BY 1`,
  );
  return new Map(rows.map(({ what, amount }) => [what, amount]));
}

function defaultProblems(
  state: KnownDefault,
  moved: ReadonlyMap<string, bigint>,
  all: readonly LivingSettlement[],
): readonly string[] {
  const { defaultId, institutionId, unit, owed, overdue, unwound, shares } = state;
  const { collateral, contribution, lent, standby, paid, takenBack, loss } = state;
  const problems: string[] = [];
  const mustBe = (what: string, found: bigint, expected: bigint): void => {
    if (found !== expected) problems.push(`default ${defaultId}: ${what} is ${found}, expected ${expected}`);
  };
  const covered = collateral + contribution + lent + standby + paid + takenBack + loss;
  mustBe('what covers it', covered + state.uncovered + state.left, owed);
  mustBe('what is unwound', sumOf(unwound), takenBack);
  mustBe('what others bear', sumOf(shares), loss);
  const { repaid } = state;
  const entries = {
    ...{ collateral, contribution, standby, loss },
    ...{ standby_repaid: repaid.standby, loss_repaid: sumOf(repaid.shares) },
  };
  for (const [part, amount] of Object.entries(entries))
    mustBe(`the ledger's ${part}`, moved.get(`default_${part} ${defaultId} ${unit}`) ?? 0n, amount);
  if (repaid.standby > standby || sumOf(repaid.shares) > loss)
    problems.push(`default ${defaultId}: more was paid back than others stood in for`);
  if (overdue <= 0n || overdue > owed) problems.push(`default ${defaultId}: ${overdue} were due`);
  if (shares.some((share) => share.institutionId === institutionId))
    problems.push(`default ${defaultId}: the defaulter's own contribution comes first, and not with the others'`);
  for (const { settlementId, reversalId, payeeId, amount } of unwound) {
    const reversal = all.find(({ terms }) => terms.settlementId === reversalId);
    const { terms, status } = reversal ?? {};
    const isPaidBack = terms?.reverses === settlementId && terms.from === payeeId && terms.to === institutionId;
    const paid = terms && paidOf(terms);
    if (!isPaidBack || status !== 'settled' || paid?.amount !== amount || paid.unit !== unit)
      problems.push(`default ${defaultId}: settlement ${settlementId} isn't paid back as it says`);
  }
  return problems;
}

/** What is put aside is what was put there, less what was taken back and what defaults have used of it. */
async function pledgeProblems(
  session: Session,
  defaults: readonly KnownDefault[],
  accounts: Accounts,
): Promise<readonly string[]> {
  const expected = new Map<string, bigint>();
  const add = (account: string, sats: bigint): void => void expected.set(account, (expected.get(account) ?? 0n) + sats);
  const rows = await session.query<{ data: string }>(
    `SELECT data FROM events WHERE type IN ('pledge_posted', 'pledge_released', 'collateral_taken') ORDER BY position`,
  );
  for (const { data } of rows) {
    const event = decodeJson(data) as Extract<
      CreditEvent,
      { type: 'pledge_posted' | 'pledge_released' | 'collateral_taken' }
    >;
    const { institutionId, unit, amount } = event;
    const pledge = event.type === 'collateral_taken' ? 'collateral' : event.pledge;
    add(pledgeAccount(pledge, institutionId, unit), event.type === 'pledge_posted' ? amount : -amount);
  }
  for (const { institutionId, unit, collateral, contribution, shares, repaid } of defaults) {
    add(pledgeAccount('collateral', institutionId, unit), -collateral);
    add(pledgeAccount('default_fund', institutionId, unit), -contribution);
    for (const share of shares) add(pledgeAccount('default_fund', share.institutionId, unit), -share.amount);
    for (const share of repaid.shares) add(pledgeAccount('default_fund', share.institutionId, unit), share.amount);
  }
  const found = [...accounts.keys()].filter((id) => PLEDGES.some((pledge) => id.startsWith(`${pledge}/`)));
  return [...new Set([...expected.keys(), ...found])].flatMap((id) => {
    const [is, due] = [balanceOf(accounts, id), expected.get(id) ?? 0n];
    return is === due && is >= 0n ? [] : [`ledger: ${id} has ${is}, by what was pledged and used ${due}`];
  });
}

/** The limit of each clearing account is what was granted, and of a secured line what collateral is worth of it. */
async function lineProblems(session: Session, accounts: Accounts): Promise<readonly string[]> {
  const credits = new Map<string, Credit>();
  for (const credit of await statesOf<Credit>(session, 'credit'))
    if (credit.status === 'known') credits.set(credit.institutionId, credit);
  const institutions = await session.query<{ institution_id: string; state: string }>(
    `SELECT i.institution_id, s.state FROM institutions i JOIN stream_states s ON s.stream = 'institution/' || i.institution_id ORDER BY 1`,
  );
  return institutions.flatMap(({ institution_id: institutionId, state }) => {
    const institution = decodeJson(state) as Institution;
    if (institution.status === 'none') return [];
    const terms = termsOf(credits.get(institutionId) ?? { status: 'none' });
    const granted = new Map(institution.unitLines.map(({ limit: { unit, amount } }) => [unit, amount]));
    return clearingAccountsOf(accounts, institutionId).flatMap(({ unit, limit }) => {
      const collateral = balanceOf(accounts, pledgeAccount('collateral', institutionId, unit));
      const ofUnit = unit === BTC ? institution.creditLineSats : (granted.get(unit) ?? 0n);
      const line = lineInForce(ofUnit, termsIn(terms, unit), collateral);
      const found = limit.kind === 'debits_must_not_exceed_credits' ? limit.overdraft : undefined;
      return found === line ? [] : [`ledger: ${institutionId} may owe ${found} ${unit}, by its line ${line}`];
    });
  });
}

function clearingAccountsOf(accounts: Accounts, institutionId: string): readonly Account[] {
  return [...accounts.values()].filter(({ id, unit }) => id === availableAccount(clearingClaim(institutionId, unit)));
}

/** Nobody has lent more by himself: two persons have raised a line, or it has become shorter. What a default leaves of it nobody decides. */
async function deciderProblems(session: Session): Promise<readonly string[]> {
  const rows = await session.query<{ stream: string; data: string }>(
    `SELECT stream, data FROM events WHERE type IN ('institution_created', 'credit_line_set', 'credit_line_expired', 'unit_line_set', 'unit_line_expired') ORDER BY position`,
  );
  const lines = new Map<string, bigint>();
  return rows.flatMap(({ stream, data }) => {
    const event = decodeJson(data) as {
      readonly creditLineSats?: bigint;
      readonly limit?: Money;
      /** Of a line in another unit that has ended. */
      readonly unit?: Unit;
      readonly by?: string;
      readonly confirmedBy?: string;
    };
    const { creditLineSats, limit, unit = limit?.unit ?? BTC, by, confirmedBy } = event;
    const [name, amount] = [`${stream} ${unit}`, limit?.amount ?? creditLineSats ?? 0n];
    const isRaised = amount > (lines.get(name) ?? 0n);
    lines.set(name, amount);
    const isByTwo = confirmedBy !== undefined && confirmedBy !== by;
    return isRaised && !isByTwo ? [`${name}: one person alone has raised its line to ${amount}`] : [];
  });
}

function balanceOf(accounts: Accounts, id: string): bigint {
  const account = accounts.get(id);
  return account === undefined ? 0n : creditBalance(account);
}
