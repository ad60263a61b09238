import { assert } from '@finality/kernel';
import { custodyAccount, creditBalance } from '@finality/ledger';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { offered, versionNumbered } from '../lineage.ts';
import type { RecoveryEvent } from '../recovery.ts';
import { PAYOUT_WEIGHTS } from './action-weights.fixture.ts';
import { act, fund } from './actions.fixture.ts';
import { actionsOf } from './any-actions.fixture.ts';
import { type MemoryBook, PAYING } from './memory-book.fixture.ts';
import { journalOf, restored } from './restore.fixture.ts';
import { WALLETS } from './parties.fixture.ts';
import { World } from './world.fixture.ts';

const SETTINGS = { numRuns: Number(process.env['RUNS'] ?? 25), seed: Number(process.env['SEED'] ?? 1) };
const TIMEOUT_MS = 60_000;

/** Owners who spend their coins elsewhere meanwhile send what is only planned back to the queue. */
const WEIGHTS = { ...PAYOUT_WEIGHTS, own_spend: 3, prepare: 5, drop: 5 };

/** What is on the chain, as the books have it: the coins, and what each wallet holds. */
function onChain(book: MemoryBook): unknown {
  return WALLETS.map(({ walletId }) => ({
    custody: creditBalance(book.ledger.account(custodyAccount(walletId))),
    coins: book.coins
      .ofWallet(walletId)
      .filter(({ life }) => life > 0)
      .map(({ outpoint, height, spentBy, valueSats }) => `${outpoint} ${valueSats} ${height} ${spentBy}`)
      .sort(),
  }));
}

describe('a store restored from a copy of any moment', { timeout: TIMEOUT_MS }, () => {
  let imported = 0;
  let handedOut = 0;

  it('knows all that was ever signed, pays none of it again, and ends with the coins that are on the chain', () => {
    fc.assert(
      fc.property(actionsOf(WEIGHTS, 150), fc.integer({ min: 0, max: 99 }), (actions, percent) => {
        const world = new World(PAYING);
        fund(world, true);
        for (const action of actions) act(world, action);
        const book = restored(world, Math.floor((world.told.length * percent) / 100));
        expect(book.log.filter(({ event }) => event.type === 'difference_found')).toEqual([]);
        const learned = new Set(
          book.log.flatMap(({ event }) =>
            event.type === 'transaction_imported'
              ? [(event as Extract<RecoveryEvent, { type: 'transaction_imported' }>).txid]
              : [],
          ),
        );
        for (const { txid, lineageId, version, payouts, custodial } of journalOf(world)) {
          if (!custodial && learned.has(txid)) handedOut += 1;
          expect(book.lineageOf(txid)).toBe(lineageId);
          expect(versionNumbered(offered(book.lineages.get(lineageId)), version).txid).toBe(txid);
          for (const { settlementId } of payouts) {
            const settlement = book.settlements.get(settlementId);
            if (settlement.status === 'cancelled') continue;
            assert('payout' in settlement && settlement.payout, 'what was signed is paid');
            expect([settlement.payout.lineageId, ...settlement.payout.formerLineages]).toContain(lineageId);
          }
        }
        imported += learned.size;
        expect(onChain(book)).toEqual(onChain(world.book));
      }),
      { ...SETTINGS, endOnFailure: true },
    );
    expect(imported).toBeGreaterThan(SETTINGS.numRuns / 2);
    expect(handedOut).toBeGreaterThan(SETTINGS.numRuns / 5);
  });
});
