import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDescriptor } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { PostgresDriver } from '@finality/messaging';
import { createReadModels, INTERNAL_API, readConfig, refusalOf, rolesOf } from '@finality/service';
import { testDatabase, type TestDatabase, TestRuntime } from '@finality/testing';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { QueryRunner } from 'typeorm';
import { signerConfig, type SignerEnv, signerService, type SigningPort } from './index.ts';
import type { Wallet } from './payout.fixture.ts';

Logger.overrideLogger(false);

export interface Signer {
  readonly port: SigningPort;
  readonly app: INestApplicationContext;
}

/** A signer on a real Postgres, and more of them on the same store. */
export class SignerRig {
  readonly runtime = new TestRuntime();
  readonly database: TestDatabase;
  readonly #home: string;
  readonly #started: Signer[] = [];
  #wallets = 0;

  private constructor(database: TestDatabase, home: string) {
    this.database = database;
    this.#home = home;
  }

  static async open(): Promise<SignerRig> {
    const database = await testDatabase(['signer'], { eventStore: false });
    const { schema, serviceRole, owner } = database.service('signer');
    const roles = { schema, owner: rolesOf('signer').owner, service: serviceRole, bus: database.busRole };
    const runner = { query: (text: string) => owner.query(text) } as unknown as QueryRunner;
    for (const Migration of signerService.migrations(roles)) await new Migration().up(runner);
    return new SignerRig(database, await mkdtemp(join(tmpdir(), 'finality-signer-')));
  }

  config(over: Record<string, string> = {}): SignerEnv['config'] {
    const passphraseFile = join(this.#home, 'keys', 'passphrase');
    return readConfig({ SIGNER_PASSPHRASE_FILE: passphraseFile, SIGNER_SCRYPT_LOG_N: '10', ...over }, signerConfig);
  }

  async start(over: Partial<Pick<SignerEnv, 'config' | 'faults'>> = {}): Promise<Signer> {
    const schema = this.database.service('signer');
    const readModels = await createReadModels(schema.url, {
      schema: schema.schema,
      entities: [],
      applicationName: 'test',
    });
    const driver = new PostgresDriver({
      bus: this.database.bus,
      consumer: schema.pool,
      consumerSchema: schema.schema,
      schemaOf: () => schema.schema,
      listen: false,
    });
    const { runtime } = this;
    const env: SignerEnv = { config: this.config(), runtime, pool: schema.pool, readModels, driver, ...over };
    const app = await NestFactory.createApplicationContext(signerService.module(env), {
      logger: false,
      abortOnError: false,
    }).finally(() => readModels.destroy());
    const made = { app, port: app.get<SigningPort>(INTERNAL_API) };
    this.#started.push(made);
    return made;
  }

  /** A new account of an institution. */
  async wallet({ port }: Signer, institutionId: string, scriptType: 'wpkh' | 'tr'): Promise<Wallet> {
    this.#wallets += 1;
    const walletId = `wallet-${this.#wallets}`;
    const account = await port.createAccount({ walletId, institutionId, scriptType });
    const pair = [account.externalDescriptor, account.internalDescriptor] as const;
    return { walletId, institutionId, descriptor: unwrap(parseDescriptor(pair, 'regtest')) };
  }

  async close(): Promise<void> {
    for (const { app } of this.#started) await app.close();
    await this.database.close();
    await rm(this.#home, { recursive: true });
  }
}

/** `done`, or the reason of the refusal. */
export async function outcomeOf(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'done';
  } catch (error) {
    const refused = refusalOf(error);
    if (!refused) throw error;
    return refused.reason;
  }
}

/** `signed`, or the rule that refuses. */
export async function attemptOn({ port }: Signer, request: signingV1.SignTransactionRequest): Promise<string> {
  const outcome = await outcomeOf(port.signTransaction(request));
  return outcome === 'done' ? 'signed' : outcome;
}
