import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { journalHandOut } from './journal-hand-out.ts';
import { psbtAgain, settlementPsbt } from './psbt-view.ts';

/** The payer fetches what it is to sign. It is committed to here, and in the signer's journal, before it leaves: each time, so that a crash in between needs nothing but asking again. */
@Controller()
export class PreparePsbtRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'preparePsbt')
  async handle(
    request: settlementV1.PreparePsbtRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.SettlementPsbt> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { settlementId, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkId('settlement_id', settlementId));
    const body = { type: 'prepare_psbt', settlementId, caller } as const;
    const decided = await this.#gateway.decide(body, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'PreparePsbt',
      key: idempotencyKey,
      resourceId: settlementId,
      fields: { version: '1', settlement_id: settlementId },
    });
    // Put into the journal once more: a crash may have come before it was.
    const before = (): Promise<unknown> => journalHandOut(this.#gateway, settlementId);
    if ('repeated' in decided) return psbtAgain(this.#gateway, settlementId, { before });
    this.#gateway.env.faults?.at('settlement.psbt-committed');
    const version = await journalHandOut(this.#gateway, settlementId);
    this.#gateway.env.faults?.at('settlement.hand-out-journaled');
    return settlementPsbt(this.#gateway, settlementId, version);
  }
}
