import { type Branch, deriveScript, type ScriptHex } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { type FieldError, fieldError, invalid, refusal } from '@finality/kernel';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Pool } from 'pg';
import type { Keyring } from '../keyring.ts';
import { branchName, writeIndices } from '../outbound/journal.ts';
import { poolSession } from '../outbound/pool-session.ts';
import { accountStream, destinationStream } from '../streams.ts';
import { KEYRING, SIGNER_READER, type SignerReader } from '../tokens.ts';

const INDICES_MAX = 1_000;
const INDEX_MAX = 2 ** 31 - 1;
const WALLETS_CACHED_MAX = 10_000;

type Derive = (branch: Branch, index: number) => ScriptHex;

/** Scripts derived from the signer's own keys, or its own registry, for the issuer to compare with what it derived from the descriptor. */
@Controller()
export class DeriveScriptsRpc {
  readonly #reader: SignerReader;
  readonly #keyring: Keyring;
  /** Neither an account nor a payee's wallet ever changes. */
  readonly #wallets = new Map<string, Derive>();
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
    const { walletId, branch, indices, destinationId } = request;
    const errors = indexErrors(indices);
    if (branch !== 0 && branch !== 1) {
      throw new RefusalException(
        invalid(...errors, fieldError('branch', `expected 0 (external) or 1 (internal), got ${branch}`)),
      );
    }
    if (errors.length > 0) throw new RefusalException(invalid(...errors));
    const derive = await this.#wallet(walletId, destinationId);
    if (!derive) {
      const message = `no account of ours, and no destination that was asked for, is wallet ${walletId}`;
      throw new RefusalException(refusal('not_found', 'UNKNOWN_WALLET', message));
    }
    await this.#note(walletId, branch, indices);
    return { scripts: indices.map((index) => derive(branch, index)) };
  }

  /** What the issuer may issue from now on is no surprise in a transaction. */
  async #note(walletId: string, branch: Branch, indices: readonly number[]): Promise<void> {
    const index = Math.max(-1, ...indices);
    const name = branchName(walletId, branch);
    if (index <= (this.#noted.get(name) ?? -1)) return;
    await writeIndices(poolSession(this.#pool), [{ walletId, branch, index }]);
    if (this.#noted.size >= WALLETS_CACHED_MAX) this.#noted.clear();
    this.#noted.set(name, index);
  }

  async #wallet(walletId: string, destinationId: string | undefined): Promise<Derive | undefined> {
    const name = `${walletId} ${destinationId ?? ''}`;
    const known = this.#wallets.get(name);
    if (known) return known;
    const derive =
      destinationId === undefined ? await this.#account(walletId) : await this.#payee(walletId, destinationId);
    if (!derive) return undefined;
    if (this.#wallets.size >= WALLETS_CACHED_MAX) this.#wallets.clear();
    this.#wallets.set(name, derive);
    return derive;
  }

  async #account(walletId: string): Promise<Derive | undefined> {
    const { account } = (await this.#reader.loadState(accountStream, walletId)).state;
    return account ? (branch, index) => this.#keyring.scriptOf(account, branch, index) : undefined;
  }

  /** Removed or not: later versions of what is signed already pay it. */
  async #payee(walletId: string, destinationId: string): Promise<Derive | undefined> {
    const { state } = await this.#reader.loadState(destinationStream, destinationId);
    const place = state.status === 'none' ? undefined : state.destination?.place;
    if (place?.kind !== 'wallet' || place.walletId !== walletId) return undefined;
    return (branch, index) => deriveScript(place.descriptor, branch, index).script;
  }
}

function indexErrors(indices: readonly number[]): readonly FieldError[] {
  if (indices.length > INDICES_MAX)
    return [fieldError('indices', `expected at most ${INDICES_MAX}, got ${indices.length}`)];
  const wrong = indices.find((index) => !Number.isInteger(index) || index < 0 || index > INDEX_MAX);
  return wrong === undefined ? [] : [fieldError('indices', `expected 0 to ${INDEX_MAX}, got ${wrong}`)];
}
