import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unwrap } from '@finality/kernel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { FEE_SATS } from './chain.fixture.ts';
import { RegtestWallet } from './regtest-wallet.ts';
import { type Simulator, startSimulator } from './simulator.ts';
import { SimulatedNode } from './simulated-node.ts';

const CREDENTIALS = { user: 'u', password: 'p' };
const COIN = 100_000_000n;
const miner = new RegtestWallet('simulator spec');

interface Answer {
  readonly status: number;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string } | null;
}

async function post(url: string, body: string, authorization = `Basic ${Buffer.from('u:p').toString('base64')}`) {
  const response = await fetch(url, { method: 'POST', body, headers: { authorization } });
  return { status: response.status, text: await response.text() };
}

async function ask(url: string, method: string, ...params: readonly unknown[]): Promise<Answer> {
  const { status, text } = await post(url, JSON.stringify({ jsonrpc: '1.0', id: 1, method, params }));
  return { status, ...(JSON.parse(text) as Omit<Answer, 'status'>) };
}

describe('the JSON-RPC of the simulator', () => {
  let simulator: Simulator;
  const call = async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
    const { result, error } = await ask(simulator.url, method, ...params);
    return error ?? result;
  };

  beforeAll(async () => {
    simulator = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now });
    await call('generatetoaddress', 103, miner.address);
    await miner.sync(new SimulatedNode(simulator.chain));
  });
  afterAll(() => simulator.close());

  it.each([
    ['getblockhash', [1_000_000], -8, 'Block height out of range'],
    ['getblock', ['ab'.repeat(32)], -5, 'Block not found'],
    ['getblock', ['abc'], -8, "blockhash must be of length 64 (not 3, for 'abc')"],
    ['getblockheader', ['ab'.repeat(32)], -5, 'Block not found'],
    ['invalidateblock', ['ab'.repeat(32)], -5, 'Block not found'],
    ['getmempoolentry', ['ab'.repeat(32)], -5, 'Transaction not in mempool'],
    ['getrawtransaction', ['ab'.repeat(32)], -5, /^No such mempool or blockchain transaction/],
    ['generatetoaddress', [1, 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4'], -5, 'Error: Invalid address'],
    ['generatetoaddress', ['1', miner.address], -3, /number/],
    ['sendrawtransaction', ['00'], -22, /^TX decode failed/],
    ['sendrawtransaction', ['xyz'], -22, /^TX decode failed/],
    ['submitblock', ['00'], -22, 'Block decode failed'],
    ['testmempoolaccept', [[]], -8, /between 1 and 25/],
    ['getblockhash', [], -1, /height/],
    ['getbalance', [], -32601, 'Method not found'],
    ['constructor', [], -32601, 'Method not found'],
  ])('%s %j answers error %i', async (method, params, code, message) => {
    const { error, result, status } = await ask(simulator.url, method, ...params);
    expect(result).toBeNull();
    expect(error).toEqual({ code, message: typeof message === 'string' ? message : expect.stringMatching(message) });
    expect(status).toBe(code === -32601 ? 404 : 500);
  });

  it('asks for credentials, and for POST', async () => {
    const body = JSON.stringify({ method: 'getblockcount', id: 1 });
    for (const wrong of ['', 'Basic dTp4', 'Bearer x', `Basic ${Buffer.from('u:p2').toString('base64')}`]) {
      expect((await post(simulator.url, body, wrong)).status).toBe(401);
    }
    expect((await fetch(simulator.url)).status).toBe(405);
  });
  it('speaks 1.0, 2.0 and batches', async () => {
    const { url, chain } = simulator;
    const height = chain.tip.height;
    expect(await post(url, '{"method":"getblockcount","id":"a"}')).toEqual({
      status: 200,
      text: `{"result":${height},"error":null,"id":"a"}\n`,
    });
    expect(await post(url, '{"jsonrpc":"2.0","method":"nothing","id":2}')).toEqual({
      status: 200,
      text: '{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found"},"id":2}\n',
    });
    const batch = JSON.parse(
      (await post(url, '[{"method":"getblockcount","id":1},{"method":7,"id":2}]')).text,
    ) as unknown;
    expect(batch).toEqual([
      { result: height, error: null, id: 1 },
      { result: null, error: { code: -32600, message: 'Method must be a string' }, id: 2 },
    ]);
    expect((await post(url, '{')).text).toContain('-32700');
  });
  it('shows blocks and transactions as Bitcoin Core does, amounts to the satoshi', async () => {
    const transaction = miner.pay([{ script: miner.script, valueSats: 12_345_678n }], { feeSats: FEE_SATS });
    expect(await call('sendrawtransaction', Buffer.from(transaction.raw).toString('hex'))).toBe(transaction.txid);
    expect(await call('getmempoolentry', transaction.txid)).toMatchObject({
      vsize: transaction.vsize,
      fees: { base: 0.00001 },
      ancestorcount: 1,
    });
    const [hash] = (await call('generatetoaddress', 1, miner.address)) as [string];
    const { text } = await post(simulator.url, JSON.stringify({ method: 'getblock', id: 1, params: [hash, 2] }));
    expect(text).toContain('"value":0.12345678,');
    expect(text).toContain('"fee":0.00001000,');
    expect(await call('getblock', hash, 1)).toMatchObject({
      hash,
      confirmations: 1,
      nTx: 2,
      tx: [expect.any(String), transaction.txid],
    });
    expect(await call('getblock', hash, 3)).toMatchObject({
      tx: [{}, { vin: [{ prevout: { value: 50, scriptPubKey: { address: miner.address } } }] }],
    });
    expect(await call('getrawtransaction', transaction.txid, true)).toMatchObject({
      blockhash: hash,
      confirmations: 1,
      txid: transaction.txid,
    });
    expect(await call('gettxout', transaction.txid, 0)).toMatchObject({
      value: 0.12345678,
      scriptPubKey: { type: 'witness_v0_keyhash' },
    });
    expect(await call('scantxoutset', 'start', [`addr(${miner.address})`])).toMatchObject({
      success: true,
      height: simulator.chain.tip.height,
    });
    expect(await call('sendrawtransaction', Buffer.from(transaction.raw).toString('hex'))).toEqual({
      code: -27,
      message: 'Transaction outputs already in utxo set',
    });
  });
  it('refuses absurd fees and burnt coin unless told otherwise', async () => {
    const dear = miner.pay([{ script: miner.script, valueSats: COIN }], { feeSats: COIN });
    const hex = Buffer.from(dear.raw).toString('hex');
    expect(await call('sendrawtransaction', hex)).toMatchObject({ code: -25 });
    expect(await call('testmempoolaccept', [hex])).toMatchObject([
      { allowed: false, 'reject-reason': 'max-fee-exceeded' },
    ]);
    expect(await call('testmempoolaccept', [hex], 0)).toMatchObject([{ allowed: true, fees: { base: 1 } }]);
    expect(await call('sendrawtransaction', hex, 0)).toBe(dear.txid);
  });
  it('mines chosen transactions alone with generateblock', async () => {
    const [one] = simulator.chain.mempool.entries();
    await call('generateblock', miner.address, []);
    expect(simulator.chain.mempool.size).toBe(1);
    await call('generateblock', miner.address, [one!.transaction.txid]);
    expect(simulator.chain.mempool.size).toBe(0);
  });
  it('says that its port is taken', async () => {
    await expect(startSimulator({ ...CREDENTIALS, port: simulator.port, now: Date.now })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
  it('can be without an index of transactions', async () => {
    const bare = await startSimulator({ ...CREDENTIALS, port: 0, now: Date.now, txIndex: false });
    const [hash] = unwrap(bare.chain.mine({ script: miner.script }));
    const { txid } = bare.chain.block(bare.chain.tip).transactions[0]!;
    expect((await ask(bare.url, 'getrawtransaction', txid)).error).toMatchObject({
      code: -5,
      message: expect.stringContaining('-txindex') as string,
    });
    expect((await ask(bare.url, 'getrawtransaction', txid, false, hash)).result).toBeTypeOf('string');
    await bare.close();
  });
});

describe('a simulator with a data directory', () => {
  let dataDir: string;
  const open = (): Promise<Simulator> => startSimulator({ ...CREDENTIALS, port: 0, now: Date.now, dataDir });
  const file = (): string => path.join(dataDir, 'regtest.journal');

  beforeEach(() => {
    dataDir = mkdtempSync(path.join(tmpdir(), 'finality-simulator-'));
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  it('goes on where it was closed', async () => {
    const first = await open();
    unwrap(first.chain.mine({ script: miner.script, count: 101 }));
    await miner.sync(new SimulatedNode(first.chain));
    const transaction = miner.pay([{ script: miner.script, valueSats: COIN }], { feeSats: FEE_SATS });
    unwrap(first.chain.accept(transaction));
    first.chain.invalidate(first.chain.tip);
    const { tip } = first.chain;
    await first.close();
    const second = await open();
    expect(second.chain.tip.hash).toBe(tip.hash);
    expect(second.chain.tips().filter((each) => each.failed)).toHaveLength(1);
    unwrap(second.chain.mine({ script: miner.script }));
    expect(second.chain.tip.height).toBe(tip.height + 1);
    await second.close();
  });
  it('drops a record that was torn off, and goes on', async () => {
    const first = await open();
    unwrap(first.chain.mine({ script: miner.script, count: 5 }));
    await first.close();
    const whole = statSync(file()).size;
    truncateSync(file(), whole - 3);
    const second = await open();
    expect(second.chain.tip.height).toBe(4);
    unwrap(second.chain.mine({ script: miner.script, count: 2 }));
    await second.close();
    appendFileSync(file(), Buffer.from('0001020304', 'hex'));
    const third = await open();
    expect(third.chain.tip.height).toBe(6);
    await third.close();
    expect(statSync(file()).size).toBe(whole + (whole - 27) / 5);
  });
  it('refuses a file that isn’t its own', async () => {
    appendFileSync(file(), 'something else, and not a short text either');
    await expect(open()).rejects.toThrow('expected a regtest journal');
  });
  it('loses nothing that it answered for when it is killed', async () => {
    for (let round = 1; round <= 3; round++) {
      const { child, url } = await startChild(dataDir);
      let answered = 0;
      const enough = new Promise<void>((resolve) => {
        const mine = async (): Promise<void> => {
          for (let blocks = 0; ; blocks++) {
            await ask(url, 'generatetoaddress', 1, miner.address);
            answered = (await ask(url, 'getblockcount')).result as number;
            if (blocks === 5 * round) resolve();
          }
        };
        mine().catch(resolve);
      });
      await enough;
      child.kill('SIGKILL');
      await once(child, 'exit');
      const again = await open();
      expect(again.chain.tip.height).toBeGreaterThanOrEqual(answered);
      expect(answered).toBeGreaterThanOrEqual(5 * round);
      await again.close();
    }
  });
});

/** A simulator in a process of its own. */
async function startChild(dataDir: string): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const root = path.resolve(import.meta.dirname, '../../..');
  const script = `
    import { startSimulator } from '@finality/chain-simulator';
    const { url } = await startSimulator({ ...${JSON.stringify({ ...CREDENTIALS, port: 0, dataDir })}, now: Date.now });
    process.stdout.write(url + '\\n');
  `;
  const args = ['--import', path.join(root, 'tools/register.mjs'), '--input-type=module', '--eval', script];
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`it ended with code ${String(code)}`)));
  ended.catch(() => undefined);
  const [line] = (await Promise.race([once(child.stdout, 'data'), ended])) as [Buffer];
  return { child, url: line.toString().trim() };
}
