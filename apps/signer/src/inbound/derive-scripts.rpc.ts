import type { Branch } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { type FieldError, fieldError, invalid, refusal } from '@finality/kernel';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Account } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Pool } from 'pg';
import type { Keyring } from '../keyring.ts';
import { branchName, writeIndices } from '../outbound/journal.ts';
import { poolSession } from '../outbound/pool-session.ts';
import { accountStream } from '../streams.ts';
import { KEYRING, SIGNER_READER, type SignerReader } from '../tokens.ts';

const INDICES_MAX = 1_000;
const INDEX_MAX = 2 ** 31 - 1;
const ACCOUNTS_CACHED_MAX = 10_000;

/** Scripts derived from the signer's own keys, for the issuer to compare with what it derived from the descriptor. */
@Controller()
export class DeriveScriptsRpc {
  readonly #reader: SignerReader;
  readonly #keyring: Keyring;
  /** An account never changes. */
  readonly #accounts = new Map<string, Account>();
  /** Highest index of each branch that is stored. */
  readonly #noted = new Map<string, number>();
  readonly #pool: Pool;

  constructor(
    @Inject(SIGNER_READER) reader: SignerReader,
    @Inject(KEYRING) keyring: Keyring,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#reader = reader;
    this.#keyring = keyring;
    this.#pool = env.pool;
  }

  @GrpcMethod('SigningService', 'deriveScripts')
  async handle(request: signingV1.DeriveScriptsRequest): Promise<signingV1.DeriveScriptsResponse> {
    const { walletId, branch, indices } = request;
    const errors = indexErrors(indices);
    if (branch !== 0 && branch !== 1) {
      throw new RefusalException(
        invalid(...errors, fieldError('branch', `expected 0 (external) or 1 (internal), got ${branch}`)),
      );
    }
    if (errors.length > 0) throw new RefusalException(invalid(...errors));
    const account = await this.#account(walletId);
    if (!account)
      throw new RefusalException(
        refusal('not_found', 'UNKNOWN_WALLET', `no account of ours belongs to wallet ${walletId}`),
      );
    await this.#note(walletId, branch, indices);
    return { scripts: indices.map((index) => this.#keyring.scriptOf(account, branch, index)) };
  }

  /** What the issuer may issue from now on is no surprise in a transaction. */
  async #note(walletId: string, branch: Branch, indices: readonly number[]): Promise<void> {
    const index = Math.max(-1, ...indices);
    const name = branchName(walletId, branch);
    if (index <= (this.#noted.get(name) ?? -1)) return;
    await writeIndices(poolSession(this.#pool), [{ walletId, branch, index }]);
    if (this.#noted.size >= ACCOUNTS_CACHED_MAX) this.#noted.clear();
    this.#noted.set(name, index);
  }

  async #account(walletId: string): Promise<Account | undefined> {
    const known = this.#accounts.get(walletId);
    if (known) return known;
    const { account } = (await this.#reader.loadState(accountStream, walletId)).state;
    if (!account) return undefined;
    if (this.#accounts.size >= ACCOUNTS_CACHED_MAX) this.#accounts.clear();
    this.#accounts.set(walletId, account);
    return account;
  }
}

function indexErrors(indices: readonly number[]): readonly FieldError[] {
  if (indices.length > INDICES_MAX)
    return [fieldError('indices', `expected at most ${INDICES_MAX}, got ${indices.length}`)];
  const wrong = indices.find((index) => !Number.isInteger(index) || index < 0 || index > INDEX_MAX);
  return wrong === undefined ? [] : [fieldError('indices', `expected 0 to ${INDEX_MAX}, got ${wrong}`)];
}
