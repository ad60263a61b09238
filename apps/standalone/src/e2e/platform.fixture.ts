import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseAddress, type ParsedTransaction } from '@finality/bitcoin';
import type { RegtestNode } from '@finality/bitcoin-node';
import type { RegtestWallet } from '@finality/chain-simulator';
import { CHAIN_STATUS, type ChainStatus } from '@finality/chain-watcher-app';
import { addressV1, institutionV1, type ledgerV1, type reconciliationV1, settlementV1 } from '@finality/contracts';
import { type Runtime, unwrap } from '@finality/kernel';
import { createLogger, type Log, silentLog, systemRuntime } from '@finality/service';
import { ensureBtcd } from '@finality/tools/servers/btcd-install.ts';
import { type Btcd, startBtcd } from '@finality/tools/servers/btcd.ts';
import { describe, expect, it } from 'vitest';
import { minerWallet } from '../chain.ts';
import { type Clients, connectClients } from '../clients.ts';
import { readEnvironment } from '../config.ts';
import { type DataDirectory, openDataDirectory } from '../data-dir.ts';
import { type RunningPlatform, startPlatform } from '../platform.ts';
import { statusName } from '../names.ts';

export type NodeKind = 'simulator' | 'btcd';

export const EVENTUALLY_MS_MAX = 45_000;
const POLL_MS = 50;
const FAUCET_FEE_SATS = 2_000n;
/** Coinbases that can be spent from the start, besides the 100 blocks that make them mature. */
const FAUCET_COINS = 25;
const BLOCKS_PER_CALL = 25;

/** The same suite on each kind of node. Without Go there is no btcd: that fails in continuous integration, and is skipped elsewhere. */
export async function describeOnNodes(name: string, suite: (kind: NodeKind) => void): Promise<void> {
  describe(`${name}, on the simulated node`, () => suite('simulator'));
  const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
  describe(`${name}, on btcd`, () => {
    if (missing === undefined) suite('btcd');
    else
      it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
        throw new Error(missing);
      });
  });
}

export interface TestPlatformOptions {
  readonly node: NodeKind;
  /** Variables of the environment. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The whole platform in the test's process, on free ports and a directory of its own, and the world around it. */
export class TestPlatform {
  readonly runtime: Runtime = systemRuntime();
  readonly home: string;
  readonly #options: TestPlatformOptions;
  readonly #btcd: Btcd | undefined;
  readonly #clients: Clients[] = [];
  readonly miner: RegtestWallet = minerWallet();
  #directory: DataDirectory | undefined;
  #running: RunningPlatform | undefined;

  private constructor(home: string, options: TestPlatformOptions, btcd: Btcd | undefined) {
    this.home = home;
    this.#options = options;
    this.#btcd = btcd;
  }

  static async start(options: TestPlatformOptions): Promise<TestPlatform> {
    const home = await mkdtemp(path.join(tmpdir(), 'finality-e2e-'));
    const dataDir = path.join(home, 'btcd');
    const btcd =
      options.node === 'btcd' ? await startBtcd({ dataDir, miningAddress: minerWallet().address }) : undefined;
    const platform = new TestPlatform(home, options, btcd);
    await platform.up();
    const blocks = 100 + FAUCET_COINS;
    for (let mined = 0; mined < blocks; mined += BLOCKS_PER_CALL) {
      await platform.node.mine(BLOCKS_PER_CALL, platform.miner.address);
    }
    await platform.miner.sync(platform.node);
    await platform.caughtUp();
    return platform;
  }

  async up(): Promise<void> {
    const environment = {
      FINALITY_DATA_DIR: path.join(this.home, 'data'),
      CHAIN_POLL_MS: '100',
      RECONCILIATION_POLL_MS: '200',
      MINE_INTERVAL_SECONDS: '0',
      SIGNER_SCRYPT_LOG_N: '10',
      ...(this.#btcd && {
        BITCOIN_RPC_URL: this.#btcd.url,
        BITCOIN_RPC_USER: this.#btcd.user,
        BITCOIN_RPC_PASSWORD: this.#btcd.password,
      }),
      ...this.#options.environment,
    };
    const config = readEnvironment(environment);
    const { runtime } = this;
    const chain = this.#btcd ? 'node' : 'simulator';
    this.#directory = await openDataDirectory(config.FINALITY_DATA_DIR, { fresh: false, chain, runtime });
    this.#running = await startPlatform({
      directory: this.#directory,
      config,
      ports: { grpc: 0, http: 0, bitcoinRpc: 0 },
      fresh: false,
      runtime,
      log: testLog(),
      database: { durable: false, tieToParent: true },
    });
  }

  async down(): Promise<void> {
    for (const clients of this.#clients.splice(0)) clients.close();
    await this.#running?.stop();
    this.#running = undefined;
    await this.#directory?.release();
    this.#directory = undefined;
  }

  async stop(): Promise<void> {
    await this.down();
    await this.#btcd?.stop();
    await rm(this.home, { recursive: true, force: true });
  }

  get running(): RunningPlatform {
    if (!this.#running) throw new Error('the platform is down');
    return this.#running;
  }

  get node(): RegtestNode {
    return this.running.chain.node;
  }

  get address(): string {
    return `${this.running.grpc.host}:${this.running.grpc.port}`;
  }

  as(apiKey: string): Clients {
    const clients = connectClients({ address: this.address, apiKey, runtime: this.runtime });
    this.#clients.push(clients);
    return clients;
  }

  get operator(): Clients {
    return this.as(this.running.secrets.operator.apiKey);
  }

  get compliance(): Clients {
    return this.as(this.running.secrets.compliance.apiKey);
  }

  /** A new institution with a key and, unless told otherwise, a custodial wallet. */
  async institution(
    id: string,
    options: { creditLineSats?: bigint; wallet?: 'wpkh' | 'tr' | 'none' } = {},
  ): Promise<Member> {
    const { creditLineSats = 0n, wallet = 'wpkh' } = options;
    const { operator } = this;
    await operator.institutions.createInstitution({
      idempotencyKey: `create ${id}`,
      institutionId: id,
      name: id,
      creditLineSats,
    });
    const { secret } = await operator.institutions.issueApiKey({
      idempotencyKey: `key ${id}`,
      institutionId: id,
      roles: [institutionV1.Role.ROLE_INSTITUTION],
      label: 'test',
    });
    const { ScriptType } = addressV1;
    const registered =
      wallet === 'none'
        ? undefined
        : await this.eventually(() =>
            operator.addresses.registerWallet({
              idempotencyKey: `wallet ${id}`,
              institutionId: id,
              custodial: {
                scriptType: wallet === 'tr' ? ScriptType.SCRIPT_TYPE_TR : ScriptType.SCRIPT_TYPE_WPKH,
              },
              descriptors: undefined,
              birthdayHeight: 0,
            }),
          );
    return new Member(this, id, secret, registered?.walletId);
  }

  /** Mines, and waits until the chain watcher has processed it. */
  async mine(count = 1): Promise<void> {
    await this.node.mine(count, this.miner.address);
    await this.caughtUp();
  }

  /** The chain's facts have reached everybody, and what came of them. */
  async caughtUp(): Promise<void> {
    const { services } = this.running;
    const chain = services.get('chain-watcher')!.get<ChainStatus>(CHAIN_STATUS);
    await this.eventually(async () => {
      const { bestBlockHash } = await this.node.chainInfo();
      expect(chain.status().tipHash).toBe(bestBlockHash);
      for (const { consumer } of services.values()) expect((await consumer?.lag()) ?? 0n).toBe(0n);
    });
  }

  /** Takes the last `depth` blocks away and mines one more than that instead, without what is in `conflicts`' way. */
  async reorganise(depth: number, conflicts: readonly ParsedTransaction[] = []): Promise<void> {
    const { height } = await this.node.chainInfo();
    const first = await this.node.blockHash(height - depth + 1);
    await this.node.invalidateBlock(first!);
    for (const conflict of conflicts) {
      const answer = await this.node.sendRawTransaction(conflict.raw);
      expect(answer.kind).toBe('accepted');
    }
    await this.mine(depth + 1);
  }

  /** A payment from outside, signed but not sent. */
  async payment(address: string, valueSats: bigint, feeSats = FAUCET_FEE_SATS): Promise<ParsedTransaction> {
    if (this.miner.coins().length === 0) {
      await this.mine();
      await this.miner.sync(this.node);
    }
    return this.miner.pay([{ script: unwrap(parseAddress(address, 'regtest')), valueSats }], { feeSats });
  }

  async send(transaction: ParsedTransaction): Promise<void> {
    expect((await this.node.sendRawTransaction(transaction.raw)).kind).toBe('accepted');
  }

  /** The settlement once it is where it should be, while blocks are mined if it takes any. */
  async reaches(
    member: Member,
    settlementId: string,
    status: string,
    mining = false,
  ): Promise<settlementV1.Settlement> {
    return this.eventually(async () => {
      const settlement = await member.clients.settlements.getSettlement({ settlementId });
      if (statusName(settlement.status) !== status && mining) await this.mine();
      expect(`${statusName(settlement.status)} ${settlement.reason ?? ''}`).toMatch(new RegExp(`^${status} `));
      return settlement;
    });
  }

  /** A payout that is under way is in the node's mempool. */
  async broadcast(member: Member, settlementId: string): Promise<string> {
    return this.eventually(async () => {
      const { txid } = await member.clients.settlements.getSettlement({ settlementId });
      expect(await this.node.mempoolTxids()).toContain(txid);
      return txid!;
    });
  }

  reconcile(): Promise<reconciliationV1.Report> {
    const { operator } = this;
    return this.eventually(() =>
      operator.reconciliation.runReconciliation({ idempotencyKey: `run ${this.runtime.id()}` }),
    );
  }

  /** Tries until it doesn't throw; throws the last error when that takes too long. */
  async eventually<T>(attempt: () => Promise<T>, timeoutMs = EVENTUALLY_MS_MAX): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(POLL_MS);
      }
    }
  }
}

/** An institution with its key. */
export class Member {
  readonly id: string;
  readonly apiKey: string;
  readonly walletId: string | undefined;
  readonly #platform: TestPlatform;

  constructor(platform: TestPlatform, id: string, apiKey: string, walletId: string | undefined) {
    this.#platform = platform;
    this.id = id;
    this.apiKey = apiKey;
    this.walletId = walletId;
  }

  /** Anew each time: the platform may have been restarted. */
  get clients(): Clients {
    return this.#platform.as(this.apiKey);
  }

  async newAddress(purpose: 'clearing' | 'wallet'): Promise<string> {
    const { ADDRESS_PURPOSE_CLEARING, ADDRESS_PURPOSE_WALLET } = addressV1.AddressPurpose;
    const { address } = await this.#platform.eventually(() =>
      this.clients.addresses.issueAddress({
        idempotencyKey: this.#platform.runtime.id(),
        institutionId: this.id,
        purpose: purpose === 'clearing' ? ADDRESS_PURPOSE_CLEARING : ADDRESS_PURPOSE_WALLET,
        label: 'test',
        walletId: '',
      }),
    );
    return address;
  }

  /** Pays in from outside; nothing is mined. */
  async payIn(purpose: 'clearing' | 'wallet', valueSats: bigint): Promise<ParsedTransaction> {
    const transaction = await this.#platform.payment(await this.newAddress(purpose), valueSats);
    await this.#platform.send(transaction);
    return transaction;
  }

  /** Pays in from outside and mines until it is credited. */
  async deposit(purpose: 'clearing' | 'wallet', ...valuesSats: readonly bigint[]): Promise<void> {
    const before = await this.balance(purpose);
    for (const valueSats of valuesSats) await this.payIn(purpose, valueSats);
    await this.#platform.mine(3);
    const expected = valuesSats.reduce((total, valueSats) => total + valueSats, before.available);
    await this.#platform.eventually(async () => expect((await this.balance(purpose)).available).toBe(expected));
  }

  async balances(): Promise<readonly ledgerV1.ClaimBalance[]> {
    return (await this.clients.ledger.getBalances({ institutionId: this.id })).balances;
  }

  async balance(purpose: 'clearing' | 'wallet'): Promise<ledgerV1.ClaimBalance> {
    const claim = purpose === 'clearing' ? 'clearing' : `wallet:${this.walletId}`;
    const found = (await this.balances()).find((balance) => balance.claim === claim);
    if (!found) throw new Error(`${this.id} has no claim ${claim}`);
    return found;
  }

  submit(
    to: Member,
    mode: 'centralized' | 'bilateral' | 'blockchain',
    amountSats: bigint,
    more: Partial<settlementV1.SubmitSettlementRequest> = {},
  ): Promise<settlementV1.Settlement> {
    return this.clients.settlements.submitSettlement({
      idempotencyKey: this.#platform.runtime.id(),
      fromInstitution: this.id,
      toInstitution: to.id,
      amountSats,
      settlementMode: settlementV1.settlementModeFromJSON(`SETTLEMENT_MODE_${mode.toUpperCase()}`),
      referenceId: 'test',
      ...more,
    });
  }
}

/** All that institutions can claim, whatever state it is in. */
export async function totalClaims(...members: readonly Member[]): Promise<bigint> {
  const balances = (await Promise.all(members.map((member) => member.balances()))).flat();
  return balances.reduce(
    (total, each) => total + each.available + each.reserved + each.inFlight + each.incoming + each.held,
    0n,
  );
}

function testLog(): Log {
  return process.env['E2E_LOG'] === undefined ? silentLog : createLogger({ level: 'info', pretty: true });
}
