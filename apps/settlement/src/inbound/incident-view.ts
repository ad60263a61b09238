import type { settlementV1 } from '@finality/contracts';
import type { SettlementReader } from '../env.ts';
import { openIncident } from '../store/messages.ts';
import { CHAIN_TIP_ID, chainTipStream } from '../store/streams.ts';

/** Those that nobody has confirmed yet, oldest first. */
export async function openIncidents(reader: SettlementReader): Promise<settlementV1.Incident[]> {
  const { state } = await reader.loadState(chainTipStream, CHAIN_TIP_ID);
  return state.incidents.map(openIncident);
}
