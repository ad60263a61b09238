import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { addressOf, checkBlock, type ParsedTransaction, type ScriptHex } from '@finality/bitcoin';
import { connectNode, type RegtestNode } from '@finality/bitcoin-node';
import { RegtestWallet } from '@finality/chain-simulator';
import { unwrap } from '@finality/kernel';
import { systemRuntime } from '@finality/service';
import { type TestDatabase, testDatabase } from '@finality/testing';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { askBtcd, type Btcd, startBtcd } from '@finality/tools/servers/btcd.ts';
import { freePort } from '@finality/tools/servers/ports.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testWallet, WatcherRig } from './watcher-rig.fixture.ts';

const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

/** Coinbases of so many first blocks are spent, each once. */
const START_HEIGHT = 130;
const wallet = testWallet('wallet-a', 1);
const payer = new RegtestWallet('payer');

/** A btcd that can be started again on its port and data. */
class RealNode {
  node!: RegtestNode;
  #btcd!: Btcd;

  private constructor(
    readonly dataDir: string,
    readonly port: number,
  ) {}

  static async start(): Promise<RealNode> {
    const dataDir = mkdtempSync(path.join(tmpdir(), 'finality-btcd-'));
    const real = new RealNode(dataDir, await freePort());
    await real.up();
    return real;
  }

  async up(): Promise<void> {
    this.#btcd = await startBtcd({ dataDir: this.dataDir, miningAddress: payer.address, port: this.port });
    this.node = await connectNode({ ...this.access, network: 'regtest', runtime: systemRuntime() });
  }

  async down(): Promise<void> {
    this.node.close();
    await this.#btcd.stop();
  }

  get access(): Pick<Btcd, 'url' | 'user' | 'password'> {
    return this.#btcd;
  }

  ask(method: string, ...params: readonly unknown[]): Promise<unknown> {
    return askBtcd(this.access, method, params);
  }

  async remove(): Promise<void> {
    await this.down();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(
  `two btcd nodes${missing ? ` (${missing})` : ''}`,
  () => {
    let keepsServer: TestDatabase;
    let a: RealNode;
    let b: RealNode;
    let rig: WatcherRig;

    beforeAll(async () => {
      keepsServer = await testDatabase([]);
      [a, b] = await Promise.all([RealNode.start(), RealNode.start()]);
      await a.node.mine(START_HEIGHT, '');
      await bring(a, b);
      rig = await WatcherRig.start({ access: a.access, second: b.node, config: { CHAIN_POLL_MS: 20 } });
      await rig.settle();
      await rig.addWallet(wallet, 1);
      await rig.settle();
      await payer.sync(a.node);
    });
    afterAll(async () => {
      await rig.stop();
      await Promise.all([a.remove(), b.remove()]);
      await keepsServer.close();
    });

    /** Hands the blocks of one to the other: they aren't peers, as btcd makes and keeps connections of its own accord. */
    async function bring(from: RealNode, to: RealNode): Promise<void> {
      const { height, bestBlockHash } = await from.node.chainInfo();
      const blocks: Uint8Array[] = [];
      for (let at = height; ; at--) {
        const hash = (await from.node.blockHash(at))!;
        if ((await to.node.blockHash(at)) === hash) break;
        blocks.push((await from.node.rawBlock(hash))!);
      }
      for (const block of blocks.toReversed()) await to.node.submitBlock(block);
      expect((await to.node.chainInfo()).bestBlockHash).toBe(bestBlockHash);
    }
    const deposit = (index: number): ParsedTransaction =>
      payer.pay([{ script: wallet.script(0, index), valueSats: 50_000n }], { feeSats: 2_000n });
    const send = async (to: RealNode, transaction: ParsedTransaction): Promise<void> =>
      expect(await to.node.sendRawTransaction(transaction.raw)).toEqual({ kind: 'accepted' });
    const factsNow = async (): Promise<number> => (await rig.facts()).length;

    it.for([1, 3, 12, 110])('a real reorg of %i blocks: each deposit where it is', async (depth, { expect }) => {
      const from = await factsNow();
      const [ours, theirs] = [deposit(0), deposit(1)];
      const { height } = await a.node.chainInfo();
      // Their mempools differ: each has one of the two.
      await send(a, ours);
      await rig.settle();
      await a.node.mine(depth, '');
      await send(b, theirs);
      await b.node.mine(depth + 1, '');
      await rig.settle();
      expect(rig.status.secondNode).toMatchObject({ disagreeingBlocks: depth, isHeavier: true });
      await bring(b, a);
      await rig.settle();
      await a.node.mine(1, '');
      await bring(a, b);
      await rig.settle();
      const all = await rig.story({ ours: ours.txid, theirs: theirs.txid }, from);
      const story = all.filter((line) => !/^(connected|agreed|disputed)/.test(line));
      expect(story.slice(0, 2)).toEqual(['seen ours', `confirmed ours @${height + 1}`]);
      const gone = Array.from(
        { length: depth },
        (_, i) => `disconnected @${height + depth - i} fork ${height} depth ${depth}`,
      );
      expect(story.filter((line) => line.startsWith('disconnected'))).toEqual(gone);
      expect(story.slice(-4)).toEqual([
        `unconfirmed ours @${height + 1}`,
        gone.at(-1),
        `confirmed theirs @${height + 1}`,
        // btcd takes back what a reorg has freed.
        `confirmed ours @${height + depth + 2}`,
      ]);
      expect(rig.status).toMatchObject({ tipHeight: height + depth + 2, lagBlocks: 0, problem: null });
    });

    it('a replacement that pays elsewhere', async () => {
      const from = await factsNow();
      const coins = payer.coins().slice(0, 1);
      const pay = (script: ScriptHex, feeSats: bigint): ParsedTransaction =>
        payer.pay([{ script, valueSats: 50_000n }], { feeSats, coins });
      const first = pay(wallet.script(0, 2), 2_000n);
      const second = pay(payer.script, 20_000n);
      await send(a, first);
      await rig.settle();
      await send(a, second);
      await rig.settle();
      expect(await rig.story({ first: first.txid, second: second.txid }, from)).toEqual([
        'seen first',
        'replaced first by second @0',
      ]);
    });

    it('what our parser says about its blocks is what btcd says', async () => {
      const program = 'ab'.repeat(20);
      const scripts = [
        `76a914${program}88ac`,
        `a914${program}87`,
        `0014${program}`,
        `0020${program}${'cd'.repeat(12)}`,
        `5120${payer.script.slice(4)}${'01'.repeat(12)}`,
        wallet.script(0, 3),
      ].map((script) => script as ScriptHex);
      const payment = payer.pay(
        scripts.map((script) => ({ script, valueSats: 10_000n })),
        { feeSats: 5_000n },
      );
      await send(a, payment);
      const [hash] = await a.node.mine(1, '');
      await rig.settle();
      const { height } = await a.node.chainInfo();
      for (let at = height - 20; at <= height; at++) await compareWithBtcd(a, at);
      const parsed = unwrap(checkBlock((await a.node.rawBlock(hash!))!, 'regtest'));
      expect(parsed.transactions.map(({ txid }) => txid)).toContain(payment.txid);
    });

    it('comes back without its mempool: nothing is evicted, and what is ours is sent to it again', async () => {
      const from = await factsNow();
      const pending = deposit(4);
      const payout = payer.pay([{ script: payer.script, valueSats: 50_000n }], { feeSats: 2_000n });
      await send(a, pending);
      await rig.transaction('lineage-1', payout);
      await rig.settle();
      await a.down();
      await rig.settle();
      expect(rig.status.nodeReachable).toBe(false);
      await a.up();
      for (let i = 0; i < 5; i++) {
        // Until the mempool is listed again.
        rig.runtime.advance(10_000);
        await rig.settle();
      }
      expect([...(await rig.story({ pending: pending.txid, payout: payout.txid }, from))].sort()).toEqual([
        'broadcast payout accepted',
        'seen pending',
      ]);
      expect(await a.node.mempoolTxids()).toEqual([payout.txid]);
      expect(rig.status).toMatchObject({ mempoolLost: true, nodeReachable: true });
    });
  },
);

interface BtcdTransaction {
  readonly txid: string;
  readonly hash: string;
  readonly size: number;
  readonly vsize: number;
  readonly weight: number;
  readonly vout: readonly { readonly scriptPubKey: { readonly hex: string; readonly address?: string } }[];
}

async function compareWithBtcd(real: RealNode, height: number): Promise<void> {
  const hash = (await real.node.blockHash(height))!;
  const ours = unwrap(checkBlock((await real.node.rawBlock(hash))!, 'regtest'));
  const theirs = (await real.ask('getblock', hash, 2)) as { weight: number; rawtx: readonly BtcdTransaction[] };
  const decoded = await Promise.all(
    ours.transactions.map(({ raw }) => real.ask('decoderawtransaction', Buffer.from(raw).toString('hex'))),
  );
  expect(ours.weight).toBe(theirs.weight);
  for (const [i, { txid, wtxid, raw, vsize, weight, outputs }] of ours.transactions.entries()) {
    expect(theirs.rawtx[i]).toMatchObject({ txid, hash: wtxid, size: raw.length, vsize, weight });
    const said = [theirs.rawtx[i]!.vout, (decoded[i] as BtcdTransaction).vout];
    for (const vout of said)
      expect(vout.map(({ scriptPubKey: { hex, address } }) => ({ script: hex, address }))).toEqual(
        outputs.map(({ script }) => ({ script, address: addressOf(script, 'regtest') })),
      );
  }
}
