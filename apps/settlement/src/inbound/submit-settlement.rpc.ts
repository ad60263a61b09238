import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { Admission } from '../admission.ts';
import { Gateway } from './gateway.ts';
import { parseSubmission } from './submission.ts';

/** Answers once `received` is durable. */
@Controller()
export class SubmitSettlementRpc {
  readonly #gateway: Gateway;
  readonly #admission: Admission;

  constructor(@Inject(Gateway) gateway: Gateway, @Inject(Admission) admission: Admission) {
    this.#gateway = gateway;
    this.#admission = admission;
  }

  @GrpcMethod('SettlementService', 'submitSettlement')
  async handle(
    request: settlementV1.SubmitSettlementRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const parsed = parseSubmission(request, caller, this.#gateway.env.runtime.id());
    if (!parsed.ok) throw toRpcException(parsed.error);
    const full = this.#admission.admit();
    if (full !== undefined) throw toRpcException(full);
    const { submission, idempotency } = parsed.value;
    return this.#gateway.decideSettlement(
      { type: 'submit', submission },
      this.#gateway.cause(caller, call),
      idempotency,
    );
  }
}
