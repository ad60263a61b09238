import type { signingV1 } from '@finality/contracts';
import { assert, type FieldError, fieldError, invalid, type Runtime } from '@finality/kernel';
import { execute, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';

const ID_LENGTH_MAX = 128;

/** A new account for a wallet; the same wallet gives the same account. */
@Controller()
export class CreateAccountRpc {
  readonly #store: SignerStore;
  readonly #runtime: Runtime;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('SigningService', 'createAccount')
  async handle(request: signingV1.CreateAccountRequest): Promise<signingV1.Account> {
    const { walletId, institutionId, scriptType } = request;
    const errors = [...idErrors('wallet_id', walletId), ...idErrors('institution_id', institutionId)];
    if (scriptType !== 'wpkh' && scriptType !== 'tr') {
      throw new RefusalException(invalid(...errors, fieldError('script_type', 'expected wpkh or tr')));
    }
    if (errors.length > 0) throw new RefusalException(invalid(...errors));
    const body = { kind: 'create_account', walletId, institutionId, scriptType } as const;
    const cause = causeOfCall(this.#runtime, 'address-issuer', walletId);
    const answer = await execute(this.#store, { body, cause });
    assert('reply' in answer && answer.reply.kind === 'account', 'creating an account gives one');
    const { external, internal } = answer.reply.account;
    return { walletId, externalDescriptor: external, internalDescriptor: internal };
  }
}

function idErrors(field: string, value: string): readonly FieldError[] {
  if (value.length >= 1 && value.length <= ID_LENGTH_MAX) return [];
  return [fieldError(field, `expected 1 to ${ID_LENGTH_MAX} characters, got ${value.length}`)];
}
