import { inputsOf, offered } from '../lineage.ts';
import { lockedCoins } from '../process/release.ts';
import { expectExcluded } from './invariants.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS } from './parties.fixture.ts';
import { type World } from './world.fixture.ts';

// What takes two of the platform's own people.

/** Two persons want coins of a lineage to be free: mostly of one that is over, and mostly both of them. */
export function release(world: World, a: number, b: number, hurry: (world: World) => void): void {
  if (bit(b, 9)) lose(world, a, b, hurry);
  const lineages = world.book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage : []));
  const locked = lineages.filter((lineage) => lockedCoins(world.book, lineage).length > 0);
  const lineageId = pick((bit(b, 0) && bit(b, 10)) || locked.length === 0 ? lineages : locked, a)?.lineageId;
  if (lineageId === undefined) return;
  if (!bit(b, 1) || !bit(b, 2)) world.proposeRelease(lineageId);
  if (bit(b, 3) && bit(b, 4) && bit(b, 11)) return;
  world.confirmRelease(lineageId, bit(b, 5) && bit(b, 6) ? 'operator' : 'operator-2');
  const isConfirmed = offered(world.book.lineages.get(lineageId)).release?.confirmedBy !== undefined;
  if (!isConfirmed || (bit(b, 7) && bit(b, 8))) return;
  world.coinsReleased(lineageId);
  if (offered(world.book.lineages.get(lineageId)).release === undefined) expectExcluded(world, lineageId);
}

/** Two persons know whose money in suspense is, or think so. */
export function resolve(world: World, a: number, b: number): void {
  const { deposits } = world.book;
  const suspended = deposits.ids().filter((id) => {
    const deposit = deposits.get(id);
    return deposit.status !== 'none' && deposit.beneficiary.kind === 'suspense';
  });
  const outpoint = pick(bit(b, 0) && bit(b, 1) ? deposits.ids() : suspended, a);
  if (outpoint === undefined) return;
  const deposit = deposits.get(outpoint);
  const walletId = deposit.status === 'none' ? '' : deposit.terms.walletId;
  const owner = walletId === 'pool' || (bit(b, 2) && bit(b, 3)) ? pick(INSTITUTIONS, b >> 4)! : walletId.slice(2);
  if (!bit(b, 7) || !bit(b, 8)) world.proposeResolution(outpoint, owner);
  if (!bit(b, 9) || !bit(b, 10))
    world.confirmResolution(outpoint, bit(b, 11) && bit(b, 12) ? 'operator' : 'operator-2');
}

/** Somebody takes one of several coins that a lineage needs, or one of those that only some versions have, and nobody takes it back for long. */
function lose(world: World, a: number, b: number, hurry: (world: World) => void): void {
  world.submit(
    'bilateral',
    INSTITUTIONS[a % 3]!,
    INSTITUTIONS[(a + 1) % 3]!,
    pick([30_000n, 60_000n, 100_000n], b >> 7)!,
  );
  hurry(world);
  const { settlements } = world.book;
  const executing = settlements.ids().filter((id) => settlements.get(id).status === 'executing');
  if (bit(b, 12)) for (const id of executing) world.bump(id, 15_000n);
  hurry(world);
  const lineages = world.book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage : []));
  const several = lineages.filter(
    (lineage) => lineage.status === 'offered' && lineage.inBlock === undefined && inputsOf(lineage).length > 1,
  );
  const lineage = pick(several, a);
  if (lineage === undefined) return;
  const { outpoint } = pick(inputsOf(lineage), b >> 10)!;
  const tx = world.pay([outpoint], [{ script: world.elsewhere(), valueSats: 400n }]);
  world.mine(() => false, [tx]);
  for (let i = 1; i < world.book.policy.finalDepth; i++) world.mine(() => bit(b, 8));
  world.confirmIncidents();
}
