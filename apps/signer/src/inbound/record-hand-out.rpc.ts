import { parseScriptHex, type ScriptHex } from '@finality/bitcoin';
import { signingV1 } from '@finality/contracts';
import { assert, err, type FieldError, invalid, ok, refusal, type Result } from '@finality/kernel';
import { execute, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { HandOut } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { causeOfCall } from '../cause.ts';
import { SIGNER_STORE, type SignerStore } from '../tokens.ts';
import { Fields, parseSigningRequest } from './signing-request.ts';

/** Once it has answered, the transaction may leave to the owner of its keys: whatever is forgotten elsewhere, it is known here. */
@Controller()
export class RecordHandOutRpc {
  readonly #store: SignerStore;
  readonly #env: Pick<ServiceEnv, 'runtime' | 'faults'>;

  constructor(@Inject(SIGNER_STORE) store: SignerStore, @Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#store = store;
    this.#env = env;
  }

  @GrpcMethod('SigningService', 'recordHandOut')
  async handle(request: signingV1.RecordHandOutRequest): Promise<signingV1.RecordHandOutResponse> {
    const parsed = parseHandOut(request);
    if (!parsed.ok) throw new RefusalException(invalid(...parsed.error));
    const handOut = parsed.value;
    const cause = causeOfCall(this.#env.runtime, 'settlement', handOut.request.lineageId);
    const answer = await execute(this.#store, { body: { kind: 'record_hand_out', handOut }, cause });
    assert('reply' in answer, 'a hand-out has no idempotency key');
    const { reply } = answer;
    if (reply.kind === 'refused')
      throw new RefusalException(refusal('failed_precondition', reply.refused.rule, reply.refused.message));
    this.#env.faults?.at('signer.hand-out-journaled');
    return {};
  }
}

function parseHandOut({
  request,
  institutionId,
  inputScripts,
}: signingV1.RecordHandOutRequest): Result<HandOut, readonly FieldError[]> {
  const parsed = parseSigningRequest(request ?? signingV1.SignTransactionRequest.create());
  if (!parsed.ok) return parsed;
  const fields = new Fields();
  const { length } = parsed.value.inputs;
  fields.check(inputScripts.length === length, 'input_scripts', `expected ${length}, got ${inputScripts.length}`);
  const scripts = inputScripts.slice(0, length).map((text, i): ScriptHex => {
    const script = parseScriptHex(text);
    fields.check(script.ok, `input_scripts[${i}]`, script.ok ? '' : script.error.message);
    return script.ok ? script.value : ('' as ScriptHex);
  });
  const handOut = {
    request: parsed.value,
    institutionId: fields.id(institutionId, 'institution_id'),
    inputScripts: scripts,
  };
  return fields.errors.length === 0 ? ok(handOut) : err(fields.errors);
}
