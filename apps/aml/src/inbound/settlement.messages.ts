import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { type AmlBody, NOTHING } from '../commands.ts';
import { AML_STORE, type AmlStore } from '../tokens.ts';

/** Settlements in screening are monitored. */
@Controller()
export class SettlementMessages {
  readonly #store: AmlStore;

  constructor(@Inject(AML_STORE) store: AmlStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.settlement.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.settlement.message, schemaVersionMax: 1 }),
    );
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<AmlBody> {
  const { settlement } = settlementV1.SettlementChanged.decode(payload);
  if (settlement === undefined) throw new Error('a change of a settlement says which');
  if (settlement.status !== settlementV1.SettlementStatus.SETTLEMENT_STATUS_SCREENING) return command(NOTHING);
  return command({
    kind: 'monitor',
    subjectId: settlement.settlementId,
    subjectKind: 'settlement',
    // In another unit: what it is worth. Where nobody knows, a person decides, whatever is found here.
    amountSats: settlement.valueSats ?? settlement.amountSats,
    institutions: [settlement.fromInstitution, settlement.toInstitution],
  });
}
