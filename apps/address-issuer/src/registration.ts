import { type Challenge, challengeOf, proofRefusal, unknownChallenge, type WalletRequest } from '@finality/address';
import {
  type CustodialScriptType,
  type Descriptor,
  deriveScript,
  type Network,
  parseDescriptor,
} from '@finality/bitcoin';
import type { ServicePort, signingV1 } from '@finality/contracts';
import type { EventReader } from '@finality/event-store';
import { assert, type CauseContext, type Instant, refusal, type Runtime } from '@finality/kernel';
import { execute, refusalOf, RefusalException } from '@finality/service';
import { status } from '@grpc/grpc-js';
import type { IssuerBody, IssuerStore, WalletInUse, WalletProof } from './commands.ts';
import { executePatiently, idempotencyClaim, type Patience } from './execute.ts';
import type { Asked } from './issuing.ts';
import { challengeStream, walletStream } from './streams.ts';

/** The signer as the issuer needs it. */
export type SignerOfAccounts = Pick<
  ServicePort<signingV1.SigningServiceServer>,
  | 'createAccount'
  | 'deriveScripts'
  | 'registerSignatory'
  | 'revokeSignatory'
  | 'requireApprovals'
  | 'checkDestinationRequest'
  | 'registerDestination'
  | 'removeDestination'
>;

export type WalletWanted = {
  readonly institutionId: string;
  readonly birthdayHeight: number;
} & (
  | { readonly kind: 'custodial'; readonly scriptType: CustodialScriptType }
  | { readonly kind: 'non_custodial'; readonly descriptor: Descriptor; readonly proof: WalletProof }
);

export interface RegistrationOptions {
  readonly store: IssuerStore;
  readonly reader: EventReader;
  readonly signer: SignerOfAccounts;
  readonly runtime: Runtime;
  readonly network: Network;
  readonly waitMs: number;
  /** Who asks for proofs of control, and how long they can be given. */
  readonly proofDomain: string;
  readonly proofMs: number;
}

const NONCE_BYTES = 16;

/** Registers wallets. A custodial one is requested first, then given the signer's keys: a crash between leaves a request to be continued. */
export class Registration {
  readonly #options: RegistrationOptions;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** What the holder of the descriptor's keys is to sign; a repeat gives the same. */
  async challenge(institutionId: string, descriptor: Descriptor, asked: Asked): Promise<Challenge> {
    const { store, runtime, network, proofDomain: domain, proofMs } = this.#options;
    const challenge = challengeOf({
      challengeId: runtime.id(),
      institutionId,
      descriptor: descriptor.text,
      address: deriveScript(descriptor, 0, 0).address,
      network,
      domain,
      nonce: Buffer.from(runtime.randomBytes(NONCE_BYTES)).toString('hex'),
      expiresAt: (runtime.now() + proofMs) as Instant,
    });
    const idempotency = idempotencyClaim(
      { principal: asked.principal, rpc: asked.rpc, key: asked.idempotencyKey, resourceId: challenge.challengeId },
      { institution_id: institutionId, descriptors: descriptor.text },
    );
    const command = { body: { kind: 'issue_challenge', challenge }, cause: asked.cause, idempotency } as const;
    const answer = await executePatiently(store, command, this.#patience(asked));
    return 'repeated' in answer ? this.#challengeNamed(answer.repeated) : challenge;
  }

  async register(wanted: WalletWanted, asked: Asked): Promise<WalletInUse> {
    const { store, runtime } = this.#options;
    if (wanted.kind === 'non_custodial') await this.#verify(wanted.descriptor, wanted.proof);
    const walletId = runtime.id();
    const body = registrationOf(walletId, wanted);
    const keys = wanted.kind === 'custodial' ? wanted.scriptType : wanted.descriptor.text;
    const idempotency = idempotencyClaim(
      { principal: asked.principal, rpc: asked.rpc, key: asked.idempotencyKey, resourceId: walletId },
      { institution_id: wanted.institutionId, kind: wanted.kind, keys, birthday_height: wanted.birthdayHeight },
    );
    const answer = await executePatiently(store, { body, cause: asked.cause, idempotency }, this.#patience(asked));
    if ('repeated' in answer) return this.complete(answer.repeated, asked.cause);
    return answer.reply.kind === 'wallet' ? answer.reply.registered : this.complete(walletId, asked.cause);
  }

  /** A custodial wallet without idempotency key, as the platform's pool is. */
  async request(request: WalletRequest, cause: CauseContext): Promise<void> {
    await execute(this.#options.store, { body: { kind: 'request_wallet', request }, cause });
  }

  /** Gives a requested wallet its keys, unless it has them. Safe to repeat: the signer gives the same keys again. */
  async complete(walletId: string, cause: CauseContext): Promise<WalletInUse> {
    const { store, reader, signer, network } = this.#options;
    const { state } = await reader.loadState(walletStream, walletId);
    assert(state.status !== 'none', `wallet ${walletId} was requested`);
    if (state.status === 'registered') return state;
    const { institutionId, scriptType } = state.request;
    const account = await signer.createAccount({ walletId, institutionId, scriptType }).catch(rethrowSignersAnswer);
    const parsed = parseDescriptor([account.externalDescriptor, account.internalDescriptor], network);
    assert(parsed.ok, `the signer's descriptors of wallet ${walletId} are descriptors of ${network}`);
    const { external, internal } = parsed.value;
    const body: IssuerBody = {
      kind: 'set_keys',
      walletId,
      keys: { scriptType: parsed.value.scriptType, external, internal },
    };
    const answer = await execute(store, { body, cause });
    assert('reply' in answer && answer.reply.kind === 'wallet', 'keys make a wallet');
    return answer.reply.registered;
  }

  /** Before the batch: verifying many signatures takes longer than the store's lock should be held. */
  async #verify(descriptor: Descriptor, { challengeId, signature }: WalletProof): Promise<void> {
    const challenge = await this.#challengeNamed(challengeId);
    const refused = proofRefusal(challenge, deriveScript(descriptor, 0, 0).script, signature);
    if (refused) throw new RefusalException(refused);
  }

  async #challengeNamed(challengeId: string): Promise<Challenge> {
    const { state } = await this.#options.reader.loadState(challengeStream, challengeId);
    if (state.status === 'none') throw new RefusalException(unknownChallenge(challengeId));
    return state.challenge;
  }

  #patience({ signal }: Asked): Patience {
    const { runtime, waitMs } = this.#options;
    return { runtime, waitMs, ...(signal && { signal }) };
  }
}

/**
 * What the signer said, to our caller. One that can't be reached is UNAVAILABLE to him too: what was asked for stays as it is, and asking again goes on
 * from there.
 */
export function rethrowSignersAnswer(error: unknown): never {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED)
    throw new RefusalException(
      refusal('unavailable', 'SIGNER_UNAVAILABLE', "the signer can't be reached: try again", { retryable: true }),
    );
  // What it refuses over the wire is refused as it is in one process.
  const refused = refusalOf(error);
  throw refused === undefined ? error : new RefusalException(refused);
}

function registrationOf(walletId: string, wanted: WalletWanted): IssuerBody {
  const { institutionId, birthdayHeight } = wanted;
  const common = { walletId, institutionId, birthdayHeight };
  if (wanted.kind === 'custodial') {
    return { kind: 'request_wallet', request: { ...common, kind: 'custodial', scriptType: wanted.scriptType } };
  }
  const { descriptor, proof } = wanted;
  const request: WalletRequest = { ...common, kind: 'non_custodial', scriptType: descriptor.scriptType };
  return { kind: 'register_wallet', request, descriptor, proof };
}
