import { describe, expect, it } from 'vitest';
import { approved, funded, given, lastOf, settlementOf, submitted } from '../spec/given.fixture.ts';
import { walletCalled } from '../spec/parties.fixture.ts';
import { type World } from '../spec/world.fixture.ts';

const scanning =
  (is: boolean, walletId = 'w-a') =>
  (world: World): unknown =>
    world.tell({ type: 'wallet_changed', wallet: { ...walletCalled(walletId), scanning: is } });
const retried = (world: World): unknown => world.withdraw(lastOf(world), 'retry_reservation');

describe('a wallet that is being scanned', () => {
  it.each(['bilateral', 'blockchain'] as const)('%s: pays once it is caught up with', (mode) => {
    const history = [funded('a', 'wallet', 50_000n), scanning(true), submitted(mode, 20_000n)];
    const world = given(...history)
      .when(approved, retried)
      .then('s-1 risk_assessed', 's-1 aml_assessed', 's-1 settlement_approved', 's-1 liquidity_awaited');
    expect(settlementOf(world)).toMatchObject({ status: 'queued', waitsFor: 'WALLET_SCANNING' });
    given(...history, approved, scanning(false))
      .when(retried)
      .then('lineage/s-1 lineage_planned', 's-1 liquidity_reserved');
  });

  it('is paid, and leaves what its owner has on clearing alone', () => {
    const paid = given(funded('a', 'wallet', 50_000n), scanning(true, 'w-b'), submitted('bilateral', 20_000n)).when(
      approved,
    );
    expect(settlementOf(paid.world).status).toBe('reserved');
    const cleared = given(funded('a', 'clearing', 50_000n), scanning(true), submitted('centralized', 20_000n)).when(
      approved,
    );
    expect(settlementOf(cleared.world).status).toBe('settled');
  });
});
