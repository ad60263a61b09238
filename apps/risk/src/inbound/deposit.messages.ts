import { settlementV1, TOPICS } from '@finality/contracts';
import type { Outcome } from '@finality/event-store';
import { command, commandsOf, type IncomingMessage, type Interpreted } from '@finality/messaging';
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { NOTHING, type RiskBody } from '../commands.ts';
import { RISK_STORE, type RiskStore } from '../tokens.ts';
import { sourcesOf } from './sources.ts';

const { DepositStatus } = settlementV1;

/** Deposits are screened as soon as they are known, on the scripts of the inputs that pay them. */
@Controller()
export class DepositMessages {
  readonly #store: RiskStore;

  constructor(@Inject(RISK_STORE) store: RiskStore) {
    this.#store = store;
  }

  @EventPattern(TOPICS.deposit.name)
  handle(@Payload() messages: readonly IncomingMessage[]): Promise<readonly Outcome<unknown>[]> {
    return this.#store.execute(commandsOf(messages, { interpret, type: TOPICS.deposit.message, schemaVersionMax: 1 }));
  }
}

export function interpret({ payload }: Pick<IncomingMessage, 'payload'>): Interpreted<RiskBody> {
  const { outpoint, status, valueSats, institutionId, fundingSources } = settlementV1.DepositChanged.decode(payload);
  const isNew = status === DepositStatus.DEPOSIT_STATUS_DETECTED || status === DepositStatus.DEPOSIT_STATUS_CONFIRMED;
  if (!isNew) return command(NOTHING);
  return command({
    kind: 'screen',
    subject: { id: outpoint, kind: 'deposit' },
    amountSats: valueSats,
    institutions: institutionId === '' ? [] : [institutionId],
    sources: sourcesOf(fundingSources),
    sourcesNote: 'newly mined: no input comes from an address',
  });
}
