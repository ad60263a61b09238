import type { ScriptHex } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import type { DestinationRecord } from '../destination.ts';
import {
  approved,
  assigned,
  balance,
  broadcast,
  empty,
  funded,
  given,
  givenUnder,
  lastOf,
  lineageOf,
  mined,
  paying,
  reorged,
  settlementOf,
  WALLET_A,
  WALLET_B,
} from '../spec/given.fixture.ts';
import { PAYING } from '../spec/memory-book.fixture.ts';
import { LISTED_WALLET } from '../spec/parties.fixture.ts';
import { destinationIdOf, type World } from '../spec/world.fixture.ts';

const AMOUNT = 20_000n;
const MONEY = funded('a', 'wallet', 90_000n);

const paid =
  (to = 'b', amountSats = AMOUNT, of = to, feeBearer: 'payer' | 'payee' = 'payer') =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.submit('bilateral', 'a', to, amountSats, { destinationId: destinationIdOf(of), feeBearer });
    return world.told[told]!.refused;
  };

const changed = (over: Partial<DestinationRecord>) => (world: World) =>
  world.tell({ type: 'destination_changed', destination: { ...world.book.destination('d-b')!, ...over } });

const unlisted = (world: World): void => world.refuseDestination(lineageOfLast(world), lastOf(world));
const lineageOfLast = (world: World): string => {
  const settlement = settlementOf(world);
  return settlement.status === 'reserved' ? settlement.lineageId! : 's-1';
};

describe('a submission', () => {
  it.each<[string, Partial<DestinationRecord> | undefined, string]>([
    ['held', { status: 'held' }, 'DESTINATION_HELD'],
    ['pending', { status: 'pending' }, 'DESTINATION_PENDING'],
    ['removed', { status: 'removed' }, 'DESTINATION_REMOVED'],
    ['rejected', { status: 'rejected' }, 'DESTINATION_REMOVED'],
    ['cooling', { usableAt: 1_800_000_000_000 as Instant }, 'DESTINATION_COOLING'],
    ['of another institution', { institutionId: 'c' }, 'DESTINATION_OF_OTHER_INSTITUTION'],
  ])('is refused where its destination is %s', (_what, over, reason) => {
    given(MONEY, changed(over ?? {}))
      .when(paid())
      .refused(reason);
  });

  it('is refused where it names none that is known, or one that its amount is dust for', () => {
    given(MONEY)
      .when(paid('b', AMOUNT, 'x'))
      .refused('UNKNOWN_DESTINATION');
    given(
      MONEY,
      changed({ place: { kind: 'script', script: `76a914${'11'.repeat(20)}88ac` as ScriptHex, address: '1' } }),
    )
      .when(paid('b', 545n))
      .refused('INVALID_ARGUMENT');
  });

  it('keeps the script as it was then, whatever is said of the destination later', () => {
    const { world } = given(MONEY, paid()).when(changed({ status: 'removed' }));
    const { terms } = settlementOf(world);
    expect(terms.payee).toMatchObject({ kind: 'destination', destinationId: 'd-b' });
  });
});

describe('what is paid at a destination', () => {
  it('has left the payer with the fee, and comes to nobody here', () => {
    const { world } = given(MONEY, paid(), ...paying).when(mined(1));
    const confirming = settlementOf(world);
    expect(confirming.status).toBe('confirming');
    const feeSats = 'payout' in confirming ? confirming.payout!.feeSats : 0n;
    mined(2)(world);
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - AMOUNT - feeSats });
    expect(balance(world, WALLET_B)).toEqual({});
  });

  it('is in suspense while a reorg has it undone, and leaves again when it is in a block again', () => {
    const history = [MONEY, paid(), ...paying, mined(3)];
    const { world } = given(...history, reorged(3)).when(empty(1));
    expect(settlementOf(world).status).toBe('reopened');
    const again = given(...history, reorged(3), mined(3)).when(mined(1)).world;
    expect(settlementOf(again)).toMatchObject({ status: 'settled', settledTimes: 2 });
    // Twice over, by then from suspense.
    const twice = given(...history, reorged(3), mined(3), reorged(3), empty(1)).when(mined(3)).world;
    expect(settlementOf(twice)).toMatchObject({ status: 'settled', settledTimes: 3 });
  });

  it('comes in like anybody’s money where it turns out to be an address here', () => {
    const { world } = given(MONEY, paid('c'), ...paying).when(mined(3));
    expect(settlementOf(world).status).toBe('settled');
    const deposits = world.book.deposits.all().filter((deposit) => deposit.status !== 'none');
    expect(
      deposits.map(({ terms, beneficiary }) => [terms.walletId, terms.valueSats, beneficiary.kind]),
    ).toContainEqual(['w-b', AMOUNT, 'suspense']);
  });
});

describe('a payee’s own wallet', () => {
  const WALLET_D2 = { kind: 'wallet', walletId: 'w-d2' } as const;
  const listed = LISTED_WALLET.destinationId;
  const toOwn =
    (to = 'd2', more: { destinationId?: string } = {}) =>
    (world: World): string | undefined => {
      const told = world.told.length;
      world.submit('bilateral', 'a', to, AMOUNT, more);
      return world.told[told]!.refused;
    };
  const relisted = (over: Partial<DestinationRecord>) => (world: World) =>
    world.tell({ type: 'destination_changed', destination: { ...world.book.destination(listed)!, ...over } });

  it.each([{}, { destinationId: listed }])('that is on the list is paid at an address of it: %j', (more) => {
    const { world } = given(MONEY, toOwn('d2', more), ...paying).when(mined(3));
    const settled = settlementOf(world);
    expect(settled).toMatchObject({ status: 'settled', terms: { payee: { ...WALLET_D2, destinationId: listed } } });
    const feeSats = 'payout' in settled ? settled.payout!.feeSats : 0n;
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n - AMOUNT - feeSats });
    expect(balance(world, WALLET_D2)).toEqual({ available: AMOUNT });
    const deposits = world.book.deposits.all().filter((deposit) => deposit.status !== 'none');
    expect(deposits.map(({ terms }) => terms.walletId)).toEqual(['w-a']);
  });

  it.each<[string, (world: World) => unknown, string]>([
    ['isn’t on the list', toOwn('d'), 'PAYEE_NOT_PAYABLE'],
    ['is another institution’s', toOwn('d', { destinationId: listed }), 'DESTINATION_OF_OTHER_INSTITUTION'],
  ])('that %s isn’t paid by the signer', (_what, submitting, reason) => {
    given(MONEY).when(submitting).refused(reason);
  });

  it.each<[Partial<DestinationRecord>, string]>([
    [{ usableAt: 1_800_000_000_000 as Instant }, 'DESTINATION_COOLING'],
    [{ status: 'removed' }, 'PAYEE_NOT_PAYABLE'],
    [{ status: 'pending' }, 'PAYEE_NOT_PAYABLE'],
  ])('whose entry is %j isn’t paid', (over, reason) => {
    given(MONEY, relisted(over)).when(toOwn()).refused(reason);
  });

  it('is paid by whoever signs for himself, on the list or not', () => {
    const { world } = given(funded('d', 'wallet', 50_000n), relisted({ status: 'removed' })).when((each: World) =>
      each.submit('bilateral', 'd', 'd2', AMOUNT),
    );
    expect(settlementOf(world).terms.payee).toEqual(WALLET_D2);
  });

  it('that is removed before anything is offered fails the settlement, and everything is free again', () => {
    const { world } = given(MONEY, toOwn(), approved).when(unlisted);
    expect(settlementOf(world)).toMatchObject({ status: 'failed' });
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
  });
});

describe('a destination that is removed before anything is offered', () => {
  it('fails the settlement, and everything is free again', () => {
    const { world } = given(MONEY, paid(), approved).when(unlisted);
    expect(settlementOf(world)).toMatchObject({ status: 'failed' });
    expect(lineageOf(world).status).toBe('abandoned');
    expect(balance(world, WALLET_A)).toEqual({ available: 90_000n });
    expect(world.book.timers.size).toBe(0);
  });

  it('leaves the others in the transaction to be paid', () => {
    const { world } = givenUnder(PAYING, MONEY, paid('c'), approved, paid('b'), approved).when(unlisted);
    expect(settlementOf(world, 's-1').status).toBe('reserved');
    expect(settlementOf(world, 's-2').status).toBe('failed');
    const lineage = lineageOf(world, 's-1');
    expect(lineage.status === 'planned' && lineage.plan.payouts.map(({ settlementId }) => settlementId)).toEqual([
      's-1',
    ]);
  });

  it('changes nothing once a transaction was offered', () => {
    given(MONEY, paid(), approved, assigned).when(unlisted).then();
    given(MONEY, paid(), ...paying)
      .when(unlisted, broadcast)
      .then();
  });
});
