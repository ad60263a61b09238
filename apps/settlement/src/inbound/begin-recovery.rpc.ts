import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { RecoveryGate } from '../recovery-gate.ts';
import { beginRecovery } from '../workers/recover.ts';
import { checkReason, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { recoveryNow } from './recovery-view.ts';

/** For a store that was restored without a trace: nothing was signed since its copy was made, but others have heard what it said. */
@Controller()
export class BeginRecoveryRpc {
  readonly #gateway: Gateway;
  readonly #gate: RecoveryGate;

  constructor(@Inject(Gateway) gateway: Gateway, @Inject(RecoveryGate) gate: RecoveryGate) {
    this.#gateway = gateway;
    this.#gate = gate;
  }

  @GrpcMethod('OperationsService', 'beginRecovery')
  async handle(
    { reason, epoch }: settlementV1.BeginRecoveryRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Recovery> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    refuseInvalid(checkReason(reason, 1));
    const { env, store, reader } = this.#gateway;
    const now = await reader.head();
    if (epoch !== now.epoch) {
      const message = `expected the present epoch, ${now.epoch}, got ${epoch}`;
      throw toRpcException(refusal('failed_precondition', 'EPOCH_IS_OVER', message));
    }
    if (!this.#gate.isOpen) throw this.#gate.refusal();
    // At once: nothing is to be decided under the old numbers any more.
    this.#gate.become('importing');
    await beginRecovery(env, store, reader, { reason, cause: this.#gateway.cause(caller, call) });
    return recoveryNow(reader);
  }
}
