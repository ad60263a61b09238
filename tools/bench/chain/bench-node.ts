import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BlockHash, HEADER_BYTES, type ParsedTransaction, parseHeader, type Txid } from '@finality/bitcoin';
import { NodeFaults, SimulatedChain, startZmqPublisher, type ZmqPublisher } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { endsWithUs } from '../ending.ts';

const HOST = '127.0.0.1';
const VERSION = '/Satoshi:31.0.0/';
const NOT_FOUND = -5;
const OUT_OF_RANGE = -8;
const METHOD_NOT_FOUND = -32_601;

class RpcRefusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Params = readonly unknown[];

/**
 * What a watcher asks of Bitcoin Core, over a chain and a mempool that are made up: the simulator would check every signature of every
 * transaction. It answers at once, so what is measured is the platform.
 */
export class BenchNode {
  readonly #blocks: Uint8Array[] = [];
  readonly #hashes: BlockHash[] = [];
  readonly #heights = new Map<BlockHash, number>();
  readonly #mempool = new Map<Txid, Uint8Array>();
  readonly #startedMs = performance.now();
  readonly #publisher: ZmqPublisher | undefined;
  /** Of the chain that it tells of; there may be more. */
  #height = 0;
  url = '';
  stop: () => Promise<void> = () => Promise.resolve();

  private constructor(publisher: ZmqPublisher | undefined) {
    this.#publisher = publisher;
    this.append(new SimulatedChain({ now: Date.now }).nodeAt(0)!.raw);
  }

  /** @param push whether it publishes by ZeroMQ */
  static async start(push: boolean): Promise<BenchNode> {
    const publisher = push ? await startZmqPublisher(HOST, new NodeFaults()) : undefined;
    const node = new BenchNode(publisher);
    const server = http.createServer((request, response) => void node.#serve(request, response));
    await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
    node.url = `http://u:p@${HOST}:${(server.address() as AddressInfo).port}`;
    node.stop = endsWithUs(async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
      await publisher?.close();
    });
    return node;
  }

  get tip(): BlockHash {
    return this.#hashes.at(-1)!;
  }

  /** Not told of before {@link reveal}. */
  append(raw: Uint8Array): void {
    const { hash } = unwrap(parseHeader(raw.subarray(0, HEADER_BYTES)));
    this.#heights.set(hash, this.#blocks.length);
    this.#hashes.push(hash);
    this.#blocks.push(raw);
  }

  reveal(height: number): void {
    this.#height = height;
    this.#publisher?.publish({ kind: 'tip', hash: this.#hashes[height]! });
  }

  arrive({ txid, raw }: ParsedTransaction): void {
    this.#mempool.set(txid, raw);
    this.#publisher?.publish({ kind: 'added', txid });
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const call = JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown; method: string; params: Params };
    const { id } = call;
    try {
      response.end(JSON.stringify({ result: this.#answer(call.method, call.params) ?? null, error: null, id }));
    } catch (error) {
      if (!(error instanceof RpcRefusal)) throw error;
      response.statusCode = 500;
      response.end(JSON.stringify({ result: null, error: { code: error.code, message: error.message }, id }));
    }
  }

  #answer(method: string, params: Params): unknown {
    switch (method) {
      case 'getnetworkinfo':
        return { subversion: VERSION };
      case 'getzmqnotifications':
        return ['pubhashblock', 'pubsequence']
          .map((type) => ({ type, address: this.#publisher?.address }))
          .filter(({ address }) => address !== undefined);
      case 'uptime':
        return Math.floor((performance.now() - this.#startedMs) / 1_000);
      case 'getblockchaininfo':
        return { blocks: this.#height, bestblockhash: this.#hashes[this.#height] };
      case 'getblockhash':
        return this.#hashAt(Number(params[0]));
      case 'getblock':
        return hex(this.#block(params[0] as BlockHash));
      case 'getblockheader':
        return hex(this.#block(params[0] as BlockHash).subarray(0, HEADER_BYTES));
      case 'getrawmempool':
        return [...this.#mempool.keys()];
      case 'getrawtransaction':
        return hex(found(this.#mempool.get(params[0] as Txid)));
      case 'gettxout':
        return null;
      case 'gettxspendingprevout':
        return (params[0] as readonly object[]).map((outpoint) => outpoint);
      case 'getchaintips':
        return [{ height: this.#height, hash: this.#hashes[this.#height], branchlen: 0, status: 'active' }];
      default:
        throw new RpcRefusal(METHOD_NOT_FOUND, `Method not found: ${method}`);
    }
  }

  #hashAt(height: number): BlockHash {
    const hash = height <= this.#height ? this.#hashes[height] : undefined;
    if (hash === undefined) throw new RpcRefusal(OUT_OF_RANGE, 'Block height out of range');
    return hash;
  }

  #block(hash: BlockHash): Uint8Array {
    return found(this.#blocks[this.#heights.get(hash) ?? -1]);
  }
}

function found(bytes: Uint8Array | undefined): Uint8Array {
  if (!bytes) throw new RpcRefusal(NOT_FOUND, 'not found');
  return bytes;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
