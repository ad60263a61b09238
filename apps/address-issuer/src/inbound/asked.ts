import type { Principal, Runtime } from '@finality/kernel';
import { callContext } from '@finality/service';
import type { Asked } from '../issuing.ts';
import { principalName } from './validation.ts';

/** What a public call knows of itself, for the commands it leads to. */
export function askedBy(
  principal: Principal,
  rpc: string,
  idempotencyKey: string,
  call: object,
  runtime: Runtime,
): Asked {
  const { correlationId, traceparent, signal } = callContext(call);
  const role = principal.roles[0] ?? 'institution';
  const id = principal.institutionId ?? principal.keyId;
  const cause = {
    actor: { kind: role, id },
    occurredAt: runtime.now(),
    correlationId,
    causationId: runtime.id(),
    traceparent,
  };
  return { principal: principalName(principal), rpc, idempotencyKey, cause, signal };
}
