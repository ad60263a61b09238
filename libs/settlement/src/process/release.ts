import type { OutpointKey } from '@finality/bitcoin';
import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { stopsCrediting } from '../chain-tip.ts';
import type { Coin } from '../coin.ts';
import { inputsOf, type Lineage, offered, type OfferedLineage, type OfferedVersion, versionWith } from '../lineage.ts';
import { depthOf, isBuried } from './finality.ts';
import { secondStepRefusal, stepRefusal } from './second-person.ts';

/** How many transactions of ours a coin's origin is followed back through. Farther back, it is taken to be possible. */
export const ORIGINS_MAX = 50;

/** Somebody's wish, and why: what was looked at, and where. */
export interface ReleaseRequest {
  readonly lineageId: string;
  /** API key id. */
  readonly by: string;
  readonly reason: string;
}

/**
 * Coins that a lineage keeps although none of its transactions can ever spend them are to be free again (ADR 3, 10): the first of two persons says so.
 * One who says so again takes the place of a proposal that nobody has confirmed.
 * @returns the coins; or UNKNOWN_LINEAGE, INCIDENT_OPEN, LINEAGE_NOT_OVER, VERSION_CAN_CONFIRM, NOTHING_TO_RELEASE, RELEASE_UNDER_WAY, KEY_TOO_NEW
 */
export function proposeRelease(book: Book, { lineageId, by, reason }: ReleaseRequest): Result<OfferedLineage, Refusal> {
  const tooNew = stepRefusal(book, by);
  if (tooNew !== undefined) return err(tooNew);
  const found = over(book, lineageId);
  if (!found.ok) return found;
  if (found.value.release?.confirmedBy !== undefined)
    return refused('RELEASE_UNDER_WAY', `the release of coins of ${lineageId} is confirmed already`);
  const outpoints = lockedCoins(book, found.value).map(({ outpoint }) => outpoint);
  if (outpoints.length === 0)
    return refused('NOTHING_TO_RELEASE', `lineage ${lineageId} keeps no coin that is unspent`);
  const release = { outpoints, proposedBy: by, reason };
  return ok(offered(book.lineages.record(lineageId, { type: 'release_proposed', at: book.now, release })));
}

/**
 * Another person has looked too. All is asked again, for the chain may have changed its mind since.
 * @returns as {@link proposeRelease}; or NO_RELEASE_PROPOSED, SAME_PERSON
 */
export function confirmRelease(book: Book, { lineageId, by, reason }: ReleaseRequest): Result<OfferedLineage, Refusal> {
  const found = over(book, lineageId);
  if (!found.ok) return found;
  const { release } = found.value;
  if (release === undefined)
    return refused('NO_RELEASE_PROPOSED', `nobody has proposed to release coins of ${lineageId}`);
  if (release.confirmedBy !== undefined) return ok(found.value);
  const same = secondStepRefusal(book, release.proposedBy, by);
  if (same !== undefined) return err(same);
  if (toRelease(book, found.value).length === 0)
    return refused('NOTHING_TO_RELEASE', `lineage ${lineageId} keeps none of these coins by now`);
  const confirmed = book.lineages.record(lineageId, { type: 'release_confirmed', at: book.now, by, reason });
  return ok(offered(confirmed));
}

/** The signer knows: free, unless a reorg past finality has come between. Then it stays as it is, and is asked for again. */
export function coinsReleased(book: Book, lineageId: string): void {
  const found = over(book, lineageId);
  if (!found.ok || found.value.release?.confirmedBy === undefined) return;
  const coins = toRelease(book, found.value);
  for (const { claimedBy: _before, ...coin } of coins)
    book.coins.put({ ...coin, formerClaims: [...coin.formerClaims, lineageId] });
  const outpoints = coins.map(({ outpoint }) => outpoint);
  book.lineages.record(lineageId, { type: 'coins_released', at: book.now, outpoints });
}

/** A lineage of which no transaction can be in a block any more, the one that is there aside. */
function over(book: Book, lineageId: string): Result<OfferedLineage, Refusal> {
  const lineage = book.lineages.get(lineageId);
  if (lineage.status === 'none')
    return err(refusal('not_found', 'UNKNOWN_LINEAGE', `there is no lineage ${lineageId.slice(0, 200)}`));
  if (stopsCrediting(book.tip.get()))
    return refused('INCIDENT_OPEN', 'after a reorg that deep nothing is final until somebody has confirmed it');
  if (lineage.status !== 'final' && lineage.status !== 'dead')
    return refused('LINEAGE_NOT_OVER', `lineage ${lineageId} is ${lineage.status}: ${livingVersions(book, lineage)}`);
  const { inBlock } = lineage;
  const winner = inBlock !== undefined && isBuried(book, inBlock.block) ? inBlock.version : undefined;
  for (const version of lineage.versions) {
    if (version.version === winner) continue;
    const hope = hopeOf(book, lineage, version);
    if (hope !== undefined) return refused('VERSION_CAN_CONFIRM', hope);
  }
  return ok(lineage);
}

function livingVersions(book: Book, lineage: Lineage): string {
  if (!('versions' in lineage)) return 'none of its versions was offered yet';
  return lineage.versions.flatMap((version) => hopeOf(book, lineage, version) ?? []).join('; ');
}

/**
 * What keeps a version from being dead: `undefined` if a transaction that excludes it, or one that it needs, is final (DESIGN 8). Whatever a state
 * says, it is asked of blocks that are on the chain now.
 */
export function hopeOf(
  book: Pick<Book, 'tip' | 'policy' | 'lineages' | 'deposits' | 'lineageOf'>,
  lineage: OfferedLineage,
  { version, txid, inputs }: OfferedVersion,
  origins = 0,
): string | undefined {
  const { inBlock, conflicts } = lineage;
  const name = `version ${version} of ${lineage.lineageId} (${txid})`;
  if (inBlock?.version === version) return `${name} is ${depthOf(book, inBlock.block)} deep in the chain`;
  if (inBlock !== undefined && isBuried(book, inBlock.block)) return undefined;
  const rivals = conflicts.filter(({ outpoint }) => inputs.some((input) => input.outpoint === outpoint));
  if (rivals.some(({ block }) => isBuried(book, block))) return undefined;
  if (inputs.some(({ outpoint }) => !canCome(book, outpoint, origins))) return undefined;
  const blocks = [...(inBlock === undefined ? [] : [inBlock.block]), ...rivals.map(({ block }) => block)];
  const deepest = Math.max(0, ...blocks.map((block) => depthOf(book, block)));
  return deepest > 0
    ? `${name} is excluded ${deepest} deep, expected ${book.policy.finalDepth}`
    : `nothing in the chain excludes ${name}`;
}

/** Whether a coin is there, or can still be. */
function canCome(
  book: Pick<Book, 'tip' | 'policy' | 'lineages' | 'deposits' | 'lineageOf'>,
  outpoint: OutpointKey,
  origins: number,
): boolean {
  const txid = outpoint.slice(0, outpoint.indexOf(':'));
  const maker = book.lineageOf(txid);
  if (maker !== undefined) {
    if (origins >= ORIGINS_MAX) return true;
    const lineage = offered(book.lineages.get(maker));
    return hopeOf(book, lineage, versionWith(lineage, txid), origins + 1) !== undefined;
  }
  const deposit = book.deposits.get(outpoint);
  return deposit.status !== 'reversed' || !isBuried(book, deposit.byBlock);
}

/** Unspent, in a block, and of no use to the lineage. Change that it keeps for what it leaves over is none of its inputs. */
export function lockedCoins(book: Pick<Book, 'coins'>, lineage: Lineage): readonly Coin[] {
  if (lineage.status !== 'final' && lineage.status !== 'dead') return [];
  return inputsOf(lineage).flatMap(({ outpoint }) => {
    const coin = book.coins.find(outpoint);
    const isLocked = coin?.claimedBy === lineage.lineageId && coin.height !== undefined && coin.spentBy === undefined;
    return isLocked ? [coin] : [];
  });
}

/** Of what was proposed, what is still locked. */
function toRelease(book: Book, lineage: OfferedLineage): readonly Coin[] {
  const proposed = new Set(lineage.release?.outpoints);
  return lockedCoins(book, lineage).filter(({ outpoint }) => proposed.has(outpoint));
}

const refused = (reason: string, message: string): Result<never, Refusal> =>
  err(refusal('failed_precondition', reason, message));
