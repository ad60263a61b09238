import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { type AmlBody } from '../commands.ts';
import { AML_STORE, type AmlStore } from '../tokens.ts';

/** Settlements to be screened are monitored. */
@Controller()
export class ScreeningMessages {
  readonly #store: AmlStore;

  constructor(@Inject(AML_STORE) store: AmlStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.screening.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.screening.message, schemaVersionMax: 1 }),
    );
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<AmlBody> {
  const { settlementId, valueSats, fromInstitution, toInstitution } = settlementV1.ScreeningRequested.decode(payload);
  return command({
    kind: 'monitor',
    subjectId: settlementId,
    subjectKind: 'settlement',
    // 0 where nobody knows what it is worth: a person decides then, whatever is found here.
    amountSats: valueSats,
    institutions: [fromInstitution, toInstitution],
  });
}
