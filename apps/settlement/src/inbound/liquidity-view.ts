import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { readBalances } from '@finality/ledger-store';
import { lineInForce, lineIn, termsOf } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { LEVELS } from '../store/liquidity-message.ts';
import { creditOf, readPledged } from './collateral-view.ts';
import type { Gateway } from './gateway.ts';
import { drawnSats, knownInstitution } from './institution-view.ts';

/** An institution's clearing balance as it is now, and what waits for it. @throws RefusalException NOT_FOUND */
export async function showLiquidity(gateway: Gateway, institutionId: string): Promise<liquidityV1.Liquidity> {
  const { creditLineSats, creditLineExpiresAt, watched } = await knownInstitution(gateway, institutionId);
  const terms = termsOf(await creditOf(gateway, institutionId));
  return readTransaction(gateway.env.pool, async (session) => {
    const claim = { kind: 'clearing', institutionId } as const;
    const [balance] = await readBalances(session, [claim]);
    const { available, reserved } = balance!;
    const { collateral } = await readPledged(session, institutionId);
    const inForce = lineInForce(creditLineSats, terms, collateral);
    const drawn = drawnSats(balance!);
    return {
      institutionId,
      availableSats: available,
      reservedSats: reserved,
      spendableSats: available + inForce,
      creditLine: {
        limitSats: creditLineSats,
        drawnSats: drawn,
        leftSats: inForce > drawn ? inForce - drawn : 0n,
        inForceSats: inForce,
        expiresAt: creditLineExpiresAt === undefined ? undefined : toTimestamp(creditLineExpiresAt),
      },
      alerts: watched?.alerts,
      level: watched === undefined ? liquidityV1.LiquidityLevel.LIQUIDITY_LEVEL_UNSPECIFIED : LEVELS[watched.level],
      outgoing: await queuedIn(session, lineIn(institutionId)),
      incoming: await queuedFor(session, institutionId),
    };
  });
}

/** What waits in a line. */
async function queuedIn(session: Session, line: string): Promise<liquidityV1.Queued> {
  const [row] = await session.query<QueuedRow>(`${QUEUED} AND payer_claim = $1`, [line]);
  return { count: row!.count, sumSats: row!.sum };
}

/** In satoshi, from whoever pays; what is given for another unit comes with that. */
async function queuedFor(session: Session, institutionId: string): Promise<liquidityV1.Queued> {
  const [row] = await session.query<QueuedRow>(
    `${QUEUED} AND payer_claim = 'clearing/' || from_institution AND to_institution = $1 AND NOT exchanges`,
    [institutionId],
  );
  return { count: row!.count, sumSats: row!.sum };
}

interface QueuedRow {
  readonly count: bigint;
  readonly sum: bigint;
}

const QUEUED = `SELECT count(*) AS count, coalesce(sum(amount), 0)::bigint AS sum FROM settlements WHERE status = 'queued' AND mode = 'centralized'`;
