import type { Branch, DerivedScript, Descriptor, WalletScriptType } from '@finality/bitcoin';
import { accept, assert, type Decision, type Instant, refuse, type Refusal } from '@finality/kernel';
import type { InstitutionState } from './institution.ts';
import {
  type AddressPurpose,
  type IssuedAddress,
  onBranch,
  type PerBranch,
  type RegisteredWallet,
  type Wallet,
  type WalletEvent,
  type WalletRequest,
  type WalletState,
} from './wallet.ts';
import {
  addressNotWatched,
  externalIdTaken,
  institutionNotActive,
  keysTaken,
  unknownInstitution,
  unknownWallet,
  walletBlocked,
  walletDiffers,
  walletExhausted,
  walletNotReady,
  walletScanning,
} from './wallet.errors.ts';

type Decided = Decision<WalletEvent, Refusal>;

/** The pool wallet backs clearing balances. It belongs to the platform, which is no institution among others. */
export const POOL_WALLET_ID = 'pool';
export const PLATFORM_INSTITUTION_ID = 'platform';

const INDEX_MAX = 2 ** 31 - 1;

/** Only an active institution gets anything new. */
export function institutionRefusal(institutionId: string, { status }: InstitutionState): Refusal | undefined {
  if (institutionId === PLATFORM_INSTITUTION_ID || status === 'active') return undefined;
  return status === 'unknown' ? unknownInstitution(institutionId) : institutionNotActive(institutionId, status);
}

/** A wallet whose keys the signer is to make. Asking again for the same is no error. */
export function decideRequest(request: WalletRequest, state: WalletState): Decided {
  if (state.status === 'none') return accept<WalletEvent>({ type: 'wallet_requested', request });
  const known = state.status === 'requested' ? state.request : state.wallet;
  const same =
    known.institutionId === request.institutionId &&
    known.kind === request.kind &&
    known.scriptType === request.scriptType;
  return same ? accept() : refuse(walletDiffers(request.walletId));
}

export interface WalletKeys {
  readonly scriptType: WalletScriptType;
  readonly external: string;
  readonly internal: string;
}

/** The keys of a requested wallet, from the signer. Repeating it is no error. */
export function decideKeys(
  walletId: string,
  keys: WalletKeys,
  state: WalletState,
  now: Instant,
  taken: boolean,
): Decided {
  if (state.status === 'none') return refuse(unknownWallet(walletId));
  if (state.status === 'registered') {
    const same = state.wallet.external === keys.external && state.wallet.internal === keys.internal;
    return same ? accept() : refuse(walletDiffers(walletId));
  }
  if (state.request.scriptType !== keys.scriptType) return refuse(walletDiffers(walletId));
  if (taken) return refuse(keysTaken());
  const wallet: Wallet = { ...state.request, ...keys, createdAt: now };
  return accept<WalletEvent>({ type: 'wallet_registered', wallet });
}

/** A wallet whose keys are the institution's own. */
export function decideRegister(
  request: WalletRequest,
  descriptor: Descriptor,
  state: WalletState,
  now: Instant,
  taken: boolean,
): Decided {
  assert(request.kind === 'non_custodial' && state.status === 'none', 'a new wallet with keys of its own');
  if (taken) return refuse(keysTaken());
  const { scriptType, external, internal } = descriptor;
  return accept<WalletEvent>({
    type: 'wallet_registered',
    wallet: { ...request, scriptType, external, internal, createdAt: now },
  });
}

/** The chain watcher never watches less than before; what isn't registered here is none of ours. */
export function decideWatch(below: PerBranch, scanning: boolean, state: WalletState): Decided {
  if (state.status !== 'registered') return accept();
  const extended = larger(state.watchedBelow, below);
  if (!extended && scanning === state.scanning) return accept();
  const { watchedBelow, scanning: wasScanning } = state;
  return accept<WalletEvent>({ type: 'watch_extended', below: extended ?? watchedBelow, scanning, wasScanning });
}

export function decideVerified(below: PerBranch, state: WalletState): Decided {
  if (state.status !== 'registered') return accept();
  const extended = larger(state.verifiedBelow, below);
  return extended ? accept<WalletEvent>({ type: 'derivation_verified', below: extended }) : accept();
}

export function decideBlock(reason: string, state: WalletState): Decided {
  if (state.status !== 'registered' || state.blocked !== null) return accept();
  return accept<WalletEvent>({ type: 'wallet_blocked', reason });
}

/**
 * The store was restored from an older copy: indices that it may have issued since mustn't be issued to somebody else. Both branches skip `count`.
 * Repeated in the same epoch it does nothing.
 */
export function decideSkip(epoch: number, count: number, state: WalletState): Decided {
  if (state.status !== 'registered' || epoch <= state.skippedEpoch) return accept();
  const next = { external: state.next.external + count, internal: state.next.internal + count };
  return accept<WalletEvent>({ type: 'indices_skipped', epoch, next });
}

export interface IssueCommand {
  readonly addressId: string;
  readonly walletId: string;
  /** For whom it is issued; the wallet's own institution where it isn't said. */
  readonly institutionId?: string;
  readonly purpose: AddressPurpose;
  readonly label: string;
  readonly externalId: string;
}

/** An address that an external id has already: asked for again with the same properties it is given again. */
export function decideIssuedBefore(command: IssueCommand, issued: IssuedAddress): Decision<never, Refusal> {
  const { externalId } = command;
  if (issued.walletId !== command.walletId) return refuse(externalIdTaken(externalId, 'wallet_id'));
  if (issued.purpose !== command.purpose) return refuse(externalIdTaken(externalId, 'purpose'));
  return issued.label === command.label ? accept() : refuse(externalIdTaken(externalId, 'label'));
}

export const branchOf = (purpose: AddressPurpose): Branch => (purpose === 'change' ? 1 : 0);

/**
 * The next index of the branch, taken for good. Refused for a while where the chain watcher hasn't acknowledged it yet, or nobody has derived
 * it a second time: an address leaves only when deposits to it will be seen, and when its keys are known to exist.
 */
export function decideIssue(
  command: IssueCommand,
  state: WalletState,
  now: Instant,
  derive: (wallet: Wallet, branch: Branch, index: number) => Pick<DerivedScript, 'script' | 'address'>,
): Decided {
  const { walletId, addressId, purpose, label, externalId } = command;
  if (state.status === 'none') return refuse(unknownWallet(walletId));
  if (state.status === 'requested') return refuse(walletNotReady(walletId));
  if (state.blocked !== null) return refuse(walletBlocked(walletId, state.blocked));
  if (state.scanning) return refuse(walletScanning(walletId));
  const branch = branchOf(purpose);
  const index = onBranch(state.next, branch);
  if (index > INDEX_MAX) return refuse(walletExhausted(walletId));
  if (index >= onBranch(issuableBelow(state), branch)) return refuse(addressNotWatched(walletId));
  const { script, address } = derive(state.wallet, branch, index);
  const institutionId = command.institutionId ?? state.wallet.institutionId;
  const whose = { addressId, walletId, institutionId, purpose, label, externalId };
  return accept<WalletEvent>({
    type: 'address_issued',
    address: { ...whose, branch, index, script, address, issuedAt: now },
  });
}

/** Indices below may be issued: watched, and derived a second time. */
export function issuableBelow({ watchedBelow, verifiedBelow }: RegisteredWallet): PerBranch {
  return {
    external: Math.min(watchedBelow.external, verifiedBelow.external),
    internal: Math.min(watchedBelow.internal, verifiedBelow.internal),
  };
}

function larger(before: PerBranch, now: PerBranch): PerBranch | undefined {
  const below = {
    external: Math.max(before.external, now.external),
    internal: Math.max(before.internal, now.internal),
  };
  return below.external === before.external && below.internal === before.internal ? undefined : below;
}
