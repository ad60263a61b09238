import type { Session } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import { BTC, type Money, type Unit } from '@finality/ledger';
import {
  isOf,
  legsOf,
  type LimitsState,
  type LivingSettlement,
  type Quote,
  type SetLimits,
  valued,
} from '@finality/settlement';

const UNPAID: readonly LivingSettlement['status'][] = ['rejected', 'failed', 'cancelled', 'expired'];
const SECOND_MS = 1_000;
/** Who asks for what takes a defaulter's settlements back. */
const BY_DEFAULT = 'default';

/** What windows, limits and quotes promise: computed anew from the settlements, and from nothing that was counted on the way. */
export async function dealingProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  return [
    ...(await positionProblems(session, all)),
    ...(await capProblems(session, all)),
    ...(await limitProblems(session, all)),
    ...quoteProblems(all),
    ...(await quotedProblems(session, all)),
  ];
}

interface Counts {
  readonly paid_count: bigint;
  readonly received_count: bigint;
}

interface Position extends Counts {
  readonly paid: bigint;
  readonly received: bigint;
}

/** Each participant's position in each window and unit is what the settlements of that window come to. */
async function positionProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  const expected = new Map<string, Position>();
  const add = (windowId: string, whose: string, paid: bigint, received: bigint): void => {
    const key = `${windowId} of ${whose}`;
    const before = expected.get(key) ?? { paid: 0n, received: 0n, paid_count: 0n, received_count: 0n };
    expected.set(key, {
      paid: before.paid + paid,
      received: before.received + received,
      paid_count: before.paid_count + (paid > 0n ? 1n : 0n),
      received_count: before.received_count + (received > 0n ? 1n : 0n),
    });
  };
  for (const settlement of all) {
    if (!('windowId' in settlement) || settlement.windowId === undefined) continue;
    for (const { from, to, money } of legsOf(settlement.terms)) {
      add(settlement.windowId, `${from} ${money.unit}`, money.amount, 0n);
      add(settlement.windowId, `${to} ${money.unit}`, 0n, money.amount);
    }
  }
  const rows = await session.query<Record<'whose' | 'paid' | 'received', string> & Counts>(
    `SELECT concat(window_id, ' of ', institution_id, ' ', unit) AS whose, paid::text, received::text, paid_count, received_count
     FROM window_positions ORDER BY whose`,
  );
  const found = new Map(
    rows.map(({ whose, paid, received, ...counts }) => [
      whose,
      { paid: BigInt(paid), received: BigInt(received), ...counts },
    ]),
  );
  return [...new Set([...expected.keys(), ...found.keys()])].flatMap((key) => {
    const [is, due] = [shown(found.get(key)), shown(expected.get(key))];
    return is === due ? [] : [`position in window ${key} is ${is}, its settlements give ${due}`];
  });
}

const shown = (position: Position | undefined): string =>
  position === undefined
    ? 'none'
    : `${position.paid} paid in ${position.paid_count}, ${position.received} received in ${position.received_count}`;

/** By the order of the log: with no settlement has its payer come to owe more in a window than its cap then allowed. */
async function capProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  const byId = new Map(all.map((settlement) => [settlement.terms.settlementId, settlement]));
  const rows = await session.query<{ stream: string; type: string; data: string }>(
    `SELECT stream, type, data FROM events WHERE type IN ('settlement_settled', 'debit_cap_set') ORDER BY position`,
  );
  const caps = new Map<string, bigint | undefined>();
  const owed = new Map<string, bigint>();
  const add = (key: string, by: bigint): void => void owed.set(key, (owed.get(key) ?? 0n) + by);
  return rows.flatMap(({ stream, type, data }) => {
    if (type === 'debit_cap_set') {
      const { institutionId, unit, cap } = decodeJson(data) as { institutionId: string; unit: string; cap?: bigint };
      caps.set(`${institutionId} ${unit}`, cap);
      return [];
    }
    const settlement = byId.get(stream.slice(stream.indexOf('/') + 1));
    if (settlement === undefined || !('windowId' in settlement) || settlement.windowId === undefined) return [];
    const { settlementId, submittedBy } = settlement.terms;
    const { windowId } = settlement;
    const legs = legsOf(settlement.terms);
    for (const { from, to, money } of legs) {
      add(`${windowId} ${from} ${money.unit}`, money.amount);
      add(`${windowId} ${to} ${money.unit}`, -money.amount);
    }
    // Several at once are judged when all have moved; what a default takes back nobody has decided to pay.
    if (settlement.gridlockId !== undefined || submittedBy === BY_DEFAULT) return [];
    return legs.flatMap(({ from, money: { unit } }) => {
      const [sum, cap] = [owed.get(`${windowId} ${from} ${unit}`) ?? 0n, caps.get(`${from} ${unit}`)];
      if (cap === undefined || sum <= cap) return [];
      return [
        `with settlement ${settlementId} ${from} owes ${sum} of ${unit} in window ${windowId}, past its cap of ${cap}`,
      ];
    });
  });
}

/** No settlement has begun for which the limits of that time had no room. */
async function limitProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  const rows = await session.query<{ state: string }>(
    `SELECT state FROM stream_states WHERE stream LIKE 'payment\\_limits/%' ORDER BY stream`,
  );
  return rows.flatMap(({ state }) => {
    const limits = decodeJson(state) as LimitsState;
    return limits.status === 'set' ? exceeded(limits, all) : [];
  });
}

interface Begun {
  readonly at: number;
  readonly mode: LivingSettlement['terms']['mode'];
  readonly amountSats: bigint;
  readonly settlementId: string;
}

function exceeded(limits: SetLimits, all: readonly LivingSettlement[]): readonly string[] {
  const begun = all.flatMap((settlement) => begunUnder(limits, settlement));
  const tooMuch = begun.filter(({ mode, amountSats }) =>
    limits.transactions.some((limit) => isOf(limit, mode) && amountSats > limit.maxSats),
  );
  const problems = tooMuch.map(
    ({ settlementId, amountSats }) => `settlement ${settlementId} is for ${amountSats}, past its limit`,
  );
  for (const { limit } of limits.windows) {
    const counted = begun.filter(({ mode }) => isOf(limit, mode));
    for (const { at, settlementId } of counted) {
      const within = counted.filter((each) => each.at <= at && each.at > at - limit.seconds * SECOND_MS);
      const sats = within.reduce((sum, { amountSats }) => sum + amountSats, 0n);
      if (sats > limit.maxSats || within.length > (limit.countMax ?? within.length))
        problems.push(
          `with settlement ${settlementId} ${sats} sat in ${within.length} began within ${limit.seconds} s, past the limit`,
        );
    }
  }
  return problems;
}

/** When it began, if it was under these limits, and counts still: what has ended unpaid doesn't, nor does what a window or a default pays. */
function begunUnder(limits: SetLimits, settlement: LivingSettlement): readonly Begun[] {
  const { terms, status } = settlement;
  const at = settlement.transitions.find((transition) => transition.status === 'screening')?.at;
  if (terms.from !== limits.institutionId || at === undefined || UNPAID.includes(status)) return [];
  if (at <= limits.setAt || terms.netPayout !== undefined || terms.submittedBy === BY_DEFAULT) return [];
  const { mode, amountSats } = valued(terms);
  return [{ at, mode, amountSats, settlementId: terms.settlementId }];
}

/** A quote is good once, for as long as it is locked, and for both legs as it was quoted. */
function quoteProblems(all: readonly LivingSettlement[]): readonly string[] {
  const used = new Map<string, string>();
  return all.flatMap(({ terms: { settlementId, units, reverses, expiresAt }, transitions }) => {
    const quoteId = units?.exchange?.quoteId;
    // What pays it back was quoted nothing, and has an end of its own.
    if (quoteId === undefined) return [];
    const settledAt = transitions.find(({ status }) => status === 'settled')?.at;
    const late =
      settledAt === undefined || (expiresAt !== undefined && settledAt < expiresAt)
        ? []
        : [`settlement ${settlementId} has settled at ${settledAt}, its quote ended at ${expiresAt}`];
    if (reverses !== undefined) return late;
    const before = used.get(quoteId);
    used.set(quoteId, settlementId);
    return before === undefined ? late : [...late, `quote ${quoteId} is used by ${before} and ${settlementId}`];
  });
}

/** What a quote says is what was exchanged at it, by whoever asked for it. */
async function quotedProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  const rows = await session.query<{ state: string }>(
    `SELECT state FROM stream_states WHERE starts_with(stream, 'quote/') ORDER BY stream`,
  );
  const quotes = new Map(
    rows.flatMap(({ state }) => {
      const quote = decodeJson(state) as Quote;
      return quote.status === 'none' ? [] : [[quote.terms.quoteId, quote] as const];
    }),
  );
  return all.flatMap(({ terms }) => {
    const exchanged = terms.units?.exchange;
    if (exchanged === undefined || terms.reverses !== undefined) return [];
    const quote = quotes.get(exchanged.quoteId);
    const isIts = quote?.status === 'used' && quote.settlementId === terms.settlementId;
    const isLocked = quote !== undefined && quote.terms.expiresAt === terms.expiresAt;
    const amounts = quote === undefined ? [] : [quote.terms.sell, quote.terms.buy].map(moneyName);
    const legs = legsOf(terms).map(({ money }) => moneyName(money));
    return isIts && isLocked && amounts.every((amount) => legs.includes(amount))
      ? []
      : [`settlement ${terms.settlementId} isn't what its quote ${exchanged.quoteId} says`];
  });
}

const moneyName = ({ unit, amount }: Money): string => `${amount} ${unit}`;

/** The highest credit line that each institution has ever had in each unit, by {@link lineName}: what is drawn stays drawn when it is lowered. */
export async function creditLinesHighest(session: Session): Promise<ReadonlyMap<string, bigint>> {
  const rows = await session.query<{ stream: string; data: string }>(
    `SELECT stream, data FROM events WHERE type IN ('institution_created', 'credit_line_set', 'unit_line_set') ORDER BY position`,
  );
  const highest = new Map<string, bigint>();
  for (const { stream, data } of rows) {
    const { limit, creditLineSats = 0n } = decodeJson(data) as {
      readonly limit?: Money;
      readonly creditLineSats?: bigint;
    };
    const { unit, amount } = limit ?? { unit: BTC, amount: creditLineSats };
    const name = lineName(stream.slice(stream.indexOf('/') + 1), unit);
    const before = highest.get(name) ?? 0n;
    highest.set(name, amount > before ? amount : before);
  }
  return highest;
}

export const lineName = (institutionId: string, unit: Unit): string => `${institutionId} ${unit}`;
