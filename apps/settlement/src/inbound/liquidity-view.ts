import { liquidityV1, toTimestamp } from '@finality/contracts';
import { readBalances } from '@finality/ledger-store';
import { lineInForce, lineIn, termsOf } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { LEVELS } from '../store/liquidity-message.ts';
import { creditOf, readPledged } from './collateral-view.ts';
import type { Gateway } from './gateway.ts';
import { drawnSats, knownInstitution } from './institution-view.ts';
import { NOBODY, readWaiting, showUnits, type Waiting } from './unit-liquidity-view.ts';

/** An institution's clearing balances as they are now, and what waits for them. @throws RefusalException NOT_FOUND */
export async function showLiquidity(gateway: Gateway, institutionId: string): Promise<liquidityV1.Liquidity> {
  const { creditLineSats, creditLineExpiresAt, unitLines, watched } = await knownInstitution(gateway, institutionId);
  const terms = termsOf(await creditOf(gateway, institutionId));
  return readTransaction(gateway.env.pool, async (session) => {
    const claim = { kind: 'clearing', institutionId } as const;
    const [balance] = await readBalances(session, [claim]);
    const { available, reserved } = balance!;
    const { collateral } = await readPledged(session, institutionId);
    const inForce = lineInForce(creditLineSats, terms, collateral);
    const drawn = drawnSats(balance!);
    const waiting = await readWaiting(session, institutionId);
    const { outgoing, incoming } = waiting.get(lineIn(institutionId)) ?? NOBODY;
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
      outgoing: queuedMessage(outgoing),
      incoming: queuedMessage(incoming),
      units: await showUnits(session, institutionId, unitLines, waiting),
    };
  });
}

const queuedMessage = ({ count, sum }: Waiting['outgoing']): liquidityV1.Queued => ({ count, sumSats: sum });
