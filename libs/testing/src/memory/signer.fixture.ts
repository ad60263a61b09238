import {
  feeRate,
  type OutpointKey,
  outpointKey,
  parseTransaction,
  type ParsedTransaction,
  type SigningKey,
  signTransaction,
} from '@finality/bitcoin';
import { assert, type Instant, ok, type Result, sats, unwrap } from '@finality/kernel';
import { headHashOf, keysOf, scriptOf, walletCalled, WALLETS } from '@finality/settlement/spec';
import {
  type Account,
  ANCESTRY_MAX,
  approvalRulesAggregate,
  decideHandOut,
  decideReleaseCoins,
  decideSigning,
  type DestinationState,
  type HandOut,
  isPaid,
  type KnownCoin,
  lineageAggregate,
  type LineageEvent,
  type LineageState,
  POLICY_VERSION,
  type Refused,
  type ReleaseCoins,
  signatoriesAggregate,
  type SigningFacts,
  type SigningLimits,
  type SigningRequest,
  type VersionRef,
} from '@finality/signing';

/** What the signer vouched for, however it came about: what it signed, or remembers as handed out. */
export interface Vouched {
  readonly request: SigningRequest;
  readonly txid: string;
  readonly handedOut: boolean;
}

const LIMITS: SigningLimits = {
  feeMaxSats: sats(100_000n),
  feeRateMax: feeRate(1_000_000n),
  rollingMaxSats: 10n ** 12n,
  windowMs: 86_400_000,
  indexGapMax: 100_000,
  headAnchors: { apartMs: 0, feeMaxSats: sats(100_000n) },
};
const NOTHING: LineageState = lineageAggregate.initialState;

/** How the signer is, where a protection is to be missed. */
export interface SignerOptions {
  /** Without it, nothing that it has signed is remembered. */
  readonly hasJournal: boolean;
  /** Without it, nothing that was handed out is. */
  readonly remembersHandOuts: boolean;
  /** Without it, a version needs an input in common with one before, and no more than that. */
  readonly keepsAnchor: boolean;
  readonly destinations: ReadonlyMap<string, DestinationState>;
}

/** The signer's policy over a journal in memory, with its keys. */
export class MemorySigner {
  readonly vouched: Vouched[] = [];
  readonly #options: SignerOptions;
  readonly #lineages = new Map<string, LineageState>();
  readonly #coins = new Map<OutpointKey, KnownCoin>();
  readonly #made = new Map<string, ParsedTransaction>();
  readonly #payments = new Map<string, readonly VersionRef[]>();
  readonly #ancestors = new Map<string, VersionRef & { readonly anchor: OutpointKey }>();

  constructor(options: SignerOptions) {
    this.#options = options;
  }

  /** @returns the signed transaction */
  sign(asked: SigningRequest, now: Instant): Result<ParsedTransaction, Refused> {
    const request = this.#options.keepsAnchor ? asked : this.#asIfAnchored(asked);
    const facts = this.#facts(request, now);
    const decided = decideSigning(request, facts);
    if (!decided.ok) return decided;
    const { transaction, feeSats, sentSats, repeated } = decided.value;
    const { txid } = transaction;
    if (repeated) return ok(signedBy(request));
    const { institutionId } = facts.account(request.walletId)!;
    const decision = {
      policyVersion: POLICY_VERSION,
      limits: LIMITS,
      epochHighest: 1,
      sentBeforeSats: 0n,
      indicesHighest: {},
    };
    this.#append(request, transaction, false, {
      type: 'signing_accepted',
      request,
      institutionId,
      txid,
      feeSats,
      sentSats,
      acceptedAt: now,
      decision,
    });
    return ok(signedBy(request));
  }

  recordHandOut(handOut: HandOut, now: Instant): Result<string, Refused> {
    const decided = decideHandOut(handOut, this.#facts(handOut.request, now));
    if (!decided.ok) return decided;
    const { transaction, feeSats, repeated } = decided.value;
    const { txid } = transaction;
    if (repeated) return ok(txid);
    const rested = { policyVersion: POLICY_VERSION, epochHighest: 1, txid, feeSats, acceptedAt: now };
    this.#append(handOut.request, transaction, true, { type: 'hand_out_accepted', ...handOut, ...rested });
    return ok(txid);
  }

  release(command: ReleaseCoins, now: Instant): boolean {
    const before = this.#lineages.get(command.lineageId) ?? NOTHING;
    const ownerOf = (outpoint: OutpointKey): string | undefined => this.#coins.get(outpoint)?.lineageId;
    const decision = decideReleaseCoins(command, before, { now, ownerOf });
    if (decision.kind === 'refused') return false;
    for (const event of decision.events) {
      this.#evolve(command.lineageId, event);
      for (const outpoint of event.outpoints) {
        const { lineageId: _before, ...coin } = this.#coins.get(outpoint) ?? {};
        this.#coins.set(outpoint, coin);
      }
    }
    return true;
  }

  /** All it takes is an input that another version of the lineage spends, too. */
  #asIfAnchored(request: SigningRequest): SigningRequest {
    const { fixed, versions } = this.#lineages.get(request.lineageId) ?? NOTHING;
    const before = versions.flatMap(({ inputs }) => inputs.map(({ outpoint }) => outpoint));
    if (fixed === null || !request.inputs.some(({ outpoint }) => before.includes(outpoint))) return request;
    const { outpoint: anchor } = request.inputs[0]!;
    this.#lineages.set(request.lineageId, { ...this.#lineages.get(request.lineageId)!, fixed: { ...fixed, anchor } });
    return { ...request, anchor };
  }

  #append(request: SigningRequest, transaction: ParsedTransaction, handedOut: boolean, event: LineageEvent): void {
    const { lineageId, version, anchor } = request;
    const { txid } = transaction;
    this.vouched.push({ request, txid, handedOut });
    if (!this.#options.hasJournal || (handedOut && !this.#options.remembersHandOuts)) return;
    this.#evolve(lineageId, event);
    for (const [i, { valueSats }] of request.inputs.entries())
      this.#coins.set(outpointKey(transaction.inputs[i]!.outpoint), { lineageId, valueSats });
    for (const output of request.outputs) {
      if (!isPaid(output)) continue;
      const before = this.#payments.get(output.settlementId) ?? [];
      this.#payments.set(output.settlementId, [...before, { lineageId, version }]);
    }
    this.#ancestors.set(txid, { lineageId, version, anchor });
    this.#made.set(txid, transaction);
  }

  #evolve(lineageId: string, event: LineageEvent): void {
    this.#lineages.set(lineageId, lineageAggregate.evolve(this.#lineages.get(lineageId) ?? NOTHING, event));
  }

  #facts({ lineageId }: SigningRequest, now: Instant): SigningFacts {
    return {
      network: 'regtest',
      account: accountOf,
      scriptOf: ({ walletId }, branch, index) => scriptOf(walletCalled(walletId), branch, index),
      indexHighest: () => 0,
      destination: (destinationId) => this.#options.destinations.get(destinationId) ?? { status: 'none' },
      signatories: () => signatoriesAggregate.initialState,
      approvalRules: () => approvalRulesAggregate.initialState,
      domain: 'memory',
      now,
      lineage: this.#lineages.get(lineageId) ?? NOTHING,
      // Those of the world, which seals nothing. In an interval there may be many.
      signedHead: (_epoch, segment) => headHashOf(segment),
      headAnchored: null,
      coin: (outpoint) => this.#coin(outpoint),
      paymentsOf: (settlementId) => this.#payments.get(settlementId) ?? [],
      ancestryOf: (anchor) => this.#ancestryOf(anchor),
      otherLineage: (other) => this.#lineages.get(other) ?? NOTHING,
      sentBeforeSats: 0n,
      sentInLineageSats: 0n,
      limits: LIMITS,
      epochHighest: 1,
    };
  }

  /** A coin that a transaction of ours makes has the value and script that it has there. */
  #coin(outpoint: OutpointKey): KnownCoin {
    const made = this.#made.get(outpoint.slice(0, 64))?.outputs[Number(outpoint.slice(65))];
    return { ...this.#coins.get(outpoint), ...(made ? { valueSats: made.valueSats, script: made.script } : {}) };
  }

  #ancestryOf(anchor: OutpointKey): readonly VersionRef[] {
    const ancestry: VersionRef[] = [];
    let made = this.#ancestors.get(anchor.slice(0, 64));
    while (made !== undefined && ancestry.length < ANCESTRY_MAX) {
      ancestry.push(made);
      made = this.#ancestors.get(made.anchor.slice(0, 64));
    }
    return ancestry;
  }
}

function signedBy({ walletId, inputs, unsignedTransaction: unsigned }: SigningRequest): ParsedTransaction {
  const [key] = keysOf(walletId);
  const prevouts = inputs.map(({ valueSats, branch, index }) => {
    return { valueSats, script: scriptOf(walletCalled(walletId), branch, index) };
  });
  const keyFor = (i: number): SigningKey => key!.signingKey(inputs[i]!.branch, inputs[i]!.index);
  return unwrap(signTransaction({ unsigned, prevouts, keyFor }));
}

/** Of the wallets whose keys are the signer's. */
function accountOf(walletId: string): Account | undefined {
  const at = WALLETS.findIndex((wallet) => wallet.walletId === walletId);
  if (at === -1 || !WALLETS[at]!.custodial) return undefined;
  const { institutionId, scriptType } = WALLETS[at]!;
  assert(scriptType === 'wpkh' || scriptType === 'tr', `${walletId} has keys of the signer's`);
  return { walletId, institutionId, scriptType, accountIndex: at, external: '', internal: '' };
}

export const parsedOf = (request: SigningRequest): ParsedTransaction =>
  unwrap(parseTransaction(request.unsignedTransaction));
