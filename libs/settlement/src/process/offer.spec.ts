import { parseTransaction } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { latest, type LineagePlan, offered, planOf } from '../lineage.ts';
import {
  approved,
  assigned,
  balance,
  funded,
  given,
  lastOf,
  lineageOf,
  signed,
  settlementOf,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import type { World } from '../spec/world.fixture.ts';

const RESERVED = [funded('a', 'wallet', 90_000n), submitted('bilateral', 20_000n), approved];
const refusedBy =
  (rule: string) =>
  (world: World): void =>
    world.refuseToSign(lastOf(world), rule);

describe('addresses for a plan', () => {
  it('make a transaction, its outputs declared, offered for signature', () => {
    const world = given(...RESERVED)
      .when(assigned)
      .then('lineage/s-1 version_offered', 's-1 payout_offered');
    const version = latest(offered(lineageOf(world)));
    const transaction = unwrap(parseTransaction(version.unsignedHex));
    expect(transaction.txid).toBe(version.txid);
    expect(version.outputs.map(({ role, outpoint, valueSats }) => [role, outpoint, valueSats])).toEqual([
      ['payee', `${version.txid}:0`, 20_000n],
      ['change', `${version.txid}:1`, 90_000n - 20_000n - version.feeSats],
    ]);
    expect(settlementOf(world)).toMatchObject({
      status: 'executing',
      payout: {
        txid: version.txid,
        outpoint: `${version.txid}:0`,
        feeSats: version.feeSats,
        heldSats: version.feeSats,
        life: 0,
      },
    });
    expect(world.book.lineageOf(version.txid)).toBe('s-1');
  });

  it('free what the fee doesn’t need of its cap', () => {
    const world = given(...RESERVED).when(assigned).world;
    const { feeSats } = latest(offered(lineageOf(world)));
    expect(balance(world, WALLET_A)).toEqual({ available: 70_000n - feeSats, inFlight: 20_000n + feeSats });
  });

  it('end the time in which it may expire', () => {
    expect(given(...RESERVED).when(assigned).world.book.timers.size).toBe(0);
  });

  it('given again, other ones even, change nothing', () => {
    let plan: LineagePlan | undefined;
    const remember = (world: World): void => void (plan = planOf(lineageOf(world)));
    given(...RESERVED, remember, assigned)
      .when((world) => world.assign(plan!, true))
      .then();
  });
});

describe('a signature', () => {
  const sign = (world: World): void => world.sign(lastOf(world));

  it('is stored', () => {
    const world = given(...RESERVED, assigned)
      .when(sign)
      .then('lineage/s-1 version_signed');
    expect(lineageOf(world)).toMatchObject({ versions: [{ signedHex: 'ab' }] });
  });

  it('given again, changes nothing', () => {
    given(...RESERVED, signed)
      .when(sign)
      .then();
  });
});

describe('a refusal of the signer', () => {
  it('is noted, once for each rule, and nothing is built anew', () => {
    const history = [...RESERVED, assigned];
    const world = given(...history)
      .when(refusedBy('LIMIT'))
      .then('lineage/s-1 signing_refused');
    expect(settlementOf(world).status).toBe('executing');
    given(...history, refusedBy('LIMIT'))
      .when(refusedBy('LIMIT'))
      .then();
    given(...history, refusedBy('LIMIT'))
      .when(refusedBy('FEE'))
      .then('lineage/s-1 signing_refused');
  });

  it('that comes after the signature counts for nothing', () => {
    given(...RESERVED, signed)
      .when(refusedBy('LIMIT'))
      .then();
  });

  it('is forgotten once it has signed', () => {
    const world = given(...RESERVED, assigned, refusedBy('LIMIT')).when((it: World) => it.sign(lastOf(it))).world;
    expect(latest(offered(lineageOf(world)))).not.toHaveProperty('refusedRule');
  });
});
