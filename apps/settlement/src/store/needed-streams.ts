import type { Needs } from './needs.ts';
import {
  apiKeyStream,
  CHAIN_TIP_ID,
  chainTipStream,
  depositStream,
  institutionStream,
  LEDGER_ID,
  limitsStream,
  lineageStream,
  paymentRulesStream,
  RECOVERY_ID,
  recoveryStream,
  sealsStream,
  settlementStream,
} from './streams.ts';

/** What an institution may pay, and whom. */
const PAYER_STREAMS = [limitsStream, paymentRulesStream];

/** Of all that is known to be needed by now. */
export function streamsOf(needs: Needs): readonly string[] {
  return [
    ...[...needs.settlements].map((id) => `${settlementStream.aggregate.name}/${id}`),
    ...[...needs.institutions].map((id) => `${institutionStream.aggregate.name}/${id}`),
    ...[...needs.payers].flatMap((id) => PAYER_STREAMS.map(({ aggregate }) => `${aggregate.name}/${id}`)),
    ...[...needs.lineages].map((id) => `${lineageStream.aggregate.name}/${id}`),
    ...[...needs.deposits].map((id) => `${depositStream.aggregate.name}/${id}`),
    ...needs.exchange.streams(),
    ...needs.proposals.streams(),
    ...needs.windows.streams(needs.reserving.size + needs.credit.unwindable.size > 0),
    ...needs.credit.streams(),
    ...[...needs.apiKeys].map((id) => `${apiKeyStream.aggregate.name}/${id}`),
    ...(needs.recovery ? [`${recoveryStream.aggregate.name}/${RECOVERY_ID}`] : []),
    ...(needs.seals ? [`${sealsStream.aggregate.name}/${LEDGER_ID}`] : []),
    ...(needs.chain ? [`${chainTipStream.aggregate.name}/${CHAIN_TIP_ID}`] : []),
  ];
}
