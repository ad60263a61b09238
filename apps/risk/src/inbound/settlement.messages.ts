import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { NOTHING, type RiskBody } from '../commands.ts';
import { RISK_STORE, type RiskStore } from '../tokens.ts';
import { sourcesOf } from './sources.ts';

const { SettlementMode, SettlementStatus } = settlementV1;

/** Settlements in screening are screened; approved ones become part of their payee's history. */
@Controller()
export class SettlementMessages {
  readonly #store: RiskStore;

  constructor(@Inject(RISK_STORE) store: RiskStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.settlement.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.settlement.message, schemaVersionMax: 1 }),
    );
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<RiskBody> {
  const { settlement, fundingSources, paidOutside } = settlementV1.SettlementChanged.decode(payload);
  if (settlement === undefined) throw new Error('a change of a settlement says which');
  const { settlementId, fromInstitution, toInstitution, settlementMode, status } = settlement;
  // In another unit: what it is worth. Where nobody knows, a person decides, whatever is found here.
  const amountSats = settlement.valueSats ?? settlement.amountSats;
  if (status === SettlementStatus.SETTLEMENT_STATUS_APPROVED) {
    return amountSats === 0n
      ? command(NOTHING)
      : command({ kind: 'count', settlementId, merchantId: toInstitution, amountSats });
  }
  if (status !== SettlementStatus.SETTLEMENT_STATUS_SCREENING) return command(NOTHING);
  const isLedgerOnly = settlementMode === SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
  return command({
    kind: 'screen',
    subject: { id: settlementId, kind: 'settlement' },
    amountSats,
    merchantId: toInstitution,
    institutions: [fromInstitution, toInstitution],
    sources: isLedgerOnly ? [] : sourcesOf(fundingSources),
    sourcesNote: isLedgerOnly ? 'settled on the ledger: no coins are spent' : 'no deposit from outside funds the coins',
    ...(paidOutside && { paidOutside: { script: paidOutside.script.toLowerCase(), address: paidOutside.address } }),
  });
}
