import { decideBump, dustLimitSats, type FeeRate, vsizeOf } from '@finality/bitcoin';
import { assert, ok, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Book } from '../book.ts';
import { type Coin, mergeSources } from '../coin.ts';
import {
  changeOf,
  childIdOf,
  type DeclaredOutput,
  identityOf,
  latest,
  type Lineage,
  type LineagePlan,
  type OfferedLineage,
  type OfferedVersion,
  versionsDiffer,
} from '../lineage.ts';
import { ownFeeHeld } from '../postings/lineage.ts';
import { placeholderFor, spendOf, weightOf } from './choose-coins.ts';
import { feeCapOf, refused, weightOfVersion } from './fund.ts';

/** What payees have made of an output: nobody tells how much of it there is, but a replacement would have to pay for it. */
const SWEEP = { feeSats: 0n as Sats, vsize: 110, isOwn: false };

/** The lineage that pays for this one's transaction by spending its change, while either may still get into a block. */
export function childOf(book: Book, lineage: OfferedLineage): Lineage | undefined {
  // A child is bumped itself.
  if (lineage.parent !== undefined) return undefined;
  return lineage.versions
    .map(({ version }) => book.lineages.get(childIdOf(lineage.lineageId, version)))
    .find(({ status }) => status === 'planned' || status === 'offered');
}

/**
 * No node has taken the last version, though they had an earlier one: what payees have made of that one's outputs makes any replacement too dear,
 * or there is more of it than may be replaced (reference: a cluster of 64 transactions).
 */
export function isPinned(lineage: OfferedLineage): boolean {
  const last = latest(lineage);
  return last.signedHex !== undefined && !last.broadcast && withNodes(lineage) !== undefined;
}

const withNodes = ({ versions }: OfferedLineage): OfferedVersion | undefined =>
  versions.findLast(({ broadcast }) => broadcast);

/**
 * Plans a transaction that spends the change of the version that nodes have, and pays the wallet itself at so high a fee that both are worth a
 * block's space (CPFP). It is of a lineage of its own, which dies with that version; the wallet's owner bears its fee, within the cap of the payouts: of the
 * pool's wallet the platform, since no one of those it pays has asked for it.
 */
export function payByChild(book: Book, lineage: OfferedLineage, feeRate: FeeRate): Result<void, Refusal> {
  const parent = withNodes(lineage);
  const change = parent && changeOf(parent);
  // What a version leaves over needs its change.
  if (parent === undefined || change === undefined || versionsDiffer(lineage.versions))
    return refused('NO_CHANGE', 'expected change that nothing else may need');
  const coin = book.coins.find(change.outpoint);
  if (coin?.claimedBy !== undefined || coin?.height !== undefined)
    return refused('NO_CHANGE', 'expected change that is unconfirmed, and unspent');
  const lineageId = childIdOf(lineage.lineageId, parent.version);
  const { status } = book.lineages.get(lineageId);
  if (status !== 'none' && status !== 'abandoned')
    return refused('VERSION_UNDER_WAY', `its change is spent by a transaction that is ${status}`);
  const fee = feeOf(book, lineage, parent, change, feeRate);
  if (!fee.ok) return fee;
  const { walletId, institutionId } = lineage;
  const paysFor = { lineageId: lineage.lineageId, version: parent.version };
  const held = ownFeeHeld({ lineageId, walletId, parent: paysFor }, 1, fee.value);
  if (!book.ledger.check([held]).ok)
    return refused('INSUFFICIENT_LIQUIDITY', 'the payer has not got what the fee takes more');
  const made = coinOf(book, parent, change);
  book.coins.put({ ...made, claimedBy: lineageId });
  const { outpoint, valueSats, script, branch, index } = made;
  const plan: LineagePlan = {
    ...{ lineageId, walletId, institutionId, custodial: true, anchor: outpoint, version: 1, payouts: [] },
    parent: paysFor,
    inputs: [{ outpoint, valueSats, script, branch, index }],
    feeSats: fee.value,
    droppedSats: 0n as Sats,
    changeSats: (valueSats - fee.value) as Sats,
    offerAt: book.now,
  };
  book.lineages.record(lineageId, { type: 'lineage_planned', at: book.now, plan });
  return ok(undefined);
}

function feeOf(
  book: Book,
  lineage: OfferedLineage,
  { version, feeSats, ...parent }: OfferedVersion,
  { valueSats, destination }: DeclaredOutput,
  target: FeeRate,
): Result<Sats, Refusal> {
  const { incrementalFeeRate } = book.policy.bump;
  const script = placeholderFor(book, lineage.walletId);
  const spend = spendOf(book, lineage.walletId);
  const vsize = vsizeOf(weightOfVersion(spend, { ...parent, version, feeSats }));
  const decision = decideBump({
    versions: [{ version, feeSats, vsize, descendants: [SWEEP] }],
    target,
    incremental: incrementalFeeRate,
    floor: incrementalFeeRate,
    feeCapSats: feeCapOf(book, lineage, lineage.versions.at(-1)!.payouts.length),
    replacement: { vsize, isFunded: false },
    change: {
      valueSats,
      childVsize: vsizeOf(weightOf(spend, [destination], [script])),
      dustSats: dustLimitSats(script),
    },
  });
  if (decision.kind === 'child') return ok(decision.feeSats);
  const why = decision.kind === 'alarm' ? decision.child : 'PAYS_ENOUGH';
  return refused(why, 'expected change that pays for both transactions, within the fee cap');
}

/** Before it is in a block: known, and nobody's to spend but the child's. */
function coinOf(book: Book, { inputs }: OfferedVersion, { outpoint, valueSats, destination }: DeclaredOutput): Coin {
  const known = book.coins.find(outpoint);
  if (known !== undefined) return known;
  assert('walletId' in destination, 'change is the wallet’s own');
  const { walletId, script, branch, index } = destination;
  const sources = mergeSources(inputs.map((input) => book.coins.get(input.outpoint).sources));
  const place = { outpoint, walletId, custodial: true, valueSats, script, branch, index };
  return { ...place, life: 0, spends: 0, released: true, formerClaims: [], sources };
}

/** It has a parent that doesn't wait any more: in a block without it, or lost. */
export function isMoot(book: Book, lineage: Lineage): boolean {
  if (lineage.status === 'none') return false;
  const { parent } = identityOf(lineage);
  if (parent === undefined) return false;
  const before = book.lineages.get(parent.lineageId);
  assert('versions' in before, 'a child has a parent');
  return before.status !== 'offered' || before.inBlock !== undefined;
}
