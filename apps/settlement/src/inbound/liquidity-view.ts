import { liquidityV1, toTimestamp } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { claimPath } from '@finality/ledger';
import { readBalances } from '@finality/ledger-store';
import type { Sats } from '@finality/kernel';
import { capOf, lineInForce, type Netting, termsOf } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { cappedPlaces, loadCapped } from '../store/capped.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { LEVELS } from '../store/liquidity-message.ts';
import { creditOf, readPledged } from './collateral-view.ts';
import type { Gateway } from './gateway.ts';
import { drawnSats, knownInstitution } from './institution-view.ts';

/** An institution's clearing balance as it is now, and what waits for it. @throws RefusalException NOT_FOUND */
export async function showLiquidity(gateway: Gateway, institutionId: string): Promise<liquidityV1.Liquidity> {
  const { creditLineSats, creditLineExpiresAt, watched } = await knownInstitution(gateway, institutionId);
  const terms = termsOf(await creditOf(gateway, institutionId));
  const { state: netting } = await gateway.reader.loadState(nettingStream, NETTING_ID);
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
      outgoing: await queued(session, 'payer_claim', claimPath(claim)),
      incoming: await queued(session, 'to_institution', institutionId),
      windowDebits: await debitsOf(session, netting, institutionId, gateway.env.config.policy.debitCapSats),
    };
  });
}

async function debitsOf(
  session: Session,
  netting: Netting,
  institutionId: string,
  everybodySats: Sats | undefined,
): Promise<liquidityV1.WindowDebit[]> {
  const capSats = capOf(netting, institutionId, everybodySats);
  if (capSats === undefined) return [];
  const places = cappedPlaces(netting, [institutionId], everybodySats);
  const positions = await loadCapped(session, places);
  return places.map(({ windowId }) => {
    const netSats = positions.netOf(windowId, institutionId);
    const leftSats = capSats + netSats;
    return { windowId, capSats, netSats, leftSats: leftSats > 0n ? leftSats : 0n };
  });
}

/** In satoshi: other units, and exchanges, wait by themselves. */
async function queued(
  session: Session,
  column: 'payer_claim' | 'to_institution',
  value: string,
): Promise<liquidityV1.Queued> {
  const [row] = await session.query<{ count: bigint; sum: bigint }>(
    `SELECT count(*) AS count, coalesce(sum(amount_sats), 0)::bigint AS sum FROM settlements
     WHERE status = 'queued' AND mode = 'centralized' AND payer_claim = 'clearing/' || from_institution AND ${column} = $1`,
    [value],
  );
  return { count: row!.count, sumSats: row!.sum };
}
