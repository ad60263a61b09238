import {
  decideBump,
  dustLimitSats,
  type FeeRate,
  feeRateOf,
  formatFeeRate,
  type PayoutFee,
  payoutFees,
  type SpendKind,
  vsizeOf,
} from '@finality/bitcoin';
import { addSats, assert, err, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Transfer } from '@finality/ledger';
import type { Book } from '../book.ts';
import {
  latest,
  type LineageInput,
  type LineagePayout,
  type LineagePlan,
  offered,
  type OfferedLineage,
  type OfferedVersion,
  settlementsOf,
  type VersionPayout,
} from '../lineage.ts';
import { ownFeeHeld } from '../postings/lineage.ts';
import { heldMore } from '../postings/payout.ts';
import { isGivenUp, living, type LivingSettlement, type Payout, type Settlement } from '../settlement.ts';
import { placeholderFor, scriptSized, spendable, spendOf, weightOf } from './choose-coins.ts';
import { feeRateNow } from './fees.ts';
import { claim, inputOf, releaseClaim } from './reserve.ts';

/** Versions of one lineage: each is asked for by a person, or a wait of blocks apart. */
const VERSIONS_MAX = 50;
/** Coins that one version may add to those of the last. */
const COINS_ADDED_MAX = 20;
/** Without a person's wish or a higher feerate to go by: a quarter more than before. */
const STEP_PERCENT = 125n;

/** Plans a version that pays a higher fee, unless another is on its way. */
function bump(book: Book, lineageId: string, feeRate: FeeRate): Result<void, Refusal> {
  const waits = waiting(book, lineageId);
  if (!waits.ok) return waits;
  const lineage = waits.value;
  const last = latest(lineage);
  // Whoever signs for himself may leave a version unsigned, and want another.
  if (lineage.next !== undefined || (lineage.custodial && last.signedHex === undefined))
    return refused('VERSION_UNDER_WAY', `version ${(lineage.next ?? last).version} is being signed`);
  if (lineage.versions.length >= VERSIONS_MAX)
    return refused('TOO_MANY_VERSIONS', `expected at most ${VERSIONS_MAX} versions`);
  return replace(book, lineage, stillPaid(book, last), feeRate);
}

/**
 * Plans a version that leaves this settlement out, in the place of one that is planned. The last one needn't have been signed: it may be
 * the signer that refuses it.
 */
export function replaceWithout(book: Book, lineageId: string, settlementId: string): Result<void, Refusal> {
  const waits = waiting(book, lineageId);
  if (!waits.ok) return waits;
  const payouts = stillPaid(book, latest(waits.value)).filter((payout) => payout.settlementId !== settlementId);
  return replace(book, waits.value, payouts, dearer(book, waits.value));
}

/** A lineage that a version can still be added to: none is in a block, all of them are possible, and none has ever been final. */
function waiting(book: Book, lineageId: string): Result<OfferedLineage, Refusal> {
  const lineage = book.lineages.get(lineageId);
  const waits =
    lineage.status === 'offered' &&
    lineage.inBlock === undefined &&
    lineage.conflicts.length + lineage.lost.length === 0;
  if (!waits) return refused('NOT_WAITING', 'expected a transaction that waits for its first confirmation');
  const states = settlementsOf(lineage).map((id) => living(book.settlements.get(id)));
  if (!states.every((state) => isWaiting(state) || isGivenUp(state)))
    return refused('NOT_WAITING', 'expected payouts that have never been final');
  return ok(lineage);
}

/** What the next version pays: whatever the last one does, without what has been cancelled. */
function stillPaid(book: Book, { payouts }: OfferedVersion): readonly LineagePayout[] {
  return payouts.map(payoutOf).filter(({ settlementId }) => {
    const state = living(book.settlements.get(settlementId));
    return isWaiting(state) && state.cancelling === undefined;
  });
}

/**
 * Plans a version with a higher fee, at `feeRate` if that is high enough for nodes to take it in the place of the last one (reference: Bitcoin
 * Core's replacement rules, and btcd's): it spends the same coins, adds only confirmed ones, and takes what the fee needs from the change. The
 * fee stays within the cap of each payout. With nothing to pay it pays the wallet itself.
 */
function replace(
  book: Book,
  lineage: OfferedLineage,
  payouts: readonly LineagePayout[],
  feeRate: FeeRate,
): Result<void, Refusal> {
  const last = latest(lineage);
  const funded = fund(book, lineage, payouts, feeRate);
  if (!funded.ok) return funded;
  const { lineageId, walletId, institutionId, custodial, anchor } = lineage;
  const version = last.version + 1;
  const identity = { lineageId, walletId, institutionId, custodial, anchor };
  const plan = { ...identity, version, payouts, ...funded.value };
  const affordable = book.ledger.check(held(book, plan));
  if (!affordable.ok) return refused('INSUFFICIENT_LIQUIDITY', 'the payer has not got what the fee takes more');
  dropNext(book, lineageId, 'another version is planned in its place');
  const known = new Set(last.inputs.map(({ outpoint }) => outpoint));
  claim(
    book,
    lineageId,
    plan.inputs.filter(({ outpoint }) => !known.has(outpoint)),
  );
  book.lineages.record(lineageId, { type: 'version_planned', at: book.now, plan: { ...plan, offerAt: book.now } });
  return ok(undefined);
}

const payoutOf = ({
  outpoint: _outpoint,
  feeSats: _fee,
  droppedSats: _dropped,
  ...payout
}: VersionPayout): LineagePayout => payout;

/** Offered, and in no block. */
export type WaitingSettlement = Extract<
  LivingSettlement,
  { status: 'executing' | 'awaiting_signature'; payout: Payout }
>;

export const isWaiting = (state: Settlement): state is WaitingSettlement =>
  state.status === 'executing' || (state.status === 'awaiting_signature' && 'payout' in state);

/** What bumps the transaction that pays a settlement, on request. */
export function bumpSettlement(book: Book, settlementId: string, feeRate: FeeRate): Result<LivingSettlement, Refusal> {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));
  if (!isWaiting(state))
    return refused('NOT_WAITING', `expected a settlement that is executing, got one that is ${state.status}`);
  const bumped = bump(book, state.payout.lineageId, feeRate);
  return bumped.ok ? ok(living(book.settlements.get(settlementId))) : bumped;
}

/**
 * It has waited for so many blocks: what the signer signs is replaced, the rest on request only. Whatever keeps it from being replaced now is
 * looked at again as many blocks later.
 */
export function bumpDue(book: Book, lineageId: string): void {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status !== 'offered' || lineage.inBlock !== undefined || lineage.consolidates || !lineage.custodial)
    return;
  const bumped = bump(book, lineageId, dearer(book, lineage));
  if (!bumped.ok) waitForBlock(book, lineageId);
}

/** What is paid today, or a step more than before. */
function dearer(book: Book, lineage: OfferedLineage): FeeRate {
  const higher = ((rateOf(spendOf(book, lineage.walletId), latest(lineage)) * STEP_PERCENT) / 100n) as FeeRate;
  const feeRate = feeRateNow(book);
  return feeRate > higher ? feeRate : higher;
}

/** From now on: replaced when it isn't in a block in time. */
export function waitForBlock(book: Book, lineageId: string): void {
  book.matures({ kind: 'bump', id: lineageId, dueHeight: book.tip.get().height + book.policy.bump.afterBlocks });
}

/** The next version isn't needed any more: the coins that only it has are free again. */
export function dropNext(book: Book, lineageId: string, reason: string): void {
  const lineage = book.lineages.get(lineageId);
  if (!('next' in lineage) || lineage.next === undefined) return;
  const offered = new Set(lineage.versions.flatMap(({ inputs }) => inputs.map(({ outpoint }) => outpoint)));
  for (const { outpoint } of lineage.next.inputs) if (!offered.has(outpoint)) releaseClaim(book, outpoint, lineageId);
  book.lineages.record(lineageId, { type: 'version_dropped', at: book.now, reason });
}

type Paying = Pick<LineagePlan, 'walletId' | 'payouts' | 'inputs' | 'feeSats' | 'droppedSats' | 'changeSats'>;

/** What each payout bears of a plan's fee, in the order of its payouts. */
export function sharesOf(book: Book, plan: Paying): readonly PayoutFee[] {
  const { walletId, payouts, inputs, feeSats, droppedSats, changeSats } = plan;
  if (payouts.length === 0) return [];
  const payees = payouts.map(({ payee }) => scriptSized(book, payee));
  const scripts = changeSats === 0n ? payees : [...payees, placeholderFor(book, walletId)];
  return payoutFees({
    feeSats,
    droppedSats,
    weight: weightOf(spendOf(book, walletId), inputs, scripts),
    scripts: payees,
  });
}

/** What has to be held beside what is: each payout's share of the fee may be larger than in any version before. */
export function held(book: Book, plan: Paying & Pick<LineagePlan, 'lineageId' | 'version'>): readonly Transfer[] {
  if (plan.payouts.length === 0) {
    const moreSats = plan.feeSats - offered(book.lineages.get(plan.lineageId)).ownHeldSats;
    return moreSats > 0n ? [ownFeeHeld(plan, plan.version, moreSats)] : [];
  }
  return sharesOf(book, plan).flatMap(({ feeSats }, i) => {
    const state = living(book.settlements.get(plan.payouts[i]!.settlementId));
    assert(isWaiting(state), `a settlement that is ${state.status} isn't paid by another version`);
    const moreSats = feeSats - state.payout.heldSats;
    return moreSats > 0n ? [heldMore(state.terms, plan.version, moreSats)] : [];
  });
}

interface Funding {
  readonly inputs: readonly LineageInput[];
  readonly feeSats: Sats;
  readonly droppedSats: Sats;
  readonly changeSats: Sats;
}

/** The coins of the last version, and as few more as the fee needs. */
function fund(
  book: Book,
  lineage: OfferedLineage,
  payouts: readonly LineagePayout[],
  feeRate: FeeRate,
): Result<Funding, Refusal> {
  const last = latest(lineage);
  const payees = payouts.map(({ payee }) => scriptSized(book, payee));
  const change = placeholderFor(book, lineage.walletId);
  const spend = spendOf(book, lineage.walletId);
  const amountSats = addSats(...payouts.map((payout) => payout.amountSats));
  // Who pays nobody any more bears what all that were to be paid would have.
  const bearers = payees.length > 0 ? payees.length : settlementsOf(lineage).length;
  const target = { spend, feeRate, feeCapSats: (book.policy.feeCapSats * BigInt(bearers)) as Sats };
  const free = spendable(book, lineage.walletId).slice(0, COINS_ADDED_MAX).map(inputOf);
  for (let added = 0; added <= free.length; added++) {
    const inputs = [...last.inputs, ...free.slice(0, added)];
    const restSats = addSats(...inputs.map(({ valueSats }) => valueSats)) - amountSats;
    const withChange = feeOf(book, last, weightOf(spend, inputs, [...payees, change]), target);
    const without = feeOf(book, last, weightOf(spend, inputs, payees), target);
    if (!withChange.ok) return withChange;
    if (!without.ok) return without;
    const changeSats = restSats - withChange.value;
    const funding =
      changeSats >= dustLimitSats(change)
        ? { inputs, feeSats: withChange.value, droppedSats: 0n as Sats, changeSats: changeSats as Sats }
        : payees.length > 0 && restSats >= without.value
          ? {
              inputs,
              feeSats: restSats as Sats,
              droppedSats: (restSats - without.value) as Sats,
              changeSats: 0n as Sats,
            }
          : undefined;
    if (funding === undefined) continue;
    const parts = sharesOf(book, { walletId: lineage.walletId, payouts, ...funding });
    if (parts.every(({ feeSats }) => feeSats <= book.policy.feeCapSats)) return ok(funding);
  }
  return refused('NO_COINS', 'the wallet has no confirmed coins for the fee');
}

/** The fee of a replacement of this weight at the feerate asked for, or at what nodes ask for if that is more. */
function feeOf(
  { policy: { bump: policy } }: Book,
  last: OfferedVersion,
  weight: number,
  { spend, feeRate, feeCapSats }: { readonly spend: SpendKind; readonly feeRate: FeeRate; readonly feeCapSats: Sats },
): Result<Sats, Refusal> {
  const { version, feeSats } = last;
  const decision = decideBump({
    // Nobody tells what payees have made of its outputs: those that follow ours are spent when they are final.
    versions: [{ version, feeSats, vsize: vsizeOf(weightOfVersion(spend, last)), descendants: [] }],
    target: feeRate,
    incremental: policy.incrementalFeeRate,
    floor: policy.incrementalFeeRate,
    feeCapSats,
    replacement: { vsize: vsizeOf(weight), isFunded: true },
  });
  switch (decision.kind) {
    case 'replace':
      return ok(decision.feeSats);
    case 'none':
      return refused('PAYS_ENOUGH', `version ${version} pays ${formatFeeRate(rateOf(spend, last))} sat/vB already`);
    default:
      return refused('FEE_ABOVE_CAP', `expected a fee of at most ${feeCapSats} sat`);
  }
}

const weightOfVersion = (spend: SpendKind, { inputs, outputs }: OfferedVersion): number =>
  weightOf(
    spend,
    inputs,
    outputs.map(({ destination }) => destination.script),
  );

const rateOf = (spend: SpendKind, version: OfferedVersion): FeeRate =>
  feeRateOf(version.feeSats, weightOfVersion(spend, version));

const refused = (reason: string, message: string): { readonly ok: false; readonly error: Refusal } =>
  err(refusal('failed_precondition', reason, message));
