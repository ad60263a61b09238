import { settlementV1 } from '@finality/contracts';
import { poolQuery, type Session } from '@finality/event-store';
import { assert, type FieldError } from '@finality/kernel';
import { CoinBook, inputsOf, lockedCoins, type OfferedLineage } from '@finality/settlement';
import { loadCoins } from '../projections/coins.ts';
import { lineageStream } from '../store/streams.ts';
import { checkText } from './fields.ts';
import type { Gateway } from './gateway.ts';

const LINEAGE_ID_MAX = 128;

export const checkLineageId = (lineageId: string): FieldError | undefined =>
  checkText('lineage_id', lineageId, 1, LINEAGE_ID_MAX);

/** What a lineage keeps at this moment, and who wants it to be free. */
export async function lockedCoinsOf(gateway: Gateway, lineageId: string): Promise<settlementV1.LockedCoins> {
  const [view] = await lockedCoinsOfAll(gateway, [lineageId]);
  assert(view !== undefined, `lineage ${lineageId} was decided on`);
  return view;
}

/** In the order asked for; of lineages that have offered something. */
export async function lockedCoinsOfAll(
  { env: { pool }, reader }: Pick<Gateway, 'env' | 'reader'>,
  lineageIds: readonly string[],
): Promise<readonly settlementV1.LockedCoins[]> {
  const states = await reader.loadStates(lineageStream, lineageIds);
  const lineages = states.flatMap(({ state }) => ('versions' in state ? [state] : []));
  const session: Session = { query: (text, values) => poolQuery(pool, text, values) };
  const outpoints = lineages.flatMap((lineage) => inputsOf(lineage).map(({ outpoint }) => outpoint));
  const coins = new CoinBook(await loadCoins(session, { outpoints, txids: [], freeOf: [] }));
  return lineages.map((lineage) => viewOf(lineage, coins));
}

function viewOf(lineage: OfferedLineage, coins: CoinBook): settlementV1.LockedCoins {
  const { lineageId, walletId, status, release } = lineage;
  return {
    lineageId,
    walletId,
    isDead: status === 'dead',
    coins: lockedCoins({ coins }, lineage).map(({ outpoint, valueSats }) => ({ outpoint, valueSats })),
    release: release && {
      outpoints: [...release.outpoints],
      proposedBy: release.proposedBy,
      reason: release.reason,
      confirmedBy: release.confirmedBy ?? '',
      confirmationReason: release.confirmationReason ?? '',
    },
  };
}
