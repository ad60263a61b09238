import type { CauseContext, Runtime } from '@finality/kernel';

/** Nobody outside calls the signer. Who of us did will be told by the connection (mTLS); until then it is said to be settlement's cause. */
export function causeOfCall(runtime: Runtime, caller: string, correlationId: string): CauseContext {
  return {
    actor: { kind: 'service', id: caller },
    occurredAt: runtime.now(),
    correlationId,
    causationId: runtime.id(),
  };
}
