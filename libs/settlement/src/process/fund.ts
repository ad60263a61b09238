import {
  decideBump,
  type Descendant,
  dustLimitSats,
  type FeeRate,
  feeRateOf,
  formatFeeRate,
  type PayoutFee,
  payoutFees,
  type ScriptHex,
  type SpendKind,
  vsizeOf,
} from '@finality/bitcoin';
import { addSats, err, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Transfer } from '@finality/ledger';
import type { Book } from '../book.ts';
import {
  childIdOf,
  headScript,
  latest,
  type LineageInput,
  type LineagePayout,
  type LineagePlan,
  offered,
  type OfferedLineage,
  type OfferedVersion,
  settlementsPaid,
  versionNumbered,
} from '../lineage.ts';
import { ownFeeHeld } from '../postings/lineage.ts';
import { heldMore } from '../postings/payout.ts';
import { isWaiting, living } from '../settlement.ts';
import { placeholderFor, scriptSized, spendable, spendOf, weightOf } from './choose-coins.ts';
import { inputOf } from './reserve.ts';

/** Coins that one version may add to those of the last. */
const COINS_ADDED_MAX = 20;

type Paying = Pick<
  LineagePlan,
  'walletId' | 'anchorsHead' | 'payouts' | 'inputs' | 'feeSats' | 'droppedSats' | 'changeSats'
>;

/** What each payout bears of a plan's fee, in the order of its payouts. */
export function sharesOf(book: Book, plan: Paying): readonly PayoutFee[] {
  const { payouts, feeSats, droppedSats } = plan;
  if (payouts.length === 0) return [];
  const scripts = payouts.map(({ payee }) => scriptSized(book, payee));
  return payoutFees({ feeSats, droppedSats, weight: weightOfPlan(book, plan), scripts });
}

/** What has to be held beside what is: each payout's share of the fee may be larger than in any version before. */
export function held(book: Book, plan: Paying & Pick<LineagePlan, 'lineageId' | 'version'>): readonly Transfer[] {
  if (plan.payouts.length === 0) {
    const lineage = book.lineages.get(plan.lineageId);
    const moreSats = plan.feeSats - ('versions' in lineage ? lineage.ownHeldSats : 0n);
    return moreSats > 0n ? [ownFeeHeld(plan, plan.version, moreSats)] : [];
  }
  return sharesOf(book, plan).flatMap(({ feeSats }, i) => {
    const state = living(book.settlements.get(plan.payouts[i]!.settlementId));
    // What is offered for the first time has its fee cap reserved.
    if (!isWaiting(state)) return [];
    const moreSats = feeSats - state.payout.heldSats;
    return moreSats > 0n ? [heldMore(state.terms, plan, moreSats)] : [];
  });
}

interface Target {
  readonly spend: SpendKind;
  readonly feeRate: FeeRate;
  readonly feeCapSats: Sats;
  readonly child: readonly Descendant[];
}

export interface Funding {
  readonly inputs: readonly LineageInput[];
  readonly feeSats: Sats;
  readonly droppedSats: Sats;
  readonly changeSats: Sats;
}

/** The coins of the last version, and as few more as the fee needs. */
export function fund(
  book: Book,
  lineage: OfferedLineage,
  payouts: readonly LineagePayout[],
  feeRate: FeeRate,
): Result<Funding, Refusal> {
  const last = latest(lineage);
  const payees = scriptsOf(book, { ...lineage, payouts });
  const change = placeholderFor(book, lineage.walletId);
  const amountSats = addSats(...payouts.map((payout) => payout.amountSats));
  const spend = spendOf(book, lineage.walletId);
  const feeCapSats = feeCapOf(book, lineage, payouts.length);
  const target = { spend, feeRate, feeCapSats, child: childFee(book, lineage) };
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
        : payouts.length > 0 && restSats >= without.value
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

/** The most that a transaction of the lineage may cost that pays so many; with what it pays for, where it pays for another's. */
export function feeCapOf(book: Book, lineage: OfferedLineage, payees: number): Sats {
  const { feeCapSats } = book.policy;
  if (lineage.parent === undefined) {
    // Who pays nobody any more bears what all that were to be paid would have.
    const ended = lineage.anchorsHead === undefined ? settlementsPaid(lineage).length : 1;
    const bearers = payees > 0 ? payees : ended;
    return (feeCapSats * BigInt(bearers)) as Sats;
  }
  const { payouts, feeSats } = versionNumbered(
    offered(book.lineages.get(lineage.parent.lineageId)),
    lineage.parent.version,
  );
  const leftSats = feeCapSats * BigInt(payouts.length) - feeSats;
  return (leftSats > 0n ? leftSats : 0n) as Sats;
}

/** What is replaced with the last version: the transaction that pays for it, if there is one. */
function childFee(book: Book, { lineageId, walletId, versions, parent }: OfferedLineage): readonly Descendant[] {
  if (parent !== undefined) return [];
  return versions.flatMap(({ version }) => {
    const child = book.lineages.get(childIdOf(lineageId, version));
    if (child.status !== 'offered') return [];
    const last = latest(child);
    return [{ feeSats: last.feeSats, vsize: vsizeOf(weightOfVersion(spendOf(book, walletId), last)), isOwn: true }];
  });
}

/** The fee of a replacement of this weight at the feerate asked for, or at what nodes ask for if that is more. */
function feeOf(
  { policy: { bump: policy } }: Book,
  last: OfferedVersion,
  weight: number,
  { spend, feeRate, feeCapSats, child }: Target,
): Result<Sats, Refusal> {
  const { version, feeSats } = last;
  const decision = decideBump({
    // Nobody tells what payees have made of its outputs.
    versions: [{ version, feeSats, vsize: vsizeOf(weightOfVersion(spend, last)), descendants: child }],
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

/** The most that a version can weigh. */
export const weightOfVersion = (spend: SpendKind, { inputs, outputs }: OfferedVersion): number =>
  weightOf(
    spend,
    inputs,
    outputs.map(({ destination }) => destination.script),
  );

/** What a plan pays for its size. */
export const rateOfPlan = (book: Book, plan: Paying): FeeRate => feeRateOf(plan.feeSats, weightOfPlan(book, plan));

/** Of all outputs but change. */
const scriptsOf = (book: Book, { anchorsHead, payouts }: Pick<LineagePlan, 'anchorsHead' | 'payouts'>): ScriptHex[] => [
  ...(anchorsHead === undefined ? [] : [headScript(anchorsHead)]),
  ...payouts.map(({ payee }) => scriptSized(book, payee)),
];

function weightOfPlan(book: Book, plan: Paying): number {
  const { walletId, inputs, changeSats } = plan;
  const payees = scriptsOf(book, plan);
  return weightOf(
    spendOf(book, walletId),
    inputs,
    changeSats === 0n ? payees : [...payees, placeholderFor(book, walletId)],
  );
}

/** What a version pays for its size. */
export const rateOf = (spend: SpendKind, version: OfferedVersion): FeeRate =>
  feeRateOf(version.feeSats, weightOfVersion(spend, version));

/** What a version can't be, and why. */
export const refused = (reason: string, message: string): { readonly ok: false; readonly error: Refusal } =>
  err(refusal('failed_precondition', reason, message));
