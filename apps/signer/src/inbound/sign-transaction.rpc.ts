import { type ParsedTransaction, type SigningKey, signTransaction } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { assert, invalid, refusal, type Runtime, unwrap } from '@finality/kernel';
import { execute, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Account, SigningRequest } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import type { Keyring } from '../keyring.ts';
import { KEYRING, SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { parseSigningRequest } from './signing-request.ts';

/** Signs what the policy accepts, once the acceptance is durable. Signatures are deterministic, so that a repeat gives the same bytes. */
@Controller()
export class SignTransactionRpc {
  readonly #store: SignerStore;
  readonly #keyring: Keyring;
  readonly #env: Pick<ServiceEnv, 'runtime' | 'faults'>;

  constructor(
    @Inject(SIGNER_STORE) store: SignerStore,
    @Inject(KEYRING) keyring: Keyring,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#store = store;
    this.#keyring = keyring;
    this.#env = env;
  }

  @GrpcMethod('SigningService', 'signTransaction')
  async handle(request: signingV1.SignTransactionRequest): Promise<signingV1.SignTransactionResponse> {
    const parsed = parseSigningRequest(request);
    if (!parsed.ok) throw new RefusalException(invalid(...parsed.error));
    const runtime: Runtime = this.#env.runtime;
    const cause = causeOfCall(runtime, 'settlement', parsed.value.lineageId);
    const answer = await execute(this.#store, { body: { kind: 'sign', request: parsed.value }, cause });
    assert('reply' in answer, 'a request to sign has no idempotency key');
    const { reply } = answer;
    if (reply.kind === 'refused') {
      throw new RefusalException(refusal('failed_precondition', reply.refused.rule, reply.refused.message));
    }
    assert(reply.kind === 'accepted', `a request to sign is decided, not answered by ${reply.kind}`);
    this.#env.faults?.at('signer.journaled');
    const signed = this.#sign(parsed.value, reply.account);
    assert(signed.txid === reply.txid, 'what is signed is what was accepted');
    return { signedTransaction: Buffer.from(signed.raw), txid: signed.txid };
  }

  #sign(request: SigningRequest, account: Account): ParsedTransaction {
    const key = this.#keyring.key(account);
    const prevouts = request.inputs.map(({ valueSats, branch, index }) => ({
      valueSats,
      script: this.#keyring.scriptOf(account, branch, index),
    }));
    const keyFor = (i: number): SigningKey => {
      const { branch, index } = request.inputs[i]!;
      return key.signingKey(branch, index);
    };
    return unwrap(signTransaction({ unsigned: request.unsignedTransaction, prevouts, keyFor }));
  }
}
