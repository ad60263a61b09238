import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type BlockHash,
  checkBlock,
  HEADER_BYTES,
  hexFromBytes,
  networkParams,
  type ParsedTransaction,
  type Txid,
} from '@finality/bitcoin';
import { RegtestWallet } from '@finality/chain-simulator';
import { type Instant, type Runtime, unwrap } from '@finality/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connectNode,
  type ConnectOptions,
  NodeTimeout,
  NodeUnauthorized,
  NodeUnreachable,
  type RegtestNode,
  WrongNetwork,
} from './index.ts';

/** A node on a fresh chain, whose blocks pay {@link CONTRACT_MINER}. */
export interface NodeUnderTest {
  /** How to reach it over HTTP, or the port itself where it is in this process. */
  readonly access: HttpAccess | RegtestNode;
  stop(): Promise<void>;
}

export interface HttpAccess {
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

export const CONTRACT_MINER = new RegtestWallet('contract miner');

const never = (): never => {
  throw new Error('the node client needs no time, randomness or ids');
};

/** The client needs timeouts of its Runtime and nothing else. */
export const timersOnly: Runtime = {
  now: (): Instant => never(),
  monotonicMs: never,
  sleep: (delayMs, signal) => sleep(delayMs, undefined, signal ? { signal } : {}).catch(() => undefined),
  randomBytes: never,
  id: never,
};

const FEE_SATS = 1_000n;
/** No block has it. */
const NO_HASH = 'ab'.repeat(32);

/** What the platform counts on from every node, run against each kind. */
export function nodeContract(name: string, start: () => Promise<NodeUnderTest>): void {
  describe(`${name}, by the contract of Bitcoin nodes`, () => {
    let subject: NodeUnderTest;
    let node: RegtestNode;
    const payee = new RegtestWallet('contract payee', 'tr');

    const mine = (count = 1): Promise<readonly BlockHash[]> => node.mine(count, CONTRACT_MINER.address);
    const pay = (valueSats: bigint, feeSats = FEE_SATS): ParsedTransaction =>
      CONTRACT_MINER.pay([{ script: payee.script, valueSats }], { feeSats });
    const send = async (transaction: ParsedTransaction): Promise<string> =>
      (await node.sendRawTransaction(transaction.raw)).kind;
    const blockAt = async (height: number) => {
      const hash = await node.blockHash(height);
      return unwrap(checkBlock((await node.rawBlock(hash!))!, 'regtest'));
    };
    const tipTransactions = async (): Promise<readonly Txid[]> => {
      const { height } = await node.chainInfo();
      return (await blockAt(height)).transactions.map((transaction) => transaction.txid);
    };

    beforeAll(async () => {
      subject = await start();
      const { access } = subject;
      node = 'url' in access ? await connectNode({ ...access, network: 'regtest', runtime: timersOnly }) : access;
      await mine(120);
      await CONTRACT_MINER.sync(node);
    });
    afterAll(async () => {
      node?.close();
      await subject?.stop();
    });

    describe('the chain', () => {
      it('grows by mining, block on block, each with proof of work', async () => {
        const before = await node.chainInfo();
        const hashes = await mine(3);
        const after = await node.chainInfo();
        expect(after).toEqual({ height: before.height + 3, bestBlockHash: hashes[2] });
        expect(hashes).toHaveLength(3);
        let previous = before.bestBlockHash;
        for (const [i, hash] of hashes.entries()) {
          expect(await node.blockHash(before.height + 1 + i)).toBe(hash);
          const raw = (await node.rawBlock(hash))!;
          expect(unwrap(checkBlock(raw, 'regtest', previous)).header.hash).toBe(hash);
          expect(await node.rawHeader(hash)).toEqual(raw.subarray(0, HEADER_BYTES));
          previous = hash;
        }
      });
      it('pays 50 BTC, and half of it from block 150 on', async () => {
        const { height } = await node.chainInfo();
        if (height < 151) await mine(151 - height);
        const reward = async (at: number): Promise<bigint> =>
          (await blockAt(at)).transactions[0]!.outputs.reduce((total, output) => total + output.valueSats, 0n);
        expect([await reward(149), await reward(150)]).toEqual([5_000_000_000n, 2_500_000_000n]);
        await CONTRACT_MINER.sync(node);
      });
      it('has no block above its tip and none that nobody mined', async () => {
        const { height } = await node.chainInfo();
        expect(await node.blockHash(height + 1)).toBeUndefined();
        expect(await node.rawBlock(NO_HASH as BlockHash)).toBeUndefined();
        expect(await node.rawHeader(NO_HASH as BlockHash)).toBeUndefined();
      });
      it('refuses a block it has and a block that is broken', async () => {
        const { bestBlockHash } = await node.chainInfo();
        const raw = Uint8Array.from((await node.rawBlock(bestBlockHash))!);
        expect(await node.submitBlock(raw)).toBeTypeOf('string');
        raw[40]! ^= 1;
        expect(await node.submitBlock(raw)).toBeTypeOf('string');
      });
    });

    describe('a payment', () => {
      // The largest that a subsidy can fund, one that a float can't add up, and the smallest that isn't dust.
      it.each([4_999_990_001n, 30_000_003n, 331n])('of %s sat arrives exactly', async (valueSats) => {
        const transaction = pay(valueSats);
        const outpoint = { txid: transaction.txid, vout: 0 };
        expect(await node.testMempoolAccept([transaction.raw])).toEqual([
          { txid: transaction.txid, allowed: true, vsize: transaction.vsize, feeSats: FEE_SATS },
        ]);
        expect(await node.mempoolTxids()).not.toContain(transaction.txid);
        expect(await send(transaction)).toBe('accepted');
        expect(await node.mempoolTxids()).toContain(transaction.txid);
        expect(hexFromBytes((await node.rawTransaction(transaction.txid))!)).toBe(hexFromBytes(transaction.raw));
        expect(await node.mempoolSpenders([transaction.inputs[0]!.outpoint, outpoint])).toEqual([
          transaction.txid,
          undefined,
        ]);
        expect(await node.unspentOutput(outpoint)).toBeUndefined();
        const [hash] = await mine();
        expect(await tipTransactions()).toContain(transaction.txid);
        expect(await node.unspentOutput(outpoint)).toEqual({
          valueSats,
          script: payee.script,
          confirmations: 1,
          coinbase: false,
          bestBlockHash: hash,
        });
        expect(await node.mempoolTxids()).not.toContain(transaction.txid);
      });
      it('isn’t found when nobody made it', async () => {
        expect(await node.rawTransaction(NO_HASH as Txid)).toBeUndefined();
        expect(await node.unspentOutput({ txid: NO_HASH as Txid, vout: 0 })).toBeUndefined();
        expect(await node.mempoolSpenders([])).toEqual([]);
      });
      it('isn’t tried in vain: the verdict says why not', async () => {
        const transaction = pay(50_000n);
        const [verdict] = await node.testMempoolAccept([tampered(transaction)]);
        expect(verdict).toMatchObject({ allowed: false, reason: expect.any(String) as string });
      });
      it('needs at least the floor of feerates', async () => {
        const { estimate, floor } = await node.feeRates(6);
        // btcd makes do with a handful of transactions; Core and the simulator never have enough on regtest.
        if (node.kind !== 'btcd') expect(estimate).toBeUndefined();
        expect(floor).toBe(node.kind === 'btcd' ? 1_000n : 100n);
        const transaction = pay(50_000n, (floor * 100n) / 1_000n);
        // btcd also relays cheap transactions that spend much and old coin ("priority"), as long as they are few.
        expect(await send(transaction)).toBe(node.kind === 'btcd' ? 'accepted' : 'rejected');
      });
    });

    describe('a mempool', () => {
      it('says what its transactions pay', async () => {
        await mine();
        expect(await node.mempoolSample()).toEqual({ transactions: [], vsize: 0 });
        const transaction = pay(45_000n, 3_210n);
        expect(await send(transaction)).toBe('accepted');
        const { vsize } = transaction;
        const paid = { feeSats: 3_210n, vsize };
        expect(await node.mempoolSample()).toMatchObject({ transactions: [{ ...paid, ancestors: paid }] });
        await mine();
      });
    });

    describe('a broadcast', () => {
      it('of what is in the mempool already succeeds', async () => {
        const transaction = pay(40_000n);
        expect(await send(transaction)).toBe('accepted');
        expect(await send(transaction)).toBe(node.kind === 'btcd' ? 'already_in_mempool' : 'accepted');
        await mine();
      });
      it('of what is mined says so while an output is unspent, and then can’t tell', async () => {
        const whole = pay(41_000n);
        await send(whole);
        await mine();
        expect(await send(whole)).toBe('already_mined');
        const back = payee.pay([{ script: CONTRACT_MINER.script, valueSats: 40_000n }], {
          feeSats: FEE_SATS,
          coins: [payee.coinOf(whole, 0)],
        });
        const change = CONTRACT_MINER.pay([{ script: payee.script, valueSats: 1_000n }], {
          feeSats: FEE_SATS,
          coins: [CONTRACT_MINER.coinOf(whole, 1)],
        });
        expect([await send(back), await send(change)]).toEqual(['accepted', 'accepted']);
        await mine();
        expect(await send(whole)).toBe('missing_inputs');
      });
      it('of what spends a coin that a mined transaction spent misses an input', async () => {
        const [first, second] = conflicting(['confirmed', FEE_SATS], ['late', 10n * FEE_SATS]);
        await send(first);
        await mine();
        expect(await send(second)).toBe('missing_inputs');
      });
      it('of a child before its parent misses an input', async () => {
        const parent = pay(60_000n);
        const child = payee.pay([{ script: payee.script, valueSats: 50_000n }], {
          feeSats: 10_000n,
          coins: [payee.coinOf(parent, 0)],
        });
        expect(await send(child)).toBe('missing_inputs');
        expect([await send(parent), await send(child)]).toEqual(['accepted', 'accepted']);
        await mine();
        expect(await tipTransactions()).toEqual(expect.arrayContaining([parent.txid, child.txid]));
      });
      it('of what conflicts with the mempool and pays no more is a conflict', async () => {
        const [first, second] = conflicting(['first', FEE_SATS], ['second', FEE_SATS]);
        expect(await send(first)).toBe('accepted');
        expect(await send(second)).toBe('mempool_conflict');
        expect(await node.mempoolTxids()).toContain(first.txid);
        await mine();
      });
      it('of what pays more replaces its predecessor and what spent that', async () => {
        const [first, second] = conflicting(['cheap', FEE_SATS], ['dear', 10n * FEE_SATS]);
        const child = payee.pay([{ script: payee.script, valueSats: 20_000n }], {
          feeSats: FEE_SATS,
          coins: [payee.coinOf(first, 0)],
        });
        expect([await send(first), await send(child)]).toEqual(['accepted', 'accepted']);
        expect(await send(second)).toBe('accepted');
        const waiting = await node.mempoolTxids();
        expect(waiting).toContain(second.txid);
        expect(waiting).not.toContain(first.txid);
        expect(waiting).not.toContain(child.txid);
        await mine();
      });
      it('of what is badly signed, not yet due or no transaction is rejected', async () => {
        const { height } = await node.chainInfo();
        const later = CONTRACT_MINER.pay([{ script: payee.script, valueSats: 9_000n }], {
          feeSats: FEE_SATS,
          locktime: height + 10,
        });
        expect((await node.sendRawTransaction(tampered(pay(9_000n)))).kind).toBe('rejected');
        expect(await send(later)).toBe('rejected');
        expect((await node.sendRawTransaction(Uint8Array.of(1, 2, 3))).kind).toBe('rejected');
        await expect(node.testMempoolAccept([Uint8Array.of(1, 2, 3)])).rejects.toMatchObject({
          kind: 'rpc',
          code: -22,
        });
      });
      it('of a coinbase’s output before its time is rejected', async () => {
        const [hash] = await mine();
        const coinbase = unwrap(checkBlock((await node.rawBlock(hash!))!, 'regtest')).transactions[0]!;
        const coin = CONTRACT_MINER.coinOf(coinbase, 0);
        const transaction = CONTRACT_MINER.pay([{ script: payee.script, valueSats: 5_000n }], {
          feeSats: FEE_SATS,
          coins: [coin],
        });
        expect(await send(transaction)).toBe('rejected');
      });

      /** Two payments that spend the same coin, with signalled replacement. */
      function conflicting(...versions: readonly [readonly [string, bigint], readonly [string, bigint]]) {
        const coins = CONTRACT_MINER.coins().slice(0, 1);
        const build = ([, feeSats]: readonly [string, bigint], i: number): ParsedTransaction =>
          CONTRACT_MINER.pay([{ script: payee.script, valueSats: 30_000n + BigInt(i) }], { feeSats, coins });
        return [build(versions[0], 0), build(versions[1], 1)] as const;
      }
    });

    describe('a reorg', () => {
      it('takes a transaction off and brings it back', async () => {
        const transaction = pay(70_000n);
        await send(transaction);
        const start = await node.chainInfo();
        const [old] = await mine();
        await node.invalidateBlock(old!);
        expect(await node.chainInfo()).toEqual(start);
        expect(await node.unspentOutput({ txid: transaction.txid, vout: 0 })).toBeUndefined();
        expect((await node.sendRawTransaction(transaction.raw)).kind).toMatch(/^(accepted|already_in_mempool)$/);
        const renewed = await mine(2);
        expect(renewed).not.toContain(old);
        expect((await blockAt(start.height + 1)).transactions.map((each) => each.txid)).toContain(transaction.txid);
        await node.reconsiderBlock(old!);
        expect((await node.chainInfo()).bestBlockHash).toBe(renewed[1]);
        const fork = (await node.chainTips()).find((tip) => tip.hash === old);
        expect(fork).toMatchObject({ height: start.height + 1, branchLength: 1 });
        expect(fork!.status).toMatch(/^valid/);
        expect(unwrap(checkBlock((await node.rawBlock(old!))!, 'regtest')).header.hash).toBe(old);
        expect(await node.rawHeader(old!)).toHaveLength(HEADER_BYTES);
      });
      it('goes back to the longer branch when it is reconsidered', async () => {
        const start = await node.chainInfo();
        const branch = await mine(3);
        await node.invalidateBlock(branch[0]!);
        const shorter = await mine(1);
        expect((await node.chainInfo()).bestBlockHash).toBe(shorter[0]);
        expect((await node.chainTips()).find((tip) => tip.hash === branch[2])!.status).toBe('invalid');
        await node.reconsiderBlock(branch[0]!);
        expect(await node.chainInfo()).toEqual({ height: start.height + 3, bestBlockHash: branch[2] });
        expect((await node.chainTips()).filter((tip) => tip.status === 'active')).toHaveLength(1);
      });
    });
  });
}

/** What {@link connectNode} counts on besides, from nodes over HTTP. */
export function connectingContract(
  name: string,
  start: () => Promise<NodeUnderTest & { readonly access: HttpAccess }>,
): void {
  describe(`connecting to ${name}`, () => {
    let subject: NodeUnderTest & { readonly access: HttpAccess };
    const connect = (more: Partial<ConnectOptions> = {}): Promise<RegtestNode> =>
      connectNode({ ...subject.access, network: 'regtest', runtime: timersOnly, ...more });

    beforeAll(async () => {
      subject = await start();
    });
    afterAll(() => subject?.stop());

    it('says what it is', async () => {
      const node = await connect();
      expect(node.network).toBe('regtest');
      expect(node.version).toMatch(node.kind === 'btcd' ? /^\/btcd:0\.\d+\.\d+\/$/ : /Finality|Satoshi/);
      node.close();
    });
    it('refuses a node of another network', async () => {
      await expect(connect({ network: 'mainnet' })).rejects.toBeInstanceOf(WrongNetwork);
      await expect(connect({ network: 'signet' })).rejects.toMatchObject({
        genesisHash: networkParams('regtest').genesisHash,
      });
    });
    it('tells a wrong password from a node that is away', async () => {
      await expect(connect({ password: 'wrong' })).rejects.toBeInstanceOf(NodeUnauthorized);
      const port = await closedPort();
      await expect(connect({ url: `http://127.0.0.1:${port}` })).rejects.toBeInstanceOf(NodeUnreachable);
    });
    it('gives up on a node that is silent', async () => {
      const silent = createServer().listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as { port: number };
      await expect(connect({ url: `http://127.0.0.1:${port}`, timeoutMs: 100 })).rejects.toBeInstanceOf(NodeTimeout);
      silent.close();
    });
    it('takes the credentials from the URL', async () => {
      const { url, user, password } = subject.access;
      const inUrl = url.replace('://', `://${user}:${encodeURIComponent(password)}@`);
      const node = await connectNode({ url: inUrl, network: 'regtest', runtime: timersOnly });
      expect((await node.chainInfo()).height).toBe(0);
      node.close();
    });
    it('serves many calls at once over few connections', async () => {
      const node = await connect();
      await node.mine(40, CONTRACT_MINER.address);
      const hashes = await Promise.all(Array.from({ length: 100 }, (_each, i) => node.blockHash(i % 40)));
      expect(new Set(hashes).size).toBe(40);
      node.close();
    });
  });
}

/** The same transaction with a bit of its signature turned over. */
export function tampered(transaction: ParsedTransaction): Uint8Array {
  const raw = Uint8Array.from(transaction.raw);
  const signature = transaction.inputs[0]!.witness[0]!;
  const offset = Buffer.from(raw).indexOf(signature) + Math.floor(signature.length / 2);
  raw[offset]! ^= 1;
  return raw;
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
