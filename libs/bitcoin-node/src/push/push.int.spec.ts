import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { RegtestWallet, startSimulator } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { systemRuntime } from '@finality/service';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectNode, NodeError, type PushFeed, type PushNews } from '../index.ts';
import { openZmqFeed } from './zmq-feed.ts';

const access = { user: 'u', password: 'p' };

/** Everything that a feed has told within a while. */
async function told(feed: PushFeed, isEnough: (news: PushNews) => boolean): Promise<PushNews> {
  let all: PushNews = { chain: false, arrived: [], missed: false };
  await vi.waitFor(
    async () => {
      const { chain, arrived, missed } = await feed.next(50);
      all = { chain: all.chain || chain, arrived: [...all.arrived, ...arrived], missed: all.missed || missed };
      expect(isEnough(all), JSON.stringify(all)).toBe(true);
    },
    { timeout: 5_000, interval: 10 },
  );
  return all;
}

describe('a node that publishes by ZeroMQ', () => {
  async function listening() {
    const simulator = await startSimulator({ ...access, port: 0, now: Date.now, zmq: true });
    onTestFinished(() => simulator.close());
    const node = await connectNode({ ...access, url: simulator.url, network: 'regtest', runtime: systemRuntime() });
    onTestFinished(() => node.close());
    const feed = (await node.openPush())!;
    onTestFinished(() => feed.close());
    expect(feed.channel).toBe('zmq');
    const wallet = new RegtestWallet('push');
    const mine = (count = 1): void => void unwrap(simulator.chain.mine({ script: wallet.script, count }));
    // Until our subscription has arrived there, nothing is told.
    await told(feed, ({ chain }) => {
      if (!chain) mine();
      return chain;
    });
    return { simulator, node, feed, wallet, mine };
  }

  it('is heard: blocks, transactions, and what comes back in a reorg', async () => {
    const { simulator, node, feed, wallet, mine } = await listening();
    mine(101);
    await wallet.sync(node);
    await told(feed, ({ chain }) => chain);
    const payment = wallet.pay([{ script: wallet.script, valueSats: 50_000n }], { feeSats: 1_000n });
    unwrap(simulator.chain.accept(payment));
    expect(await told(feed, ({ arrived }) => arrived.length > 0)).toMatchObject({
      arrived: [payment.txid],
      missed: false,
    });
    mine();
    unwrap(simulator.chain.reorg(1, { script: wallet.script }));
    const news = await told(feed, ({ chain, arrived }) => chain && arrived.length > 0);
    expect(news).toEqual({ chain: true, arrived: [payment.txid], missed: false });
  });

  it('has dropped something when its counter has a gap, and is lost when it goes', async () => {
    const { simulator, feed, mine } = await listening();
    simulator.faults.dropsMessages = true;
    mine();
    simulator.faults.dropsMessages = false;
    mine();
    expect((await told(feed, ({ missed }) => missed)).missed).toBe(true);
    await simulator.close();
    await vi.waitFor(() => expect(feed.next(10)).rejects.toThrow(NodeError), { timeout: 5_000 });
  });

  it('isn’t heard when it offers nothing', async () => {
    const simulator = await startSimulator({ ...access, port: 0, now: Date.now });
    onTestFinished(() => simulator.close());
    const node = await connectNode({ ...access, url: simulator.url, network: 'regtest', runtime: systemRuntime() });
    onTestFinished(() => node.close());
    expect(await node.openPush()).toBeUndefined();
  });
});

const hasPyzmq = spawnSync('python3', ['-c', 'import zmq']).status === 0;

const PUBLISHER = `
import sys, time, zmq
socket = zmq.Context().socket(zmq.PUB)
print(socket.bind_to_random_port('tcp://127.0.0.1'), flush=True)
counter = 0
deadline = time.time() + 20
while time.time() < deadline:
    body = bytes(31) + bytes([counter + 1]) + b'A' + (counter + 7).to_bytes(8, 'little')
    socket.send_multipart([b'sequence', body, counter.to_bytes(4, 'little')])
    socket.send_multipart([b'rawtx', bytes(300), counter.to_bytes(4, 'little')])
    counter = (counter + 1) % 200
    time.sleep(0.02)
`;

describe('a publisher of ZeroMQ’s own library', () => {
  it.skipIf(!hasPyzmq)(`is understood${hasPyzmq ? '' : ' (skipped: python3 has no pyzmq)'}`, async () => {
    const publisher = spawn('python3', ['-c', PUBLISHER], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void publisher.kill('SIGKILL'));
    const [port] = (await once(publisher.stdout, 'data')) as [Buffer];
    const address = { host: '127.0.0.1', port: Number(port.toString()), topics: ['sequence'] as const };
    const feed = await openZmqFeed([address], systemRuntime());
    onTestFinished(() => feed.close());
    const { arrived, missed } = await told(feed, (news) => news.arrived.length >= 5);
    expect(missed).toBe(false);
    const numbers = arrived.map((txid) => Number.parseInt(txid, 16));
    expect(numbers).toEqual(numbers.map((_, i) => numbers[0]! + i));
  });
});
