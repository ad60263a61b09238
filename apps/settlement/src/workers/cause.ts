import type { CauseContext, Runtime } from '@finality/kernel';

/** Work that one of our own workers does for a settlement. */
export function causeOfWork(runtime: Runtime, settlementId: string): CauseContext {
  return {
    actor: { kind: 'service', id: 'settlement' },
    occurredAt: runtime.now(),
    correlationId: settlementId,
    causationId: settlementId,
  };
}
