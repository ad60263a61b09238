import type { Network } from '@finality/bitcoin';
import { type BitcoinNode, connectNode } from '@finality/bitcoin-node';
import { EventReader, PostgresEventStore } from '@finality/event-store';
import { type Log, SERVICE_ENV, type ServiceEnv, silentLog, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import type { ChainWatcherCommand } from './commands.ts';
import { type ChainWatcherConfig, healthLimitsOf, pollMsOf } from './config.ts';
import { ChainHandler } from './handler.ts';
import { AddressMessages } from './inbound/address.messages.ts';
import { TransactionMessages } from './inbound/transaction.messages.ts';
import { WalletMessages } from './inbound/wallet.messages.ts';
import { NodeConnection } from './outbound/node-connection.ts';
import { poolSession } from './outbound/pool-session.ts';
import { WatchIndex } from './projections/watch-index.ts';
import { CHAIN_STATUS, ChainStatus } from './status.ts';
import { STORE } from './tokens.ts';
import { Broadcast } from './workers/broadcast.worker.ts';
import { CompareNodes } from './workers/compare-nodes.worker.ts';
import type { WorkerContext } from './workers/context.ts';
import { EstimateFees } from './workers/estimate-fees.worker.ts';
import { FollowChain } from './workers/follow-chain.worker.ts';
import { FollowMempool } from './workers/follow-mempool.worker.ts';
import { Hints } from './workers/hints.ts';
import { Listen } from './workers/listen.worker.ts';
import { WatchAhead } from './workers/watch-ahead.worker.ts';

export interface ChainWatcherEnv extends ServiceEnv<ChainWatcherConfig> {
  /** How to reach the node; by default by what the configuration says. Called again after the node was away. */
  readonly connectNode?: () => Promise<BitcoinNode>;
  /** The same of the second node, where there is one. */
  readonly connectSecondNode?: () => Promise<BitcoinNode>;
  readonly log?: Log;
}

export const SCHEMA = 'chain_watcher';

/** Lets go of the node's connections when the app closes. */
class NodeConnectionCloser {
  readonly #listen: Listen;
  readonly #connections: readonly NodeConnection[];

  constructor(listen: Listen, connections: readonly NodeConnection[]) {
    this.#listen = listen;
    this.#connections = connections;
  }

  async onModuleDestroy(): Promise<void> {
    this.#listen.close();
    await Promise.all(this.#connections.map((connection) => connection.close()));
  }
}

/** Where ports meet adapters (DESIGN 3). */
@Module({})
export class ChainWatcherModule {
  static register(env: ChainWatcherEnv): DynamicModule {
    const context = contextOf(env);
    const second = secondConnection(env);
    const listen = new Listen(context);
    const closer = new NodeConnectionCloser(listen, second ? [context.nodes, second] : [context.nodes]);
    const workers = [
      listen,
      new FollowChain(context),
      new FollowMempool(context),
      new WatchAhead(context),
      new Broadcast(context),
      new EstimateFees(context),
      ...(second ? [new CompareNodes(context, second)] : []),
    ];
    return {
      module: ChainWatcherModule,
      controllers: [WalletMessages, AddressMessages, TransactionMessages],
      providers: [
        { provide: SERVICE_ENV, useValue: env },
        { provide: STORE, useValue: context.store },
        { provide: WORKERS, useValue: workers },
        { provide: CHAIN_STATUS, useValue: context.status },
        { provide: NodeConnectionCloser, useValue: closer },
      ],
      exports: [WORKERS, CHAIN_STATUS],
    };
  }
}

function contextOf(env: ChainWatcherEnv): WorkerContext {
  const { config, pool, runtime, writer } = env;
  const network: Network = config.BITCOIN_NETWORK;
  const index = new WatchIndex(runtime);
  const handler = new ChainHandler({ network, watchAhead: config.WATCH_AHEAD, index });
  const store = new PostgresEventStore<ChainWatcherCommand, Awaited<ReturnType<ChainHandler['load']>>, null>({
    pool,
    schema: SCHEMA,
    service: 'chain-watcher',
    handler,
    runtime,
    ...(writer && { writer }),
  });
  return {
    network,
    startHeight: config.CHAIN_START_HEIGHT,
    pollMs: pollMsOf(config),
    runtime,
    store,
    reader: new EventReader({ pool, schema: SCHEMA }),
    session: poolSession(pool),
    index,
    nodes: new NodeConnection(env.connectNode ?? (() => connectConfigured(env))),
    hints: new Hints(),
    status: new ChainStatus(network, runtime, healthLimitsOf(config)),
    log: env.log ?? silentLog,
    faults: env.faults ?? { at: () => undefined },
  };
}

function connectConfigured({ config, runtime }: ChainWatcherEnv): Promise<BitcoinNode> {
  const { BITCOIN_RPC_URL: url, BITCOIN_RPC_USER: user, BITCOIN_RPC_PASSWORD: password, BITCOIN_NETWORK } = config;
  return connectNode({ url, network: BITCOIN_NETWORK, runtime, ...given({ user, password }) });
}

function secondConnection({ config, runtime, connectSecondNode }: ChainWatcherEnv): NodeConnection | undefined {
  const { BITCOIN_RPC_URL_2: url, BITCOIN_RPC_USER_2: user, BITCOIN_RPC_PASSWORD_2: password } = config;
  if (connectSecondNode) return new NodeConnection(connectSecondNode);
  if (url === undefined) return undefined;
  const options = { url, network: config.BITCOIN_NETWORK, runtime, ...given({ user, password }) };
  return new NodeConnection(() => connectNode(options));
}

function given({ user, password }: { readonly user: string | undefined; readonly password: string | undefined }) {
  return { ...(user === undefined ? {} : { user }), ...(password === undefined ? {} : { password }) };
}
