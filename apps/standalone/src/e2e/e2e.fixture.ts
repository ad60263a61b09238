import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  addressV1,
  institutionV1,
  type liquidityV1,
  type proposalV1,
  type reconciliationV1,
  type settlementV1,
  toTimestamp,
} from '@finality/contracts';
import type { Instant, Runtime } from '@finality/kernel';
import { type Log, systemRuntime } from '@finality/service';
import type { SignerConfig } from '@finality/signer-app';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { readEnvironment, type StandaloneConfig } from '../config.ts';
import { type DataDirectory, openDataDirectory } from '../data-dir.ts';
import { agree, newKey } from '../operators.ts';
import { openLog } from '../output.ts';
import { type RunningPlatform, startPlatform } from '../platform.ts';
import { type Api, connectApi } from './api.fixture.ts';
import { Bank, freshKey } from './bank.fixture.ts';
import { type NodeKind, SIMULATOR } from './nodes.fixture.ts';
import { Outside } from './outside.fixture.ts';
import { patiently, until } from './wait.fixture.ts';

export interface BankOptions {
  /** `none`: it only clears. Default: wpkh. */
  readonly wallet?: 'wpkh' | 'tr' | 'none';
  readonly creditLineSats?: bigint;
  /** Of the wallet; default: the present height, for which the node is asked. */
  readonly birthdayHeight?: number;
}

/** How the services run: in the test's own process, or each in its own over Kafka. */
export type PlatformKind = (setting: PlatformSetting) => Promise<RunningPlatform>;

export interface PlatformSetting {
  readonly directory: DataDirectory;
  readonly config: StandaloneConfig;
  readonly environment: Readonly<Record<string, string>>;
  readonly runtime: Runtime;
  readonly log: Log;
  /** At the end, in the reverse order. */
  onCleanUp(close: () => unknown): void;
}

const STANDALONE: PlatformKind = ({ directory, config, runtime, log }) =>
  startPlatform({
    directory,
    config,
    ports: { grpc: 0, http: 0, bitcoinRpc: 0 },
    fresh: false,
    runtime,
    log,
    database: { durable: false, tieToParent: true },
  });

export interface E2eOptions {
  readonly node?: NodeKind;
  /** Default: all services in this process. */
  readonly kind?: PlatformKind;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What costs time, and isn't what is tested. */
const QUICK = {
  MINE_INTERVAL_SECONDS: '0',
  CHAIN_POLL_MS: '80',
  RECONCILIATION_POLL_MS: '100',
  RECONCILIATION_DERIVE_AHEAD: '20',
  WATCH_AHEAD: '20',
  SIGNER_SCRYPT_LOG_N: '10',
};
/** That somebody else spends what we are about to spend is for a person to look at, and happens in tests. */
const ALARM = /^a transaction of ours can’t get onto the chain .*"conflict":"(input spent by|inputs missing)/;
const { Role } = institutionV1;
const ROLES = { compliance: Role.ROLE_COMPLIANCE, auditor: Role.ROLE_AUDITOR };
const { ScriptType } = addressV1;
/** Eight processes on a busy machine. */
const READY_MS_MAX = 90_000;
let banks = 0;

/** Resolves when the platform says that it is ready, or anything else that is asked for. */
type Start = (readiness?: Restart['readiness']) => Promise<RunningPlatform>;

interface Restart {
  /** While nothing runs. */
  readonly meanwhile?: () => Promise<void>;
  readonly readiness?: (report: Awaited<ReturnType<RunningPlatform['health']['report']>>) => boolean;
}

/** A whole platform in this process, on a data directory and ports of its own, and those who deal with it. */
export class E2e {
  readonly outside: Outside;
  readonly #start: Start;
  readonly #errors: readonly string[];
  readonly #cleanUp: () => Promise<void>;
  readonly #apis: Api[] = [];
  #platform: RunningPlatform;
  #operator: Api;
  #compliance: Api;
  #second: Api;

  /** What the signer was configured with. */
  readonly signer: SignerConfig;

  constructor(options: {
    signer: SignerConfig;
    start: Start;
    platform: RunningPlatform;
    outside: Outside;
    errors: readonly string[];
    /** What was started besides the platform. */
    cleanUp: () => Promise<void>;
  }) {
    this.signer = options.signer;
    this.#start = options.start;
    this.#platform = options.platform;
    this.#errors = options.errors;
    this.#cleanUp = options.cleanUp;
    this.outside = options.outside;
    this.#operator = this.api(options.platform.secrets.operator.apiKey);
    this.#second = this.api(options.platform.secrets.secondOperator.apiKey);
    this.#compliance = this.api(options.platform.secrets.compliance.apiKey);
  }

  get operator(): Api {
    return this.#operator;
  }

  get compliance(): Api {
    return this.#compliance;
  }

  get platform(): RunningPlatform {
    return this.#platform;
  }

  /** Of the gRPC API. */
  get address(): string {
    return `${this.#platform.grpc.host}:${this.#platform.grpc.port}`;
  }

  get http(): string {
    return `http://${this.#platform.http.host}:${this.#platform.http.port}`;
  }

  /** Everything that was logged as an error so far, but alarms about double spends. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  api(apiKey?: string): Api {
    const api = connectApi(this.address, apiKey);
    this.#apis.push(api);
    return api;
  }

  bank(options: BankOptions = {}): Promise<Bank> {
    return makeBank(this, options);
  }

  /** Somebody of those who run the platform. Operators are there from the start. */
  async staff(role: 'compliance' | 'auditor'): Promise<{ readonly api: Api; readonly keyId: string }> {
    const { apiKey, keyId } = await this.issueKey('', role, ROLES[role]);
    return { api: this.api(apiKey), keyId };
  }

  /** By two operators. @param institutionId empty: of those who run the platform */
  async issueKey(
    institutionId: string,
    label: string,
    role?: institutionV1.Role,
  ): Promise<{ readonly apiKey: string; readonly keyId: string }> {
    const { change, ...key } = newKey(systemRuntime(), institutionId, label, role);
    await this.agree(change);
    return key;
  }

  /** Somebody else of an institution. */
  async colleague({ id }: Pick<Bank, 'id'>): Promise<Api> {
    return this.api((await this.issueKey(id, 'second person')).apiKey);
  }

  /** The second person, where something takes two. */
  get second(): Api {
    return this.#second;
  }

  /** What takes two operators: one proposes it, another one confirms it. */
  agree(change: proposalV1.Change): Promise<proposalV1.Proposal> {
    return agree([this.operator, this.second], change, freshKey());
  }

  /** A credit line. @param inMs until it ends; missing: it doesn't */
  async lend(institutionId: string, limitSats: bigint, inMs?: number): Promise<liquidityV1.Liquidity> {
    const until = inMs !== undefined && { expiresAt: toTimestamp((Date.now() + inMs) as Instant) };
    const setCreditLine = { idempotencyKey: '', institutionId, limitSats, ...until, reason: '' };
    await this.agree({ setCreditLine });
    return this.operator.liquidity.getLiquidity({ institutionId });
  }

  /** An operator has looked at everything that stops signing or crediting. @returns the kinds of what there was */
  async confirmIncidents(): Promise<readonly settlementV1.IncidentKind[]> {
    const { operations } = this.operator;
    const { incidents } = await operations.listIncidents({});
    for (const { incidentId } of incidents)
      await operations.confirmIncident({ idempotencyKey: freshKey(), incidentId, reason: 'looked at' });
    return incidents.map(({ kind }) => kind);
  }

  /** Compares everything at the node's present tip. */
  async reconcile(): Promise<reconciliationV1.Report> {
    const tip = await this.outside.tip();
    return until(
      'reconciliation has compared everything at the node’s tip',
      () => patiently(() => this.operator.reconciliation.runReconciliation({ idempotencyKey: freshKey() })),
      ({ cut }) => cut?.blockHash === tip,
    );
  }

  /** Stops the platform and starts it on what it has left, on other ports: institutions have to connect anew. */
  async restart({ meanwhile, readiness }: Restart = {}): Promise<void> {
    await this.#platform.stop();
    await meanwhile?.();
    this.#platform = await this.#start(readiness);
    this.outside.reconnect(this.#platform.chain.node);
    const { operator, secondOperator, compliance } = this.#platform.secrets;
    this.#operator = this.api(operator.apiKey);
    this.#compliance = this.api(compliance.apiKey);
    this.#second = this.api(secondOperator.apiKey);
  }

  async stop(): Promise<void> {
    for (const api of this.#apis) api.close();
    await this.#platform.stop();
    await this.#cleanUp();
  }
}

export async function startE2e({
  node = SIMULATOR,
  kind = STANDALONE,
  environment = {},
}: E2eOptions = {}): Promise<E2e> {
  const root = mkdtempSync(path.join(tmpdir(), 'finality-e2e-'));
  const closing: (() => unknown)[] = [() => rmSync(root, { recursive: true, force: true })];
  const cleanUp = async (): Promise<void> => {
    for (const close of closing.splice(0).reverse()) await close();
  };
  try {
    const external = await node.start(root);
    closing.push(() => external.stop());
    const given = { ...QUICK, ...environment, ...external.environment, FINALITY_DATA_DIR: path.join(root, 'data') };
    const config = readEnvironment(given);
    const runtime = systemRuntime();
    const chain = config.BITCOIN_RPC_URL === undefined ? 'simulator' : 'node';
    const directory = await openDataDirectory(config.FINALITY_DATA_DIR, { fresh: false, chain, runtime });
    closing.push(() => directory.release());
    const { log, close } = openLog(directory.log, 'info', false);
    closing.push(close);
    const errors: string[] = [];
    const onCleanUp = (clean: () => unknown): void => void closing.push(clean);
    const setting = { directory, config, environment: given, runtime, log: recording(log, errors), onCleanUp };
    const start: Start = async (readiness = ({ status }) => status === 'ready') => {
      const started = await kind(setting);
      await until('the platform is ready', () => started.health.report(), readiness, READY_MS_MAX);
      return started;
    };
    const platform = await start();
    closing.push(() => platform.stop());
    const outside = await Outside.open(platform.chain.node);
    const signer = { ...config, SIGNER_PASSPHRASE_FILE: config.SIGNER_PASSPHRASE_FILE ?? directory.passphrase };
    return new E2e({ signer, start, platform, outside, errors, cleanUp });
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

async function makeBank(e2e: E2e, options: BankOptions): Promise<Bank> {
  const { wallet = 'wpkh', creditLineSats = 0n } = options;
  const { institutions, addresses } = e2e.operator;
  const id = `bank-${++banks}`;
  await institutions.createInstitution({ idempotencyKey: freshKey(), institutionId: id, name: id, creditLineSats: 0n });
  if (creditLineSats > 0n) await e2e.lend(id, creditLineSats);
  const { apiKey, keyId } = await e2e.issueKey(id, 'e2e');
  const scriptType = wallet === 'tr' ? ScriptType.SCRIPT_TYPE_TR : ScriptType.SCRIPT_TYPE_WPKH;
  const registration = {
    idempotencyKey: freshKey(),
    institutionId: id,
    custodial: { scriptType },
    descriptors: undefined,
    birthdayHeight: options.birthdayHeight ?? (await e2e.outside.height()),
  };
  const registered = wallet === 'none' ? undefined : await patiently(() => addresses.registerWallet(registration));
  const bank = new Bank(e2e, { id, apiKey, keyId, wallet: registered });
  // Both have to have reached every service: a key is news, and so is a wallet.
  await until(
    `${id} can see its claims`,
    () => patiently(() => bank.balances()),
    (balances) => balances.size === (registered ? 2 : 1),
  );
  return bank;
}

/** Passes everything on, and remembers what nobody should see in a test. */
function recording(log: Log, errors: string[]): Log {
  return {
    debug: (fields, message) => log.debug(fields, message),
    info: (fields, message) => log.info(fields, message),
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => {
      const { err, ...others } = fields as { readonly err?: unknown };
      const text = `${message} ${err instanceof Error ? (err.stack ?? err.message) : ''} ${JSON.stringify(others)}`;
      if (!ALARM.test(text)) errors.push(text);
      log.error(fields, message);
    },
    child: (fields) => recording(log.child(fields), errors),
  };
}

/** The books balance, and nothing has gone wrong behind the scenes. */
export async function expectInOrder(e2e: E2e): Promise<reconciliationV1.Report> {
  const report = await e2e.reconcile();
  expect(report.breaks).toEqual([]);
  expect(report.checked).toBeGreaterThan(0n);
  expect(e2e.errors).toEqual([]);
  return report;
}

/** A suite on a platform of its own: in this process on the simulated node, unless told otherwise. On btcd the same suites run in `distributed.soak.spec.ts`. */
export function onPlatform(title: string, suite: (e2e: () => E2e) => void, options: E2eOptions = {}): void {
  describe(title, () => {
    let e2e: E2e | undefined;
    beforeAll(async () => {
      e2e = await startE2e(options);
    });
    afterAll(() => e2e?.stop());
    suite(() => e2e!);
  });
}
