import { type BitcoinNode, connectNode } from '@finality/bitcoin-node';
import { EventReader, PostgresEventStore } from '@finality/event-store';
import type { Run } from '@finality/reconciliation';
import { Authenticator, type Log, SERVICE_ENV, type ServiceEnv, silentLog, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import type { ReconciliationCommand } from './commands.ts';
import { pollMsOf, type ReconciliationConfig } from './config.ts';
import { ReconciliationHandler, type World } from './handler.ts';
import { AddressMessages } from './inbound/address.messages.ts';
import { GetReportRpc } from './inbound/get-report.rpc.ts';
import { ListReportsRpc } from './inbound/list-reports.rpc.ts';
import { RunReconciliationRpc } from './inbound/run-reconciliation.rpc.ts';
import { WalletMessages } from './inbound/wallet.messages.ts';
import { NodeConnection } from './outbound/node-connection.ts';
import { poolSession } from './outbound/pool-session.ts';
import { Runner } from './runner.ts';
import { AUTHENTICATOR, type JournalPort, type LedgerPort, READER, RUNNER, STORE } from './tokens.ts';
import type { WorkContext } from './workers/context.ts';
import { DeriveScripts } from './workers/derive-scripts.worker.ts';
import { FollowIndex } from './workers/follow-index.worker.ts';

export interface ReconciliationEnv extends ServiceEnv<ReconciliationConfig> {
  readonly ledger: LedgerPort;
  readonly signer: JournalPort;
  /** How to reach the node; by default by what the configuration says. Called again after the node was away. */
  readonly connectNode?: () => Promise<BitcoinNode>;
  readonly log?: Log;
}

export const RECONCILIATION_SCHEMA = 'reconciliation';

/** Lets go of the node's connections, and of the keys' consumer, when the app closes. */
class Closer {
  readonly #nodes: NodeConnection;
  readonly #authenticator: Authenticator;

  constructor(nodes: NodeConnection, authenticator: Authenticator) {
    this.#nodes = nodes;
    this.#authenticator = authenticator;
  }

  async onModuleDestroy(): Promise<void> {
    await this.#nodes.close();
    await this.#authenticator.close();
  }
}

/** Where ports meet adapters (DESIGN 3). */
@Module({})
export class ReconciliationModule {
  static register(env: ReconciliationEnv): DynamicModule {
    const context = contextOf(env);
    const authenticator = new Authenticator('reconciliation', env.driver);
    const index = new FollowIndex(context);
    const scripts = new DeriveScripts(context);
    const runner = new Runner({ context, ledger: env.ledger, signer: env.signer, index, scripts });
    return {
      module: ReconciliationModule,
      controllers: [WalletMessages, AddressMessages, RunReconciliationRpc, GetReportRpc, ListReportsRpc],
      providers: [
        { provide: SERVICE_ENV, useValue: env },
        { provide: STORE, useValue: context.store },
        { provide: READER, useValue: new EventReader({ pool: env.pool, schema: RECONCILIATION_SCHEMA }) },
        { provide: AUTHENTICATOR, useValue: authenticator },
        { provide: RUNNER, useValue: runner },
        { provide: Closer, useValue: new Closer(context.nodes, authenticator) },
        { provide: WORKERS, useValue: [scripts, index, authenticator.worker] },
      ],
      exports: [WORKERS],
    };
  }
}

function contextOf(env: ReconciliationEnv): WorkContext {
  const { config, pool, runtime, writer } = env;
  const handler = new ReconciliationHandler({ deriveAhead: config.RECONCILIATION_DERIVE_AHEAD });
  return {
    network: config.BITCOIN_NETWORK,
    startHeight: config.CHAIN_START_HEIGHT,
    pollMs: pollMsOf(config),
    runtime,
    pool,
    store: new PostgresEventStore<ReconciliationCommand, World, Run>({
      pool,
      schema: RECONCILIATION_SCHEMA,
      service: 'reconciliation',
      handler,
      runtime,
      ...(writer && { writer }),
    }),
    session: poolSession(pool),
    nodes: new NodeConnection(env.connectNode ?? (() => connectConfigured(env))),
    log: env.log ?? silentLog,
    faults: env.faults ?? { at: () => undefined },
  };
}

function connectConfigured({ config, runtime }: ReconciliationEnv): Promise<BitcoinNode> {
  const { BITCOIN_RPC_URL, BITCOIN_RPC_USER, BITCOIN_RPC_PASSWORD, BITCOIN_NETWORK } = config;
  return connectNode({
    url: BITCOIN_RPC_URL,
    network: BITCOIN_NETWORK,
    runtime,
    ...(BITCOIN_RPC_USER === undefined ? {} : { user: BITCOIN_RPC_USER }),
    ...(BITCOIN_RPC_PASSWORD === undefined ? {} : { password: BITCOIN_RPC_PASSWORD }),
  });
}
