import type { Network } from '@finality/bitcoin';
import type { Outcome, Session, StoreCommand } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import type { FaultPoints, Log } from '@finality/service';
import type { Pool } from 'pg';
import type { ReconciliationCommand } from '../commands.ts';
import type { NodeConnection } from '../outbound/node-connection.ts';
import type { ReconciliationStore } from '../tokens.ts';

/** What the workers and the runner work with. */
export interface WorkContext {
  readonly network: Network;
  readonly startHeight: number;
  readonly pollMs: number;
  readonly runtime: Runtime;
  readonly pool: Pool;
  readonly store: ReconciliationStore;
  /** Reads outside of batches. */
  readonly session: Session;
  readonly nodes: NodeConnection;
  readonly log: Log;
  readonly faults: FaultPoints;
}

export type Progress = 'progress' | 'idle';

/** Stores what a worker found out. What is refused is looked at again in the next step; what fails is a bug. */
export async function store(
  context: WorkContext,
  worker: string,
  body: ReconciliationCommand,
): Promise<'stored' | 'refused'> {
  const id = context.runtime.id();
  const command: StoreCommand<ReconciliationCommand> = {
    body,
    cause: {
      actor: { kind: 'service', id: `reconciliation/${worker}` },
      occurredAt: context.runtime.now(),
      correlationId: id,
      causationId: id,
    },
  };
  context.faults.at(`reconciliation.${worker}.before-store`);
  const [outcome] = await context.store.execute([command]);
  context.faults.at(`reconciliation.${worker}.stored`);
  return isStored(outcome) ? 'stored' : 'refused';
}

function isStored(outcome: Outcome<unknown> | undefined): boolean {
  if (outcome?.kind === 'failed') throw outcome.error;
  return outcome?.kind === 'accepted';
}
