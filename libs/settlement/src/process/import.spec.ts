import { describe, expect, it } from 'vitest';
import { offered } from '../lineage.ts';
import { approved, assigned, funded, givenUnder, submitted } from '../spec/given.fixture.ts';
import { PAYING } from '../spec/memory-book.fixture.ts';
import { restored } from '../spec/restore.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

/** The owner of d's wallet spends its first coin elsewhere. */
const spent = (world: World): void => {
  const { outpoint } = world.book.coins.ofWallet('w-d')[0]!;
  world.mine(() => false, [world.pay([outpoint], [{ script: world.elsewhere(), valueSats: 1_000n }])]);
};
const tried =
  (settlementId: string) =>
  (world: World): void => {
    world.withdraw(settlementId, 'retry_reservation');
    assigned(world);
  };
const twoPayouts = [
  funded('d', 'wallet', 50_000n),
  submitted('bilateral', 10_000n, 'd', 'a'),
  approved,
  submitted('bilateral', 15_000n, 'd', 'b'),
  approved,
];

describe('what was handed out after the copy was made', () => {
  it('is taken up as handed out, by whichever of the settlements it was planned for the copy has it under', () => {
    const { world } = givenUnder(PAYING, ...twoPayouts).when();
    const copy = world.told.length;
    expect(world.book.lineages.get('s-1')).toMatchObject({ status: 'planned', plan: { payouts: [{}, {}] } });
    for (const step of [spent, funded('d', 'wallet', 60_000n), tried('s-2')]) step(world);
    expect(world.prepare('s-2')).toBeUndefined();
    const handedOut = offered(world.book.lineages.get('s-2')).versions[0]!;
    expect(handedOut.payouts.map(({ settlementId }) => settlementId)).toEqual(['s-2']);

    const book = restored(world, copy);
    expect(book.log.filter(({ event }) => event.type === 'difference_found')).toEqual([]);
    expect(offered(book.lineages.get('s-2')).versions).toMatchObject([{ txid: handedOut.txid }]);
    expect(book.settlements.get('s-2')).toMatchObject({ status: 'awaiting_signature', payout: { lineageId: 's-2' } });
    // The plan of both is given up: what isn't handed out waits for other coins.
    expect(book.lineages.get('s-1').status).toBe('abandoned');
    expect(book.settlements.get('s-1').status).toBe('queued');
  });
});
