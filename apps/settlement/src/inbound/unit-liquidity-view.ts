import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { BTC, clearingClaim, type ClaimBalance, TRANSFER_AMOUNT_MAX, type Unit } from '@finality/ledger';
import { clearingUnits, readBalances } from '@finality/ledger-store';
import {
  type CreditTerms,
  type Institution,
  lineIn,
  lineInForce,
  termsIn,
  type UnitLine,
  unitOfLine,
  type WatchedLiquidity,
  watchedIn,
} from '@finality/settlement';
import { readPledgedIn } from './collateral-view.ts';
import { LEVELS } from '../store/liquidity-message.ts';
import { drawnSats as drawnOf } from './institution-view.ts';

/** What waits for a clearing balance, and what waits to come in there. */
export interface Waiting {
  readonly outgoing: Queued;
  readonly incoming: Queued;
}

interface Queued {
  readonly count: bigint;
  readonly sum: bigint;
}

export const NOBODY: Waiting = { outgoing: { count: 0n, sum: 0n }, incoming: { count: 0n, sum: 0n } };

interface QueuedRow extends Queued {
  readonly way: keyof Waiting;
  readonly line: string;
}

type KnownInstitution = Exclude<Institution, { status: 'none' }>;

const TOTALS = `count(*) AS count, least(sum(amount), ${TRANSFER_AMOUNT_MAX})::bigint AS sum`;

/** What is given for another unit comes in with that, and isn't counted as coming. */
const QUEUED = `
  SELECT 'outgoing' AS way, payer_claim AS line, ${TOTALS} FROM settlements
  WHERE status = 'queued' AND mode = 'centralized' AND from_institution = $1 GROUP BY payer_claim
  UNION ALL
  SELECT 'incoming', 'clearing/' || $1 || substr(payer_claim, length('clearing/' || from_institution) + 1) AS line, ${TOTALS} FROM settlements
  WHERE status = 'queued' AND mode = 'centralized' AND to_institution = $1 AND NOT exchanges GROUP BY 2`;

/** By line of the institution's, those where anything waits. */
export async function readWaiting(session: Session, institutionId: string): Promise<ReadonlyMap<string, Waiting>> {
  const lines = new Map<string, Waiting>();
  for (const { line, way, count, sum } of await session.query<QueuedRow>(QUEUED, [institutionId]))
    lines.set(line, { ...(lines.get(line) ?? NOBODY), [way]: { count, sum } });
  return lines;
}

/** Clearing balances in other units than BTC that there is something to be said of. */
export async function showUnits(
  session: Session,
  { institutionId, unitLines, watched }: KnownInstitution,
  waiting: ReadonlyMap<string, Waiting>,
  terms: CreditTerms,
): Promise<liquidityV1.UnitLiquidity[]> {
  const known = [
    ...(await clearingUnits(session, institutionId)),
    ...unitLines.map(({ limit }) => limit.unit),
    ...watched.map(({ unit }) => unit),
    ...[...waiting.keys()].map(unitOfLine),
  ];
  const units = [...new Set(known)].filter((unit) => unit !== BTC).sort();
  const balances = await readBalances(
    session,
    units.map((unit) => clearingClaim(institutionId, unit)),
  );
  const collateral = await readPledgedIn(session, institutionId, 'collateral', units);
  return units.map((unit, i) => {
    const line = unitLines.find(({ limit }) => limit.unit === unit);
    const inForce = lineInForce(line?.limit.amount ?? 0n, termsIn(terms, unit), collateral[i]!);
    const shown = unitMessage(
      unit,
      balances[i]!,
      { ...line, inForce },
      waiting.get(lineIn(institutionId, unit)) ?? NOBODY,
    );
    return { ...shown, ...showWatched(watched, unit) };
  });
}

type Watched = Pick<liquidityV1.UnitLiquidity, 'alerts' | 'level'>;

/** What somebody wants to be told of it, and was told last. */
export function showWatched(all: readonly WatchedLiquidity[], unit: Unit): Watched {
  const watched = watchedIn(all, unit);
  if (watched === undefined)
    return { alerts: undefined, level: liquidityV1.LiquidityLevel.LIQUIDITY_LEVEL_UNSPECIFIED };
  return { alerts: watched.alerts, level: LEVELS[watched.level] };
}

function unitMessage(
  unit: Unit,
  balance: ClaimBalance,
  { limit: granted, inForce, expiresAt }: Partial<UnitLine> & { readonly inForce: bigint },
  { outgoing, incoming }: Waiting,
): Omit<liquidityV1.UnitLiquidity, keyof Watched> {
  const { available, reserved } = balance;
  const drawn = drawnOf(balance);
  return {
    unit,
    available,
    reserved,
    spendable: available + inForce,
    creditLine: {
      limit: granted?.amount ?? 0n,
      drawn,
      left: inForce > drawn ? inForce - drawn : 0n,
      expiresAt: expiresAt === undefined ? undefined : toTimestamp(expiresAt),
      inForce,
    },
    outgoing,
    incoming,
  };
}
