import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type BumpDecision,
  type BumpInputs,
  decideBump,
  type Descendant,
  feeRate,
  type FeeRate,
  feeRateOf,
  type ParsedTransaction,
} from '@finality/bitcoin';
import { RegtestWallet, SimulatedChain, SimulatedNode, type WalletCoin } from '@finality/chain-simulator';
import { assert, type Sats } from '@finality/kernel';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { startBtcd } from '@finality/tools/servers/btcd.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNode, type RegtestNode } from './index.ts';
import { timersOnly } from './node-contract.fixture.ts';

const WALLET = new RegtestWallet('bumper');
const PAYEE = new RegtestWallet('sweeper', 'tr');
const PAID_SATS = 1_000_000n;
const sats = (value: bigint): Sats => value as Sats;
const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

interface Started {
  readonly node: RegtestNode;
  stop(): Promise<void>;
}

function startSimulated(): Promise<Started> {
  const node = new SimulatedNode(new SimulatedChain({ now: Date.now }));
  return Promise.resolve({ node, stop: () => Promise.resolve() });
}

async function startReal(): Promise<Started> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'finality-btcd-'));
  const access = await startBtcd({ dataDir, miningAddress: WALLET.address });
  const node = await connectNode({ ...access, network: 'regtest', runtime: timersOnly });
  const stop = async (): Promise<void> => {
    node.close();
    await access.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
  return { node, stop };
}

describe.each([
  ['the simulator', 100n, startSimulated, undefined],
  ['btcd', 1_000n, startReal, missing],
] as const)('what the bump policy decides, at %s', (_name, incremental, start, reason) => {
  if (reason !== undefined) {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${reason})`, () => {
      throw new Error(reason);
    });
    return;
  }
  let started: Started;
  let node: RegtestNode;
  let floor: FeeRate;

  beforeAll(async () => {
    started = await start();
    ({ node } = started);
    await node.mine(110, WALLET.address);
    await WALLET.sync(node);
    ({ floor } = await node.feeRates(2));
  });
  afterAll(() => started?.stop());

  const isTaken = async (transaction: ParsedTransaction): Promise<boolean> => {
    const [verdict] = await node.testMempoolAccept([transaction.raw]);
    return verdict!.allowed;
  };

  async function send(transaction: ParsedTransaction): Promise<ParsedTransaction> {
    const answer = await node.sendRawTransaction(transaction.raw);
    expect(answer.kind).toBe('accepted');
    return transaction;
  }

  const version = (coin: WalletCoin, feeSats: bigint): ParsedTransaction =>
    WALLET.pay([{ script: PAYEE.script, valueSats: PAID_SATS }], { feeSats, coins: [coin] });

  /** The payee spends all that it got. */
  const sweep = (parent: ParsedTransaction, feeSats: bigint): ParsedTransaction =>
    PAYEE.pay([{ script: PAYEE.script, valueSats: PAID_SATS - feeSats }], {
      feeSats,
      coins: [PAYEE.coinOf(parent, 0)],
    });

  interface Case {
    readonly first: bigint;
    /** Missing: hardly more than it pays. */
    readonly target?: bigint;
    readonly sweepFee?: bigint;
  }

  /** A version that is stuck, and what is decided. */
  async function stuck(
    { first, target, sweepFee }: Case,
    hasChange: boolean,
  ): Promise<{
    readonly coin: WalletCoin;
    readonly parent: ParsedTransaction;
    readonly decision: BumpDecision;
  }> {
    const coin = WALLET.coins()[0]!;
    const parent = await send(version(coin, first));
    const child = sweepFee === undefined ? undefined : await send(sweep(parent, sweepFee));
    const descendants: Descendant[] = child ? [{ feeSats: sats(sweepFee!), vsize: child.vsize, isOwn: false }] : [];
    const inputs: BumpInputs = {
      versions: [{ version: 1, feeSats: sats(first), vsize: parent.vsize, descendants }],
      target: feeRate(target ?? feeRateOf(sats(first), parent.weight) + 1n),
      incremental: feeRate(incremental),
      floor,
      feeCapSats: sats(1_000_000n),
      // Signatures of another version may be a byte longer.
      replacement: { vsize: parent.vsize + 1, isFunded: true },
      ...(hasChange
        ? { change: { valueSats: parent.outputs[1]!.valueSats, childVsize: 111, dustSats: sats(294n) } }
        : {}),
    };
    return { coin, parent, decision: decideBump(inputs) };
  }

  it.each<[string, Case, number]>([
    ['a version alone, for the target', { first: 200n, target: 10_000n }, 1],
    ['a version alone, for the relay of another', { first: 1_000n }, 1],
    ['a version and what was swept from it', { first: 200n, target: 2_000n, sweepFee: 150n }, 2],
    ['a version and a dear sweep, whose feerate counts', { first: 200n, target: 22_000n, sweepFee: 2_000n }, 2],
  ])('replaces %s', async (_what, situation, evictions) => {
    const { coin, decision } = await stuck(situation, false);
    assert(decision.kind === 'replace', `it is replaced: ${decision.kind}`);
    expect(decision.evictions).toBe(evictions);
    const next = version(coin, decision.feeSats);
    expect(await isTaken(next)).toBe(true);
    await send(next);
    expect(await node.mempoolTxids()).toEqual([next.txid]);
    await node.mine(1, WALLET.address);
    await WALLET.sync(node);
  });

  it.each<[string, Case]>([
    ['that pays for its relay', { first: 1_000n }],
    ['that pays for the sweep', { first: 200n, target: 2_000n, sweepFee: 150n }],
  ])('asks no more than it takes for a replacement %s', async (_what, situation) => {
    const { coin, decision } = await stuck(situation, false);
    assert(decision.kind === 'replace', `it is replaced: ${decision.kind}`);
    expect(await isTaken(version(coin, decision.feeSats - 3n))).toBe(false);
    await node.mine(1, WALLET.address);
    await WALLET.sync(node);
  });

  it('pays by a child from change where a payee has swept', async () => {
    const { parent, decision } = await stuck({ first: 200n, target: 9_000n, sweepFee: 150n }, true);
    assert(decision.kind === 'child', `a child pays: ${decision.kind}`);
    const coin = WALLET.coinOf(parent, 1);
    const payments = [{ script: WALLET.script, valueSats: coin.valueSats - decision.feeSats }];
    const child = await send(WALLET.pay(payments, { feeSats: decision.feeSats, coins: [coin] }));
    const both = BigInt(parent.vsize + child.vsize);
    expect((200n + decision.feeSats) * 1_000n).toBeGreaterThanOrEqual(9_000n * both);
    await node.mine(1, WALLET.address);
    expect(await node.mempoolTxids()).toEqual([]);
  });
});
