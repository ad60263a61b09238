import { parseAddress, type ParsedTransaction } from '@finality/bitcoin';
import type { WalletCoin } from '@finality/chain-simulator';
import { type settlementV1 } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusName } from '../names.ts';
import { describeOnNodes, type Member, TestPlatform, totalClaims } from './platform.fixture.ts';

/** Deep enough for whatever excludes a transaction to be final. */
const FINAL_DEPTH = 6;

await describeOnNodes('reorganisations', (kind) => {
  describe('deposits credited after 3 blocks', () => {
    let platform: TestPlatform;
    let alice: Member;

    beforeAll(async () => {
      platform = await TestPlatform.start({ node: kind });
      alice = await platform.institution('alice-bank');
    });
    afterAll(() => platform?.stop());

    const wallet = () => alice.balance('wallet');

    it('of 1 block: the deposit is still on its way, confirms again, and is credited once', async () => {
      await alice.payIn('wallet', 10_000_000n);
      await platform.mine(2);
      await platform.reorganise(1);
      await platform.eventually(async () =>
        expect(await wallet()).toMatchObject({ incoming: 0n, available: 10_000_000n }),
      );
      await platform.mine(3);
      expect(await wallet()).toMatchObject({ incoming: 0n, available: 10_000_000n });
    });

    it('of 3 blocks: what was credited is taken back until it is final again', async () => {
      await alice.payIn('wallet', 20_000_000n);
      await platform.mine(3);
      await platform.eventually(async () => expect((await wallet()).available).toBe(30_000_000n));
      await platform.reorganise(3);
      await platform.eventually(async () =>
        expect(await wallet()).toMatchObject({ incoming: 0n, available: 30_000_000n }),
      );
      await platform.mine(3);
      expect(await wallet()).toMatchObject({ incoming: 0n, available: 30_000_000n });
    });

    it.each([1, 3])('of %i block(s), with the money double-spent: it is gone', async (depth) => {
      const { available } = await wallet();
      const [deposit, conflict] = await doubleSpend(platform, alice, 40_000_000n);
      await platform.send(deposit);
      await platform.mine(depth);
      await platform.eventually(async () => {
        const { incoming, available: now } = await wallet();
        expect(incoming + now).toBe(available + 40_000_000n);
      });
      await platform.reorganise(depth, [conflict]);
      await platform.eventually(async () => expect(await wallet()).toMatchObject({ incoming: 0n, available }));
      await platform.mine(FINAL_DEPTH);
      expect(await wallet()).toMatchObject({ incoming: 0n, held: 0n, available });
      expect((await platform.reconcile()).breaks).toEqual([]);
    });
  });

  describe('settlements', () => {
    let platform: TestPlatform;
    let alice: Member;
    let bob: Member;

    beforeAll(async () => {
      // So that a deposit and what was paid with it fit into three blocks.
      platform = await TestPlatform.start({
        node: kind,
        environment: { DEPOSIT_CONFIRMATIONS: '1', BILATERAL_CONFIRMATIONS: '1', BLOCKCHAIN_CONFIRMATIONS: '3' },
      });
      alice = await platform.institution('alice-bank');
      bob = await platform.institution('bob-bank', { wallet: 'tr' });
      await alice.deposit('wallet', 50_000_000n, 50_000_000n);
    });
    afterAll(() => platform?.stop());

    const states = ({ transitions }: settlementV1.Settlement): string[] =>
      transitions.map(({ status }) => statusName(status));

    it('of 1 block while confirming: executing again, then settled', async () => {
      const before = await totalClaims(alice, bob);
      const { settlementId } = await alice.submit(bob, 'blockchain', 5_000_000n);
      const txid = await platform.broadcast(alice, settlementId);
      await platform.mine(1);
      await platform.reaches(alice, settlementId, 'confirming');
      await platform.reorganise(1);
      await platform.mine(2);
      const settled = await platform.reaches(alice, settlementId, 'settled');
      expect(settled.txid).toBe(txid);
      expect(states(settled).slice(4)).toEqual(['executing', 'confirming', 'executing', 'confirming', 'settled']);
      expect(await totalClaims(alice, bob)).toBe(before - settled.feeSats);
    });

    it.each([1, 3])('of %i block(s) past the target: reopened, then settled again', async (depth) => {
      const before = await totalClaims(alice, bob);
      const paid = (await bob.balance('wallet')).available;
      const { settlementId } = await alice.submit(bob, 'bilateral', 6_000_000n);
      await platform.broadcast(alice, settlementId);
      await platform.mine(depth);
      await platform.reaches(alice, settlementId, 'settled');
      await platform.reorganise(depth);
      const settled = await platform.eventually(async () => {
        const found = await platform.reaches(alice, settlementId, 'settled');
        expect(states(found).slice(-2)).toEqual(['reopened', 'settled']);
        return found;
      });
      expect((await bob.balance('wallet')).available).toBe(paid + 6_000_000n);
      expect(await totalClaims(alice, bob)).toBe(before - settled.feeSats);
    });

    it('of 3 blocks, with the deposit it was paid from double-spent: reversed, and nobody has money that isn’t there', async () => {
      await platform.mine(FINAL_DEPTH);
      const carol = await platform.institution('carol-bank');
      const paid = (await bob.balance('wallet')).available;
      const [deposit, conflict] = await doubleSpend(platform, carol, 30_000_000n);
      await platform.send(deposit);
      await platform.mine(1);
      await platform.eventually(async () => expect((await carol.balance('wallet')).available).toBe(30_000_000n));
      const { settlementId } = await carol.submit(bob, 'bilateral', 25_000_000n);
      await platform.broadcast(carol, settlementId);
      await platform.mine(2);
      await platform.reaches(carol, settlementId, 'settled');
      await platform.reorganise(3, [conflict]);
      await platform.reaches(carol, settlementId, 'reopened');
      await platform.mine(FINAL_DEPTH);
      const reversed = await platform.reaches(carol, settlementId, 'reversed');
      expect(states(reversed).slice(-3)).toEqual(['settled', 'reopened', 'reversed']);
      expect(await bob.balance('wallet')).toMatchObject({ available: paid, incoming: 0n });
      await platform.eventually(async () => expect(await totalClaims(carol)).toBe(0n));
      expect((await platform.reconcile()).breaks).toEqual([]);
    });
  });
});

/** Two payments of the same coin: to the member's wallet, and, worth more to miners, back to the sender. */
async function doubleSpend(
  platform: TestPlatform,
  member: Member,
  valueSats: bigint,
): Promise<[deposit: ParsedTransaction, conflict: ParsedTransaction]> {
  const { miner } = platform;
  const script = unwrap(parseAddress(await member.newAddress('wallet'), 'regtest'));
  await platform.mine();
  await miner.sync(platform.node);
  const coins: WalletCoin[] = miner.coins().slice(0, 1);
  const deposit = miner.pay([{ script, valueSats }], { feeSats: 2_000n, coins });
  const conflict = miner.pay([{ script: miner.script, valueSats }], { feeSats: 50_000n, coins });
  return [deposit, conflict];
}
