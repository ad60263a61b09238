import type { Metadata } from '@grpc/grpc-js';
import type { CauseContext, Principal, Role } from '@finality/kernel';
import { assert, refusal } from '@finality/kernel';
import type { IdempotencyClaim } from '@finality/event-store';
import { type Authenticator, callContext, execute, SERVICE_ENV, toRpcException } from '@finality/service';
import { living, type LivingSettlement } from '@finality/settlement';
import { Inject, Injectable } from '@nestjs/common';
import {
  AUTHENTICATOR,
  READER,
  type SettlementEnv,
  type SettlementReader,
  type SettlementStore,
  STORE,
} from '../env.ts';
import type { SettlementCommand, SettlementReply } from '../store/commands.ts';
import { settlementMessage } from '../store/messages.ts';
import { settlementStream } from '../store/streams.ts';
import { ShownHeight } from '../shown-height.ts';
import type { settlementV1 } from '@finality/contracts';

/** What every RPC of this service does around its own work: who calls, why it happens, how it is decided, what is shown. */
@Injectable()
export class Gateway {
  readonly env: SettlementEnv;
  readonly store: SettlementStore;
  readonly reader: SettlementReader;
  readonly #authenticator: Authenticator;
  readonly #shownHeight: ShownHeight;

  constructor(
    @Inject(SERVICE_ENV) env: SettlementEnv,
    @Inject(STORE) store: SettlementStore,
    @Inject(READER) reader: SettlementReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(ShownHeight) shownHeight: ShownHeight,
  ) {
    this.env = env;
    this.store = store;
    this.reader = reader;
    this.#authenticator = authenticator;
    this.#shownHeight = shownHeight;
  }

  /** The caller, who has one of these roles. @throws RefusalException */
  caller(metadata: Metadata, ...roles: readonly Role[]): Promise<Principal> {
    return this.#authenticator.caller(metadata, ...roles);
  }

  cause(caller: Principal, call: object): CauseContext {
    const { correlationId, traceparent } = callContext(call);
    return {
      actor: { kind: caller.roles[0] ?? 'institution', id: caller.keyId },
      occurredAt: this.env.runtime.now(),
      correlationId,
      causationId: correlationId,
      traceparent,
    };
  }

  /** The reply, or the id of what an earlier request with this key has made. @throws RefusalException */
  decide(
    body: SettlementCommand,
    cause: CauseContext,
    idempotency: IdempotencyClaim,
  ): Promise<{ reply: SettlementReply } | { repeated: string }> {
    return execute(this.store, { body, cause, idempotency });
  }

  /** Decides something about a settlement and shows it in its present state. */
  async decideSettlement(
    body: SettlementCommand,
    cause: CauseContext,
    idempotency: IdempotencyClaim,
  ): Promise<settlementV1.Settlement> {
    const decided = await this.decide(body, cause, idempotency);
    if ('repeated' in decided) return this.show(await this.settlement(decided.repeated));
    assert(decided.reply.type === 'settlement', 'a settlement was decided on');
    return this.show(decided.reply.settlement);
  }

  /** @throws RefusalException NOT_FOUND */
  async settlement(settlementId: string): Promise<LivingSettlement> {
    const { state } = await this.reader.loadState(settlementStream, settlementId);
    if (state.status === 'none') throw unknownSettlement(settlementId);
    return living(state);
  }

  async show(settlement: LivingSettlement): Promise<settlementV1.Settlement> {
    return settlementMessage(settlement, await this.tipHeight());
  }

  tipHeight(): Promise<number> {
    return this.#shownHeight.now();
  }
}

/** Idempotency keys are an institution's own, whichever of its API keys it uses; a person's are that person's. */
export const scopeOf = (caller: Principal): string => caller.institutionId ?? caller.keyId;

/** Payer and payee read a settlement, whoever quoted it, and those who run the platform. */
export function mayRead(caller: Principal, settlement: LivingSettlement): boolean {
  if (caller.roles.some((role) => role !== 'institution')) return true;
  const { from, to, units } = settlement.terms;
  return [from, to, units?.exchange?.makerId].includes(caller.institutionId ?? '');
}

export const unknownSettlement = (settlementId: string): Error =>
  toRpcException(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));
