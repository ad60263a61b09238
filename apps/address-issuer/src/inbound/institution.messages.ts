import type { InstitutionStatus } from '@finality/address';
import { institutionV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted, unknownMessage } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import type { IssuerBody, IssuerReply, IssuerStore } from '../commands.ts';
import { ISSUER_STORE } from '../tokens.ts';

const { InstitutionStatus: Status } = institutionV1;

const STATUSES: Readonly<Partial<Record<institutionV1.InstitutionStatus, InstitutionStatus>>> = {
  [Status.INSTITUTION_STATUS_ACTIVE]: 'active',
  [Status.INSTITUTION_STATUS_FROZEN]: 'frozen',
  [Status.INSTITUTION_STATUS_CLOSED]: 'closed',
};

/** Which institutions there are, and which may be given anything. */
@Controller()
export class InstitutionMessages {
  readonly #store: IssuerStore;

  constructor(@Inject(ISSUER_STORE) store: IssuerStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.institution.name)
  handle(messages: readonly IncomingMessage[]): Promise<readonly Outcome<IssuerReply>[]> {
    return this.#store.execute(
      commandsOf(messages, { interpret, type: TOPICS.institution.message, schemaVersionMax: 1 }),
    );
  }
}

function interpret({ payload }: IncomingMessage): Interpreted<IssuerBody> {
  const { institution } = institutionV1.InstitutionChanged.decode(payload);
  if (!institution) throw new Error('expected an institution');
  const status = STATUSES[institution.status];
  return status
    ? command({ kind: 'note_institution', institutionId: institution.institutionId, status })
    : unknownMessage;
}
