import type { Network } from '@finality/bitcoin';
import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';
import { type ObservedTransaction, type Observer, WatchView } from '@finality/chain';
import type { EventReader, EventStore, Outcome, Session, StoreCommand } from '@finality/event-store';
import type { Runtime } from '@finality/kernel';
import type { FaultPoints, Log } from '@finality/service';
import type { ChainWatcherCommand } from '../commands.ts';
import type { NodeConnection } from '../outbound/node-connection.ts';
import { loadAround } from '../projections/transactions.projection.ts';
import type { WatchIndex } from '../projections/watch-index.ts';
import type { ChainStatus } from '../status.ts';
import type { Hints } from './hints.ts';

/** What the workers of this service work with. */
export interface WorkerContext {
  readonly network: Network;
  readonly startHeight: number;
  readonly pollMs: number;
  readonly runtime: Runtime;
  readonly store: EventStore<ChainWatcherCommand, null>;
  readonly reader: EventReader;
  /** Reads outside of batches. */
  readonly session: Session;
  readonly index: WatchIndex;
  readonly nodes: NodeConnection;
  readonly hints: Hints;
  readonly status: ChainStatus;
  readonly log: Log;
  readonly faults: FaultPoints;
}

export type Progress = 'progress' | 'idle';

/** A node that can't be asked is waited for: nothing else fails because of it. It shows in the status. */
export async function waitingForNode(context: WorkerContext, step: () => Promise<Progress>): Promise<Progress> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    context.status.nodeFailed(error);
    context.log.warn({ kind: error.kind, error: error.message }, 'the bitcoin node can’t be asked');
    return 'idle';
  }
}

export function observer({ runtime }: WorkerContext, node: BitcoinNode): Observer {
  return { node: node.version, at: runtime.now() };
}

/** Of these, the transactions that may concern us, and all that is known around them. */
export async function matched(
  { index, session }: WorkerContext,
  observed: readonly ObservedTransaction[],
): Promise<{ readonly transactions: readonly ObservedTransaction[]; readonly view: WatchView }> {
  const view = new WatchView();
  await index.sync(session);
  const transactions = index.matching(observed);
  await loadAround(session, transactions, view);
  return { transactions, view };
}

/** Stores what a worker found out. What is refused is looked at again in the next step; what fails is a bug. */
export async function execute(
  context: WorkerContext,
  worker: string,
  bodies: readonly ChainWatcherCommand[],
  /** Of the request that led to this, where there is one. */
  traceparent?: string,
): Promise<'stored' | 'refused'> {
  const now = context.runtime.now();
  const commands = bodies.map((body): StoreCommand<ChainWatcherCommand> => {
    const id = context.runtime.id();
    const actor = { kind: 'service' as const, id: `chain-watcher/${worker}` };
    const cause = { actor, occurredAt: now, correlationId: id, causationId: id };
    return { body, cause: { ...cause, ...(traceparent === undefined ? {} : { traceparent }) } };
  });
  context.faults.at(`chain-watcher.${worker}.before-store`);
  const outcomes = await context.store.execute(commands);
  context.faults.at(`chain-watcher.${worker}.stored`);
  return outcomes.map(checked).every((kind) => kind === 'accepted') ? 'stored' : 'refused';
}

function checked(outcome: Outcome<null>): Outcome<null>['kind'] {
  if (outcome.kind === 'failed') throw outcome.error;
  return outcome.kind;
}
