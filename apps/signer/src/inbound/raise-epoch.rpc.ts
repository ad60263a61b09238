import type { signingV1 } from '@finality/contracts';
import { assert, fieldError, invalid, type Runtime } from '@finality/kernel';
import { execute, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';

/** No store has been restored a million times. */
const EPOCH_MAX = 1_000_000;

/** A new epoch, above all before. Asked again, it gives another one: numbers may be left out. */
@Controller()
export class RaiseEpochRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'raiseEpoch')
  async handle({ above }: signingV1.RaiseEpochRequest): Promise<signingV1.RaiseEpochResponse> {
    if (!Number.isInteger(above) || above < 0 || above > EPOCH_MAX)
      throw new RefusalException(invalid(fieldError('above', `expected 0 to ${EPOCH_MAX}, got ${above}`)));
    const cause = causeOfCall(this.#runtime, 'settlement', this.#runtime.id());
    const answer = await execute(this.#store, { body: { kind: 'raise_epoch', above }, cause });
    assert('reply' in answer && answer.reply.kind === 'epoch', 'raising the epoch gives one');
    return { epoch: answer.reply.epoch };
  }
}
