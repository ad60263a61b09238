import { type FeeRate } from '@finality/bitcoin';
import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { identityOf, latest, type LineagePayout, type OfferedLineage, payoutOf, settlementsPaid } from '../lineage.ts';
import { isGivenUp, isWaiting, living, type LivingSettlement } from '../settlement.ts';
import { childOf, isMoot, isPinned, payByChild } from './child.ts';
import { spendOf } from './choose-coins.ts';
import { feeRateNow } from './fees.ts';
import { fund, held, rateOf, refused } from './fund.ts';
import { join, type Joined, reservations } from './join.ts';
import { claim, releaseClaim } from './reserve.ts';

/** Versions of one lineage: each is asked for by a person, or a wait of blocks apart. */
const VERSIONS_MAX = 50;
/** Without a person's wish or a higher feerate to go by: a quarter more than before. */
const STEP_PERCENT = 125n;

/** Plans a version that pays a higher fee, unless another is on its way. */
function bump(book: Book, lineageId: string, feeRate: FeeRate): Result<void, Refusal> {
  const waits = waiting(book, lineageId);
  if (!waits.ok) return waits;
  const lineage = waits.value;
  const child = childOf(book, lineage);
  // What pays for it can be replaced without what others have made of its outputs.
  if (child !== undefined && child.status !== 'none') return bump(book, identityOf(child).lineageId, feeRate);
  const last = latest(lineage);
  // Whoever signs for himself may leave a version unsigned, and want another.
  if (lineage.next !== undefined || (lineage.custodial && last.signedHex === undefined))
    return refused('VERSION_UNDER_WAY', `version ${(lineage.next ?? last).version} is being signed`);
  if (lineage.versions.length >= VERSIONS_MAX)
    return refused('TOO_MANY_VERSIONS', `expected at most ${VERSIONS_MAX} versions`);
  const joined = join(book, lineage, stillPaid(book, lineage), feeRate);
  return joined.ok ? replace(book, lineage, joined.value) : joined;
}

/**
 * Plans a version that leaves this settlement out, in the place of one that is planned. The last one needn't have been signed: it may be
 * the signer that refuses it.
 */
export function replaceWithout(book: Book, lineageId: string, settlementId: string): Result<void, Refusal> {
  const waits = waiting(book, lineageId);
  if (!waits.ok) return waits;
  const lineage = waits.value;
  const payouts = stillPaid(book, lineage).filter((payout) => payout.settlementId !== settlementId);
  const funded = fund(book, lineage, payouts, dearer(book, lineage));
  return funded.ok ? replace(book, lineage, { payouts, ...funded.value }) : funded;
}

/** A lineage that a version can still be added to: none is in a block, all of them are possible, and none has ever been final. */
function waiting(book: Book, lineageId: string): Result<OfferedLineage, Refusal> {
  const lineage = book.lineages.get(lineageId);
  const waits =
    lineage.status === 'offered' &&
    lineage.inBlock === undefined &&
    lineage.conflicts.length + lineage.lost.length + lineage.released.length === 0;
  if (!waits || isMoot(book, lineage))
    return refused('NOT_WAITING', 'expected a transaction that waits for its first confirmation');
  const states = settlementsPaid(lineage).map((id) => living(book.settlements.get(id)));
  if (states.some((state) => isIn(state, lineage) && !isWaiting(state) && !isGivenUp(state)))
    return refused('NOT_WAITING', 'expected payouts that have never been final');
  const isElsewhere = states.some((state) => 'payout' in state && !isIn(state, lineage) && !isGivenUp(state));
  if (isElsewhere && stillPaid(book, lineage).length === 0)
    return refused('NOT_WAITING', 'expected payouts that no other lineage pays by now');
  return ok(lineage);
}

/** What the next version pays at least: whatever the last one does, without what was cancelled or is paid by another lineage by now. */
function stillPaid(book: Book, lineage: OfferedLineage): readonly LineagePayout[] {
  return latest(lineage)
    .payouts.map(payoutOf)
    .filter(({ settlementId }) => isToPay(book, lineage, settlementId));
}

/** Whether a lineage is to pay it still. */
export function isToPay(book: Book, lineage: OfferedLineage, settlementId: string): boolean {
  const state = living(book.settlements.get(settlementId));
  return isIn(state, lineage) && isWaiting(state) && state.cancelling === undefined;
}

const isIn = (state: LivingSettlement, { lineageId }: OfferedLineage): boolean =>
  'payout' in state && state.payout?.lineageId === lineageId;

/**
 * Plans a version in the place of the last one (reference: Bitcoin Core's replacement rules, and btcd's): it spends the same coins, adds only
 * confirmed ones, and takes what it needs from the change. With nothing to pay it pays the wallet itself.
 */
function replace(book: Book, lineage: OfferedLineage, { payouts, ...funding }: Joined): Result<void, Refusal> {
  const last = latest(lineage);
  const { lineageId } = lineage;
  const version = last.version + 1;
  const plan = { ...identityOf(lineage), version, payouts, ...funding, offerAt: book.now };
  const affordable = book.ledger.check([...held(book, plan), ...reservations(book, payouts)]);
  if (!affordable.ok) return refused('INSUFFICIENT_LIQUIDITY', 'the payer has not got what the fee takes more');
  dropNext(book, lineageId, 'another version is planned in its place');
  const known = new Set(last.inputs.map(({ outpoint }) => outpoint));
  claim(
    book,
    lineageId,
    plan.inputs.filter(({ outpoint }) => !known.has(outpoint)),
  );
  book.lineages.record(lineageId, { type: 'version_planned', at: book.now, plan });
  return ok(undefined);
}

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
  // Its child has a turn of its own.
  if (childOf(book, lineage) !== undefined) return waitForBlock(book, lineageId);
  const feeRate = dearer(book, lineage);
  if (isPinned(lineage) && waiting(book, lineageId).ok && payByChild(book, lineage, feeRate).ok)
    return waitForBlock(book, lineageId);
  bumpTo(book, lineageId, feeRate);
}

/** Whatever keeps it from being replaced now is looked at again in some blocks. */
export function bumpTo(book: Book, lineageId: string, feeRate: FeeRate): void {
  if (!bump(book, lineageId, feeRate).ok) waitForBlock(book, lineageId);
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
