import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { type AmlBody, NOTHING } from '../commands.ts';
import { AML_STORE, type AmlStore } from '../tokens.ts';

const { DepositStatus } = settlementV1;

/** Deposits are monitored as soon as they are known. */
@Controller()
export class DepositMessages {
  readonly #store: AmlStore;

  constructor(@Inject(AML_STORE) store: AmlStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.deposit.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(commandsOf(messages, { interpret, type: TOPICS.deposit.message, schemaVersionMax: 1 }));
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<AmlBody> {
  const { outpoint, status, valueSats, institutionId } = settlementV1.DepositChanged.decode(payload);
  const isNew = status === DepositStatus.DEPOSIT_STATUS_DETECTED || status === DepositStatus.DEPOSIT_STATUS_CONFIRMED;
  if (!isNew) return command(NOTHING);
  return command({
    kind: 'monitor',
    subjectId: outpoint,
    subjectKind: 'deposit',
    amountSats: valueSats,
    institutions: institutionId === '' ? [] : [institutionId],
  });
}
