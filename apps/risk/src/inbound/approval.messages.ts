import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { NOTHING, type RiskBody } from '../commands.ts';
import { RISK_STORE, type RiskStore } from '../tokens.ts';

/** Approved settlements become part of their payee’s history. */
@Controller()
export class ApprovalMessages {
  readonly #store: RiskStore;

  constructor(@Inject(RISK_STORE) store: RiskStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.approval.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(commandsOf(messages, { interpret, type: TOPICS.approval.message, schemaVersionMax: 1 }));
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<RiskBody> {
  const { settlementId, toInstitution, valueSats } = settlementV1.SettlementApproved.decode(payload);
  if (valueSats === 0n) return command(NOTHING);
  return command({ kind: 'count', settlementId, merchantId: toInstitution, amountSats: valueSats });
}
