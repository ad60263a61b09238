import type { Branch, ScriptHex, WalletScriptType } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';

/** Whose the keys are: the signer's, or the institution's own. */
export type WalletKind = 'custodial' | 'non_custodial';

export interface WalletRequest {
  readonly walletId: string;
  readonly institutionId: string;
  readonly kind: WalletKind;
  readonly scriptType: WalletScriptType;
  /** No transaction of it is older than this height; 0: the tip when the chain watcher gets to know it. */
  readonly birthdayHeight: number;
}

export interface Wallet extends WalletRequest {
  /** Descriptors with origin and checksum. */
  readonly external: string;
  readonly internal: string;
  readonly createdAt: Instant;
}

/** CLEARING and WALLET are handed out to institutions; CHANGE and SETTLEMENT go into transactions of ours. */
export type AddressPurpose = 'clearing' | 'wallet' | 'change' | 'settlement';

export interface IssuedAddress {
  readonly addressId: string;
  readonly walletId: string;
  /** For whom; on the pool wallet that is not whom the wallet belongs to. */
  readonly institutionId: string;
  readonly purpose: AddressPurpose;
  readonly label: string;
  /** What its institution calls it, once; empty where it said nothing. */
  readonly externalId: string;
  readonly branch: Branch;
  readonly index: number;
  readonly script: ScriptHex;
  readonly address: string;
  readonly issuedAt: Instant;
}

/** That an issued address has been paid. */
export interface AddressUse {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
  readonly script: ScriptHex;
  readonly txid: string;
}

/** A number of indices per branch, counted from 0. */
export interface PerBranch {
  readonly external: number;
  readonly internal: number;
}

export const NO_INDICES: PerBranch = { external: 0, internal: 0 };

export const onBranch = (counts: PerBranch, branch: Branch): number =>
  branch === 0 ? counts.external : counts.internal;

export type WalletState =
  | { readonly status: 'none'; readonly concerns: readonly string[] }
  /** Waits for its keys. */
  | { readonly status: 'requested'; readonly request: WalletRequest; readonly concerns: readonly string[] }
  | RegisteredWallet;

export interface RegisteredWallet {
  readonly status: 'registered';
  readonly wallet: Wallet;
  /** Indices below are used up. */
  readonly next: PerBranch;
  /** Scripts below are watched, as the chain watcher acknowledged. */
  readonly watchedBelow: PerBranch;
  /** Scripts below were derived a second time, by the signer or where it has no keys by other arithmetic, and are the same. */
  readonly verifiedBelow: PerBranch;
  /** The blocks since its birthday are still being read: what it holds isn't known yet. */
  readonly scanning: boolean;
  /** In which indices were skipped last; 0: never. */
  readonly skippedEpoch: number;
  /** Why nothing is issued any more. */
  readonly blocked: string | null;
  /** Institutions that the last event concerns. */
  readonly concerns: readonly string[];
}

export type WalletEvent =
  | { readonly type: 'wallet_requested'; readonly request: WalletRequest }
  | { readonly type: 'wallet_registered'; readonly wallet: Wallet }
  /** `wasScanning`: before it; others are told when that changes. */
  | {
      readonly type: 'watch_extended';
      readonly below: PerBranch;
      readonly scanning: boolean;
      readonly wasScanning: boolean;
    }
  | { readonly type: 'derivation_verified'; readonly below: PerBranch }
  | { readonly type: 'wallet_blocked'; readonly reason: string }
  | { readonly type: 'address_issued'; readonly address: IssuedAddress }
  /** The store may have forgotten what it had issued: it goes on far behind that, once per epoch. */
  | { readonly type: 'indices_skipped'; readonly epoch: number; readonly next: PerBranch }
  /** For the first time that a transaction pays it. */
  | { readonly type: 'address_used'; readonly use: AddressUse };

/** A wallet and its derivation indices: one stream, so that an index is taken once whatever happens at the same time. */
export const walletAggregate: Aggregate<WalletState, WalletEvent> = {
  name: 'wallet',
  initialState: { status: 'none', concerns: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'wallet_requested':
        assert(state.status === 'none', 'a wallet is requested once');
        return { status: 'requested', request: event.request, concerns: [event.request.institutionId] };
      case 'wallet_registered':
        assert(state.status !== 'registered', 'a wallet is registered once');
        return registered(event.wallet);
      default:
        assert(state.status === 'registered', `${event.type} happens to registered wallets`);
        return evolveRegistered(state, event);
    }
  },
};

function registered(wallet: Wallet): RegisteredWallet {
  return {
    status: 'registered',
    wallet,
    next: NO_INDICES,
    watchedBelow: NO_INDICES,
    verifiedBelow: NO_INDICES,
    // From the present tip on there is nothing to read.
    scanning: wallet.birthdayHeight > 0,
    skippedEpoch: 0,
    blocked: null,
    concerns: [wallet.institutionId],
  };
}

function evolveRegistered(
  state: RegisteredWallet,
  event: Exclude<WalletEvent, { readonly type: 'wallet_requested' | 'wallet_registered' }>,
): RegisteredWallet {
  const own = { ...state, concerns: [state.wallet.institutionId] };
  switch (event.type) {
    case 'watch_extended':
      return { ...own, watchedBelow: event.below, scanning: event.scanning };
    case 'derivation_verified':
      return { ...own, verifiedBelow: event.below };
    case 'wallet_blocked':
      return { ...own, blocked: event.reason };
    case 'address_used':
      return own;
    case 'indices_skipped':
      return { ...own, next: event.next, skippedEpoch: event.epoch };
    case 'address_issued': {
      const { branch, index, institutionId } = event.address;
      assert(index === onBranch(state.next, branch), `index ${index} of branch ${branch} is the next one`);
      const next = branch === 0 ? { ...state.next, external: index + 1 } : { ...state.next, internal: index + 1 };
      return { ...state, next, concerns: [...new Set([institutionId, state.wallet.institutionId])] };
    }
    default:
      return assertNever(event, 'wallet event');
  }
}
