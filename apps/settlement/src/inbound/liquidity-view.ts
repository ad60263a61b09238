import { type liquidityV1, toTimestamp } from '@finality/contracts';
import { readBalances } from '@finality/ledger-store';
import type { Session } from '@finality/event-store';
import type { Sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { capOf, lineInForce, lineIn, type Netting, termsOf, unitOfLine } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { cappedPlaces, loadCapped } from '../store/capped.ts';
import { atMost } from '../store/window-messages.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { creditOf, readPledged } from './collateral-view.ts';
import type { Gateway } from './gateway.ts';
import { drawnSats, knownInstitution } from './institution-view.ts';
import { NOBODY, readWaiting, showUnits, showWatched, type Waiting } from './unit-liquidity-view.ts';

/** An institution's clearing balances as they are now, and what waits for them. @throws RefusalException NOT_FOUND */
export async function showLiquidity(gateway: Gateway, institutionId: string): Promise<liquidityV1.Liquidity> {
  const institution = await knownInstitution(gateway, institutionId);
  const { creditLineSats, creditLineExpiresAt, watched } = institution;
  const terms = termsOf(await creditOf(gateway, institutionId));
  const { state: netting } = await gateway.reader.loadState(nettingStream, NETTING_ID);
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
      ...showWatched(watched, BTC),
      outgoing: queuedMessage(outgoing),
      incoming: queuedMessage(incoming),
      units: await showUnits(session, institution, waiting, terms),
      windowDebits: await debitsOf(session, netting, institutionId, gateway.env.config.policy.debitCapSats),
    };
  });
}

const queuedMessage = ({ count, sum }: Waiting['outgoing']): liquidityV1.Queued => ({ count, sumSats: sum });

async function debitsOf(
  session: Session,
  netting: Netting,
  institutionId: string,
  everybodySats: Sats | undefined,
): Promise<liquidityV1.WindowDebit[]> {
  const units = new Set([BTC, ...Object.keys(netting.caps).map(unitOfLine)]);
  const balances = [...units].sort().map((unit) => ({ institutionId, unit }));
  const places = cappedPlaces(netting, balances, everybodySats);
  const positions = await loadCapped(session, places);
  return places.map((place) => {
    const cap = capOf(netting, institutionId, place.unit, everybodySats) ?? 0n;
    const net = positions.netOf(place);
    const left = cap + net;
    return { windowId: place.windowId, unit: place.unit, cap, net: atMost(net), left: atMost(left > 0n ? left : 0n) };
  });
}
