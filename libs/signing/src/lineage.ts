import type { OutpointKey, Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { HeadReference } from '@finality/ledger';
import { headOf } from './head-anchor.ts';
import type { HandOut } from './hand-out.ts';
import { type DeclaredInput, type DeclaredOutput, isPaid, type PaidOutput, type SigningRequest } from './request.ts';
import type { HeadAnchored } from './ledger-heads.ts';
import type { SigningLimits } from './facts.ts';
import type { SigningRule } from './rules.ts';

/** Version of the rules in policy.ts: recorded with each decision. */
export const POLICY_VERSION = 7;

/** What a decision rested on besides the request, for whoever decides it again. */
export interface DecisionRecord {
  readonly policyVersion: number;
  readonly limits: SigningLimits;
  readonly epochHighest: number;
  /** What had left the institution's wallets in the window before, this lineage aside. */
  readonly sentBeforeSats: bigint;
  /** Highest index known of each branch that an output is on, by `wallet/branch`. */
  readonly indicesHighest: Readonly<Record<string, number>>;
  /** Of what anchors a head: the last that was anchored before. */
  readonly headAnchored?: HeadAnchored;
}

/** The journal's entry: from here on, this is what (lineage, version) is. Committed before the signature is made. */
export interface SigningAccepted {
  readonly type: 'signing_accepted';
  readonly request: SigningRequest;
  /** Whose wallet it is. */
  readonly institutionId: string;
  readonly txid: Txid;
  readonly feeSats: Sats;
  /** All that leaves the wallet: payees and fee. */
  readonly sentSats: Sats;
  readonly acceptedAt: Instant;
  readonly decision: DecisionRecord;
}

/** The journal's entry of what the owner of a wallet's keys is to sign: committed before it leaves to him. He may sign it for ever. */
export interface HandOutAccepted extends HandOut {
  readonly type: 'hand_out_accepted';
  readonly txid: Txid;
  readonly feeSats: Sats;
  readonly acceptedAt: Instant;
  readonly policyVersion: number;
  readonly epochHighest: number;
}

export interface HandOutRefused extends HandOut {
  readonly type: 'hand_out_refused';
  readonly rule: SigningRule;
  readonly message: string;
  readonly refusedAt: Instant;
  readonly policyVersion: number;
  readonly epochHighest: number;
}

export interface SigningRefused {
  readonly type: 'signing_refused';
  readonly request: SigningRequest;
  readonly rule: SigningRule;
  readonly message: string;
  readonly refusedAt: Instant;
  readonly decision: DecisionRecord;
}

/** From then on these coins may be another lineage's, and are never this one's again. */
export interface CoinsReleased {
  readonly type: 'coins_released';
  readonly lineageId: string;
  readonly outpoints: readonly OutpointKey[];
  readonly proposedBy: string;
  readonly confirmedBy: string;
  readonly reason: string;
  readonly at: Instant;
}

export type LineageEvent = SigningAccepted | SigningRefused | HandOutAccepted | HandOutRefused | CoinsReleased;

/** What a settlement's payee was to get when it was accepted first: no later version may say otherwise. */
export type FixedPayout = PaidOutput;

export interface SignedVersion {
  readonly version: number;
  readonly txid: Txid;
  readonly inputs: readonly DeclaredInput[];
}

/** What was ever accepted for signature in one lineage, by the signer or by the owner of the keys. */
export interface LineageState {
  /** null until something is accepted. */
  readonly fixed: { readonly walletId: string; readonly anchor: OutpointKey } | null;
  readonly versions: readonly SignedVersion[];
  /** By settlement. */
  readonly payouts: Readonly<Record<string, FixedPayout>>;
  /** The head of the ledger that every version anchors. */
  readonly head?: HeadReference;
  readonly refusals: number;
  /** Coins that no version may spend any more. */
  readonly released: readonly OutpointKey[];
}

export const lineageAggregate: Aggregate<LineageState, LineageEvent> = {
  name: 'lineage',
  initialState: { fixed: null, versions: [], payouts: {}, refusals: 0, released: [] },
  evolve(state, event) {
    switch (event.type) {
      case 'signing_accepted':
      case 'hand_out_accepted': {
        const { walletId, anchor, version, inputs } = event.request;
        assert(!state.versions.some((signed) => signed.version === version), `version ${version} is signed once`);
        assert(state.fixed === null || state.fixed.anchor === anchor, 'a lineage keeps its anchor');
        const versions = [...state.versions, { version, txid: event.txid, inputs }];
        const payouts = { ...payoutsOf(event.request.outputs), ...state.payouts };
        const head = headOf(event.request.outputs);
        return { ...state, fixed: { walletId, anchor }, versions, payouts, ...(head && { head }) };
      }
      case 'signing_refused':
      case 'hand_out_refused':
        return { ...state, refusals: state.refusals + 1 };
      case 'coins_released':
        return { ...state, released: [...state.released, ...event.outpoints] };
      default:
        return assertNever(event, 'lineage event');
    }
  },
};

function payoutsOf(outputs: readonly DeclaredOutput[]): Readonly<Record<string, FixedPayout>> {
  return Object.fromEntries(
    outputs.filter(isPaid).map((payout): [string, FixedPayout] => [payout.settlementId, payout]),
  );
}
