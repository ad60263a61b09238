import type { ScriptHex } from '@finality/bitcoin';
import { assert } from '@finality/kernel';
import { NodeFaults } from './faults.ts';
import { JournalFile } from './journal-file.ts';
import type { RpcNode } from './rpc/rpc-methods.ts';
import { startRpcServer } from './rpc/rpc-server.ts';
import { SimulatedChain } from './simulated-chain.ts';
import { startZmqPublisher } from './zmq-publisher.ts';

export interface SimulatorOptions {
  /** Where the chain is kept; without it, it lives in memory. One simulator at a time. */
  readonly dataDir?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 18443, as Bitcoin Core's on regtest; 0 for any free one. */
  readonly port?: number;
  readonly user: string;
  readonly password: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether getrawtransaction finds what is mined, as with Bitcoin Core's -txindex. Default true. */
  readonly txIndex?: boolean;
  /** Whether it publishes by ZeroMQ, on a port of its own. Default false. */
  readonly zmq?: boolean;
  /** Speaks btcd's dialect instead of Bitcoin Core's, but for its websocket: `generate` pays this script. */
  readonly btcd?: { readonly miningScript: ScriptHex };
}

export interface Simulator {
  readonly url: string;
  readonly port: number;
  readonly chain: SimulatedChain;
  /** What goes wrong for whoever asks over HTTP. */
  readonly faults: NodeFaults;
  close(): Promise<void>;
}

export const SIMULATOR_PORT_DEFAULT = 18_443;

/**
 * A regtest node with Bitcoin Core's JSON-RPC, or btcd's. Rejects with the system's error when the port is taken (`EADDRINUSE`), before the data
 * directory is touched, or when what is there isn't a journal of ours.
 */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const { host = '127.0.0.1', port = SIMULATOR_PORT_DEFAULT, user, password, now, txIndex = true } = options;
  const faults = new NodeFaults();
  let node: RpcNode | undefined;
  const current = (): RpcNode => {
    // Reading the journal below doesn't yield, so no request comes in between.
    assert(node, 'requests are served once the chain is there');
    return node;
  };
  const publisher = options.zmq ? await startZmqPublisher(host, faults) : undefined;
  const closing: (() => void | Promise<void>)[] = publisher ? [() => publisher.close()] : [];
  const close = async (): Promise<void> => {
    for (const each of closing.toReversed()) await each();
  };
  try {
    const server = await startRpcServer(current, { host, port, user, password, faults });
    closing.push(() => server.close());
    const journal = options.dataDir === undefined ? undefined : JournalFile.open(options.dataDir);
    // After the server: what was asked before is answered by a chain whose journal is still open.
    if (journal) closing.unshift(() => journal.close());
    const chain = new SimulatedChain({ now, ...(journal && { journal, records: journal.records }) });
    if (publisher) chain.listen((notice) => publisher.publish(notice));
    node = {
      chain,
      txIndex,
      faults,
      ...(options.btcd && { btcd: options.btcd }),
      ...(publisher && { zmqAddress: publisher.address }),
    };
    return { url: `http://${host}:${server.port}`, port: server.port, chain, faults, close };
  } catch (error) {
    await close();
    throw error;
  }
}
