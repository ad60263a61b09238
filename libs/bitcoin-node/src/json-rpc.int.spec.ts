import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { RegtestWallet, type Simulator, startSimulator } from '@finality/chain-simulator';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  connectNode,
  NodeAnswerMalformed,
  NodeRpcError,
  NodeTimeout,
  NodeUnreachable,
  type RegtestNode,
} from './index.ts';
import { timersOnly } from './node-contract.fixture.ts';

const CREDENTIALS = { user: 'u', password: 'p' };
const GENESIS = '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206';

describe('a node that fails while it is asked', () => {
  let simulator: Simulator;
  let node: RegtestNode;
  const miner = new RegtestWallet('client spec');

  beforeEach(async () => {
    simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now });
    node = await connectNode({
      ...CREDENTIALS,
      url: simulator.url,
      network: 'regtest',
      runtime: timersOnly,
      timeoutMs: 200,
    });
    simulator.chain.mine({ script: miner.script, count: 101 });
    await miner.sync(node);
  });
  afterEach(async () => {
    node.close();
    await simulator.close();
  });

  it('is unreachable when it cuts connections, and recovers', async () => {
    simulator.faults.outage = 'refuse';
    await expect(node.chainInfo()).rejects.toBeInstanceOf(NodeUnreachable);
    simulator.faults.outage = 'none';
    expect((await node.chainInfo()).height).toBe(101);
  });
  it('times out when it hangs', async () => {
    simulator.faults.outage = 'hang';
    await expect(node.chainInfo()).rejects.toBeInstanceOf(NodeTimeout);
  });
  it('leaves a broadcast unknown that it may have taken', async () => {
    const transaction = miner.pay([{ script: miner.script, valueSats: 1_000_000n }], { feeSats: 1_000n });
    for (const outage of ['refuse', 'hang', 'cut_answer'] as const) {
      simulator.faults.outage = outage;
      const answer = await node.sendRawTransaction(transaction.raw);
      expect(answer.kind, outage).toBe('unknown');
      expect(simulator.chain.mempool.has(transaction.txid), outage).toBe(outage === 'cut_answer');
    }
    simulator.faults.outage = 'none';
    expect(await node.sendRawTransaction(transaction.raw)).toEqual({ kind: 'accepted' });
  });
  it('isn’t asked to mine twice when the connection breaks', async () => {
    simulator.faults.outage = 'cut_answer';
    await expect(node.mine(1, miner.address)).rejects.toBeInstanceOf(NodeUnreachable);
    expect(simulator.chain.tip.height).toBe(102);
  });
  it('is gone when it has been stopped, and calls under way fail when the client is closed', async () => {
    await simulator.close();
    await expect(node.chainInfo()).rejects.toBeInstanceOf(NodeUnreachable);
  });
});

describe('what isn’t a node in order', () => {
  let server: http.Server;
  let answer: (method: string, response: http.ServerResponse, request: http.IncomingMessage) => void;
  let url: string;

  const result = (response: http.ServerResponse, value: unknown): void => {
    response.end(JSON.stringify({ result: value, error: null, id: 1 }));
  };
  const connect = (): Promise<RegtestNode> =>
    connectNode({ ...CREDENTIALS, url, network: 'regtest', runtime: timersOnly, timeoutMs: 2_000 });
  /** Answers as far as connecting needs it. */
  const asCore = (method: string, response: http.ServerResponse): boolean => {
    if (method === 'getblockhash') result(response, GENESIS);
    else if (method === 'getnetworkinfo') result(response, { subversion: '/Satoshi:31.0.0/' });
    else return false;
    return true;
  };

  beforeEach(async () => {
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => answer((JSON.parse(body) as { method: string }).method, response, request));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  it('is recognised as Bitcoin Core by its name', async () => {
    answer = (method, response) => void asCore(method, response);
    const node = await connect();
    expect([node.kind, node.version]).toEqual(['core', '/Satoshi:31.0.0/']);
    node.close();
  });
  it('answers something else than JSON', async () => {
    answer = (_method, response) => response.end('<html>');
    await expect(connect()).rejects.toBeInstanceOf(NodeAnswerMalformed);
  });
  it('has too much to do', async () => {
    answer = (_method, response) => response.writeHead(503).end('Work queue depth exceeded');
    await expect(connect()).rejects.toMatchObject({ kind: 'unreachable', retryable: true });
  });
  it('is still starting', async () => {
    let starting = false;
    answer = (method, response) => {
      if (!starting && asCore(method, response)) return;
      response
        .writeHead(500)
        .end(JSON.stringify({ result: null, error: { code: -28, message: 'Loading block index…' }, id: 1 }));
    };
    const node = await connect();
    starting = true;
    await expect(node.chainInfo()).rejects.toMatchObject({ kind: 'rpc', code: -28, retryable: true });
    expect(await node.sendRawTransaction(Uint8Array.of(0))).toMatchObject({ kind: 'unknown', cause: { code: -28 } });
    node.close();
  });
  it('closes a connection that was kept open: the call is sent again, once', async () => {
    const sockets = new Set<unknown>();
    let cut = 0;
    answer = (method, response, request) => {
      if (asCore(method, response)) return void sockets.add(request.socket);
      if (sockets.has(request.socket)) {
        cut++;
        request.socket.destroy();
        return;
      }
      result(response, { blocks: 7, bestblockhash: GENESIS });
    };
    const node = await connect();
    expect(await node.chainInfo()).toEqual({ height: 7, bestBlockHash: GENESIS });
    expect(cut).toBe(1);
    node.close();
  });
  it('has a mempool too large to be asked for at once: a part stands for it, without what has gone meanwhile', async () => {
    const SIZE = 3_000;
    const txids = Array.from({ length: SIZE }, (_, i) => i.toString(16).padStart(64, '0'));
    let asked = 0;
    answer = (method, response) => {
      if (asCore(method, response)) return;
      if (method === 'getmempoolinfo') return result(response, { size: SIZE, bytes: SIZE * 200 });
      if (method === 'getrawmempool') return result(response, txids);
      asked += 1;
      if (asked % 100 === 0)
        return void response
          .writeHead(500)
          .end(JSON.stringify({ result: null, error: { code: -5, message: 'gone' }, id: 1 }));
      // As it is written: amounts in BTC.
      response.end(
        '{"result":{"vsize":200,"ancestorsize":300,"fees":{"base":0.00000600,"ancestor":0.00000700}},"error":null,"id":1}',
      );
    };
    const node = await connect();
    const sample = await node.mempoolSample();
    expect([asked, sample?.transactions.length, sample?.vsize]).toEqual([1_000, 990, 600_000]);
    expect(sample?.transactions[0]).toEqual({ feeSats: 600n, vsize: 200, ancestors: { feeSats: 700n, vsize: 300 } });
    node.close();
  });
  it('gives errors with their code', async () => {
    answer = (method, response) => {
      if (asCore(method, response)) return;
      response.writeHead(500).end(JSON.stringify({ result: null, error: { code: -1, message: 'no' }, id: 1 }));
    };
    const node = await connect();
    const failed = node.chainInfo();
    await expect(failed).rejects.toBeInstanceOf(NodeRpcError);
    await expect(failed).rejects.toMatchObject({ code: -1, method: 'getblockchaininfo', retryable: false });
    node.close();
  });
});
