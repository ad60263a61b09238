import { feeRate, parseTransaction } from '@finality/bitcoin';
import { creditBalance, networkFeesAccount } from '@finality/ledger';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { headScript, offered, planOf } from '../lineage.ts';
import { arrive, balance, empty, funded, given, givenUnder, mined, reorged } from '../spec/given.fixture.ts';
import { checkWorld } from '../spec/invariants.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const POOL = { kind: 'wallet', walletId: 'pool' } as const;
const FUNDED = [funded('a', 'clearing', 90_000n), funded('b', 'clearing', 30_000n), funded('b', 'clearing', 4_000n)];
/** One P2WPKH input, 45 bytes behind an OP_RETURN, P2WPKH change: 166 virtual bytes, at 2 sat/vB. */
const FEE = 332n;

let lineageId = '';
const anchored = (world: World): void => {
  lineageId = world.anchorHead();
};
const lineage = (world: World) => world.book.lineages.get(lineageId);
const sent = (world: World): void => {
  world.assign(planOf(lineage(world))!, false);
  world.sign(lineageId);
  world.broadcast(lineageId);
};
const borne = (world: World): bigint => -creditBalance(world.book.ledger.account(networkFeesAccount()));

describe('a head of the ledger', () => {
  it('is written into the chain by a lineage of its own, at the platform’s expense', () => {
    const world = given(...FUNDED)
      .when(anchored, sent)
      .then(
        `lineage/${lineageId} lineage_planned`,
        `lineage/${lineageId} version_offered`,
        `lineage/${lineageId} version_signed`,
        `lineage/${lineageId} version_broadcast`,
      );
    const { anchorsHead, versions } = offered(lineage(world));
    const [{ outputs, payouts, feeSats, inputs, unsignedHex }] = versions as [(typeof versions)[0]];
    expect([payouts, feeSats]).toEqual([[], FEE]);
    // The least valuable coin that leaves change at any fee within the cap.
    expect(inputs.map(({ valueSats }) => valueSats)).toEqual([30_000n]);
    expect(outputs).toMatchObject([
      { role: 'head', head: anchorsHead, valueSats: 0n, destination: { script: headScript(anchorsHead!) } },
      { role: 'change', valueSats: 30_000n - FEE, destination: { walletId: 'pool' } },
    ]);
    expect(unwrap(parseTransaction(unsignedHex)).outputs[0]).toEqual({
      valueSats: 0n,
      script: headScript(anchorsHead!),
    });
    expect([balance(world, POOL), borne(world)]).toEqual([{ inFlight: FEE }, FEE]);
    mined(6)(world);
    checkWorld(world);
    expect(lineage(world).status).toBe('final');
    expect([balance(world, POOL), borne(world)]).toEqual([{}, FEE]);
  });

  it('is written once, whatever is asked', () => {
    const again = (world: World): void => {
      const { anchorsHead: head } = offered(lineage(world));
      world.tell({ type: 'anchor_head', request: { head: head!, walletId: 'pool' } });
    };
    given(...FUNDED, anchored, sent)
      .when(again)
      .then();
  });

  it('waits for a coin that leaves change, that is final, and that nobody else has', () => {
    given().when(anchored).then();
    given(funded('a', 'clearing', 5_293n))
      .when(anchored)
      .then();
    given((world) => arrive(world, 'a', 'clearing', 90_000n))
      .when(anchored)
      .then();
    given(funded('a', 'clearing', 90_000n), anchored)
      .when(anchored)
      .then();
  });

  it('waits while fees are beyond the cap', () => {
    givenUnder({ ...POLICY, fees: { fixed: feeRate(31_000n) } }, ...FUNDED)
      .when(anchored)
      .then();
  });

  it('is replaced by a dearer version with the same head, and only what is in the block is gone', () => {
    const policy = { ...POLICY, bump: { ...POLICY.bump, afterBlocks: 3 } };
    const world = givenUnder(policy, ...FUNDED, anchored, sent).when(empty(3), sent).world;
    const { versions } = offered(lineage(world));
    const [first, second] = versions as [(typeof versions)[0], (typeof versions)[0]];
    expect(second.outputs[0]).toMatchObject({ role: 'head', valueSats: 0n });
    expect([second.inputs, second.feeSats > first.feeSats]).toEqual([first.inputs, true]);
    expect(borne(world)).toBe(second.feeSats);
    world.mine(() => false, [world.chain.known.get(first.txid)!]);
    mined(5)(world);
    checkWorld(world);
    expect([lineage(world).status, borne(world)]).toEqual(['final', FEE]);
  });

  it('is in the chain again after a reorg', () => {
    const world = given(...FUNDED, anchored, sent, mined(2)).when(reorged(2), mined(6)).world;
    expect([lineage(world).status, borne(world), balance(world, POOL)]).toEqual(['final', FEE, {}]);
  });

  it('is none of a wallet’s business that others have the keys of', () => {
    const head = { epoch: 1, segment: 1, hash: 'ab'.repeat(32) };
    for (const walletId of ['w-d', 'nobody’s'])
      given(...FUNDED)
        .when({ type: 'anchor_head', request: { head, walletId } })
        .then();
  });
});
