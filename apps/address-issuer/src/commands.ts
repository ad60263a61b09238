import type {
  AddressUse,
  Challenge,
  InstitutionStatus,
  IssuedAddress,
  PerBranch,
  RegisteredWallet,
  WalletRequest,
} from '@finality/address';
import type { AddressPurpose, WalletKeys } from '@finality/address';
import type { Descriptor } from '@finality/bitcoin';
import type { EventStore } from '@finality/event-store';

import type { DestinationBody, DestinationReply } from './destinations.ts';

/** What the address issuer's store decides on. */
export type IssuerBody =
  | { readonly kind: 'request_wallet'; readonly request: WalletRequest }
  | { readonly kind: 'set_keys'; readonly walletId: string; readonly keys: WalletKeys }
  | { readonly kind: 'issue_challenge'; readonly challenge: Challenge }
  | RegisterBody
  | IssueBody
  | {
      readonly kind: 'extend_watch';
      readonly walletId: string;
      readonly below: PerBranch;
      readonly scanning: boolean;
    }
  | { readonly kind: 'verify'; readonly walletId: string; readonly below: PerBranch }
  | { readonly kind: 'block'; readonly walletId: string; readonly reason: string }
  | { readonly kind: 'skip_indices'; readonly walletId: string; readonly epoch: number; readonly count: number }
  | { readonly kind: 'mark_used'; readonly uses: readonly AddressUse[] }
  | DestinationBody
  | { readonly kind: 'note_institution'; readonly institutionId: string; readonly status: InstitutionStatus };

export interface RegisterBody {
  readonly kind: 'register_wallet';
  readonly request: WalletRequest;
  readonly descriptor: Descriptor;
  /** Verified already: it is of the challenge's message, which doesn't change. Whether it may be used is decided here. */
  readonly proof: WalletProof;
}

export interface WalletProof {
  readonly challengeId: string;
  readonly signature: string;
}

export interface IssueBody {
  readonly kind: 'issue';
  readonly addressId: string;
  readonly purpose: AddressPurpose;
  readonly label: string;
  /** Empty where the institution has no name of its own for it. */
  readonly externalId: string;
  /** Empty: the only wallet of the institution. */
  readonly walletId: string;
  /** Who asks for it for itself: must be active, and own the wallet unless it is the pool. Without it: one of our own services asks. */
  readonly institutionId?: string;
}

export type IssuerReply =
  | { readonly kind: 'done' }
  | { readonly kind: 'wallet'; readonly registered: WalletInUse }
  | { readonly kind: 'challenge'; readonly challenge: Challenge }
  | { readonly kind: 'address'; readonly address: IssuedAddress }
  | DestinationReply;

/** A registered wallet, and whether it can be used already. */
export type WalletInUse = Pick<RegisteredWallet, 'wallet' | 'scanning'>;

export type IssuerStore = EventStore<IssuerBody, IssuerReply>;
