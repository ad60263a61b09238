import type { Session } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import type { ChainTip } from '@finality/settlement';
import { CHAIN_TIP_ID, chainTipStream } from './streams.ts';

/** Of the ledger's own place on the chain; -1 before the first block. */
export async function tipHeight(session: Session): Promise<number> {
  const stream = `${chainTipStream.aggregate.name}/${CHAIN_TIP_ID}`;
  const [row] = await session.query<{ state: string }>('SELECT state FROM stream_states WHERE stream = $1', [stream]);
  return row === undefined ? -1 : (decodeJson(row.state) as ChainTip).height;
}
