import type { ledgerV1 } from '@finality/contracts';
import { assert, fieldError, type FieldError, type Instant, invalid, refusal } from '@finality/kernel';
import type { LedgerHead } from '@finality/ledger';
import { execute, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import type { Keyring } from '../keyring.ts';
import { KEYRING, SIGNER_STORE, type SignerStore } from '../tokens.ts';

/** Signs one past of the ledger, and no other. Ed25519 is deterministic: a repeat gives the same bytes. */
@Controller()
export class SignLedgerHeadRpc {
  readonly #store: SignerStore;
  readonly #keyring: Keyring;
  readonly #env: Pick<ServiceEnv, 'runtime'>;

  constructor(
    @Inject(SIGNER_STORE) store: SignerStore,
    @Inject(KEYRING) keyring: Keyring,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#store = store;
    this.#keyring = keyring;
    this.#env = env;
  }

  @GrpcMethod('SigningService', 'signLedgerHead')
  async handle(request: ledgerV1.LedgerHead): Promise<ledgerV1.SignedLedgerHead> {
    const errors = errorsOf(request);
    if (errors.length > 0) throw new RefusalException(invalid(...errors));
    const { sealedAtMs, ...fields } = request;
    const head: LedgerHead = { ...fields, sealedAt: Number(sealedAtMs) as Instant };
    const cause = causeOfCall(this.#env.runtime, 'settlement', `ledger-head-${head.segment}`);
    const answer = await execute(this.#store, { body: { kind: 'sign_head', head }, cause });
    assert('reply' in answer, 'a head is decided on');
    const { reply } = answer;
    if (reply.kind === 'refused')
      throw new RefusalException(refusal('failed_precondition', reply.refused.rule, reply.refused.message));
    assert(reply.kind === 'head_accepted', 'a head gets the answer to a head');
    return { head: request, ...this.#keyring.signHead(head) };
  }
}

const HASH = /^[0-9a-f]{64}$/;

function errorsOf(head: ledgerV1.LedgerHead): readonly FieldError[] {
  const hashes = (['previous', 'root', 'chain', 'eventHash'] as const).filter((name) => !HASH.test(head[name]));
  const numbers = (['epoch', 'segment', 'firstEntry', 'lastEntry', 'position', 'sealedAtMs'] as const).filter(
    (name) => head[name] < 1,
  );
  return [
    ...hashes.map((name) => fieldError(name, 'expected the hex of 32 bytes')),
    ...numbers.map((name) => fieldError(name, `expected at least 1, got ${head[name]}`)),
  ];
}
