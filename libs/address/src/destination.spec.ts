import type { ScriptHex } from '@finality/bitcoin';
import type { Decision, Instant, Refusal } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  approvalRefusal,
  decideApproveDestination,
  decideRemoveDestination,
  decideRequestDestination,
  decideReviewDestination,
  type Destination,
  destinationAggregate,
  type DestinationEvent,
  type DestinationFacts,
  DESTINATIONS_MAX,
  type DestinationState,
  fingerprintOf,
  looksLike,
  type Wallet,
  walletAggregate,
  walletPlaceRefusal,
} from './index.ts';

const NOW = 1_000 as Instant;
const statement = { signatory: 'bcrt1qann', nonce: 'n-1', validUntil: 2_000 as Instant, signature: 'smp' };
const destination: Destination = {
  destinationId: 'd-1',
  institutionId: 'bank-b',
  place: { kind: 'script', address: 'bcrt1qexample', script: `0014${'11'.repeat(20)}` as ScriptHex },
  label: 'treasury',
  request: statement,
  requestedBy: 'key-1',
  requestedAt: NOW,
};
const wallet: Wallet = {
  walletId: 'w-1',
  institutionId: 'bank-b',
  kind: 'non_custodial',
  scriptType: 'wpkh',
  birthdayHeight: 0,
  external: 'wpkh(…)',
  internal: 'wpkh(…)',
  createdAt: NOW,
};
const nothing: DestinationFacts = { isReplayed: false, count: 0 };
const approval = { institutionId: 'bank-b', by: 'key-2', approval: statement, usableAt: 5_000 as Instant };

const after = (...events: readonly DestinationEvent[]): DestinationState =>
  events.reduce(destinationAggregate.evolve, destinationAggregate.initialState);
const requested: DestinationEvent = { type: 'destination_requested', at: NOW, destination };
const held: DestinationEvent = { ...requested, heldFor: 'begins and ends like another' };
const approved: DestinationEvent = {
  type: 'destination_approved',
  at: NOW,
  approval: statement,
  by: 'key-2',
  usableAt: approval.usableAt,
};
const removed: DestinationEvent = { type: 'destination_removed', at: NOW, by: 'key-1' };

/** The type of the event, or the reason of the refusal. */
const outcome = (decision: Decision<DestinationEvent, Refusal>): string =>
  decision.kind === 'refused' ? decision.refused.reason : decision.events.map(({ type }) => type).join();

describe('a request', () => {
  it.each<[Partial<DestinationFacts>, string]>([
    [{}, 'destination_requested'],
    [{ issuedTo: 'bank-c' }, 'SCRIPT_OF_OTHER_INSTITUTION'],
    [{ listedBy: 'bank-c' }, 'SCRIPT_OF_OTHER_INSTITUTION'],
    [{ issuedTo: 'bank-b' }, 'SCRIPT_OF_WALLET'],
    [{ listedBy: 'bank-b' }, 'DESTINATION_EXISTS'],
    [{ isReplayed: true }, 'SIGNATURE_REPLAYED'],
    [{ count: DESTINATIONS_MAX }, 'TOO_MANY_DESTINATIONS'],
    [{ count: DESTINATIONS_MAX - 1 }, 'destination_requested'],
  ])('where %j holds leads to %s', (facts, expected) => {
    expect(outcome(decideRequestDestination(destination, { ...nothing, ...facts }))).toBe(expected);
  });

  it('for what looks like another address is held, and says like which', () => {
    const decision = decideRequestDestination(destination, { ...nothing, looksLike: 'bcrt1qexamole' });
    const state = decision.kind === 'accepted' ? after(...decision.events) : undefined;
    expect(state).toMatchObject({ status: 'held', reason: 'begins and ends like bcrt1qexamole, and is another' });
  });
});

describe('a wallet', () => {
  const place = { kind: 'wallet', walletId: 'w-1', descriptor: 'wpkh(…)', external: 'wpkh(…)' } as const;

  it.each<[Partial<DestinationFacts>, string]>([
    [{}, 'destination_requested'],
    [{ listedBy: 'bank-b' }, 'DESTINATION_EXISTS'],
  ])('where %j holds leads to %s', (facts, expected) => {
    expect(outcome(decideRequestDestination({ ...destination, place }, { ...nothing, ...facts }))).toBe(expected);
  });

  it.each<[string, Partial<Wallet>, string | null, string | undefined]>([
    ['whose keys are its own', {}, null, undefined],
    ['of another institution', { institutionId: 'bank-c' }, null, 'UNKNOWN_WALLET'],
    ['whose keys the signer has', { kind: 'custodial' }, null, 'WALLET_IS_CUSTODIAL'],
    ['that two derivations differ on', {}, 'the second derivation has another script', 'WALLET_BLOCKED'],
  ])('%s', (_what, over, blocked, expected) => {
    const registered = walletAggregate.evolve(walletAggregate.initialState, {
      type: 'wallet_registered',
      wallet: { ...wallet, ...over },
    });
    const state =
      blocked === null ? registered : walletAggregate.evolve(registered, { type: 'wallet_blocked', reason: blocked });
    expect(walletPlaceRefusal('w-1', 'bank-b', state)?.reason).toBe(expected);
    expect(walletPlaceRefusal('w-1', 'bank-b', walletAggregate.initialState)?.reason).toBe('UNKNOWN_WALLET');
  });
});

describe('an approval', () => {
  it.each<[string, readonly DestinationEvent[], Partial<typeof approval>, string]>([
    ['by another key', [requested], {}, 'destination_approved'],
    ['by the key that asked', [requested], { by: 'key-1' }, 'APPROVED_BY_REQUESTER'],
    ['by another institution', [requested], { institutionId: 'bank-c' }, 'UNKNOWN_DESTINATION'],
    ['of nothing', [], {}, 'UNKNOWN_DESTINATION'],
    ['of what is held', [held], {}, 'DESTINATION_HELD'],
    ['of what is approved', [requested, approved], {}, 'DESTINATION_STATUS'],
    ['of what is removed', [requested, removed], {}, 'DESTINATION_STATUS'],
  ])('%s', (_what, events, over, expected) => {
    const state = after(...events);
    expect(outcome(decideApproveDestination('d-1', { ...approval, ...over }, state, NOW))).toBe(expected);
    expect(approvalRefusal('d-1', { ...approval, ...over }, state)?.reason ?? 'destination_approved').toBe(expected);
  });

  it('of what was held and looked at says from when on it is usable', () => {
    const review = { decision: 'approve', reason: 'compared', by: 'officer' } as const;
    const reviewed: DestinationEvent = { type: 'destination_reviewed', at: NOW, ...review };
    expect(outcome(decideReviewDestination('d-1', review, after(held), NOW))).toBe('destination_reviewed');
    expect(after(held, reviewed, approved)).toMatchObject({ status: 'listed', approvedBy: 'key-2', usableAt: 5_000 });
    expect(after(held, { ...reviewed, decision: 'reject' })).toMatchObject({ status: 'rejected', reason: 'compared' });
  });

  it.each<[readonly DestinationEvent[], string]>([
    [[], 'UNKNOWN_DESTINATION'],
    [[requested], 'DESTINATION_STATUS'],
    [[requested, approved], 'DESTINATION_STATUS'],
  ])('isn’t a review: of %j', (events, expected) => {
    const review = { decision: 'reject', reason: 'no', by: 'officer' } as const;
    expect(outcome(decideReviewDestination('d-1', review, after(...events), NOW))).toBe(expected);
  });
});

it.each<[readonly DestinationEvent[], string]>([
  [[], 'UNKNOWN_DESTINATION'],
  [[requested], 'destination_removed'],
  [[held], 'destination_removed'],
  [[requested, approved], 'destination_removed'],
  [[requested, removed], ''],
])('removing after %j', (events, expected) => {
  expect(outcome(decideRemoveDestination('d-1', 'key-1', after(...events), NOW))).toBe(expected);
});

describe('look-alikes', () => {
  it.each([
    ['bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq', 'mainnet', 'ar0s…5mdq'],
    ['BC1QAR0SRRR7XFKVY5L643LYDNW9RE59GTZZWF5MDQ', 'mainnet', 'ar0s…5mdq'],
    ['bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr', 'mainnet', '5cyx…drcr'],
    ['tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 'signet', 'w508…jzsx'],
    ['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 'regtest', 'w508…t080'],
    ['1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'mainnet', 'A1zP…vfNa'],
  ] as const)('%s is compared as its 4 + 4 characters', (address, network, expected) => {
    expect(fingerprintOf(address, network)).toBe(expected);
  });

  it('are alike at both ends and not the same', () => {
    const one = 'bcrt1qw508aaaaaaaaaaaaaaaaaaaaaaaaaaaaaat080';
    expect(looksLike(one, 'bcrt1qw508bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbt080', 'regtest')).toBe(true);
    expect(looksLike(one, 'bcrt1pw508bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbt080', 'regtest')).toBe(true);
    expect(looksLike(one, one, 'regtest')).toBe(false);
    expect(looksLike(one, 'bcrt1qw508bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbt081', 'regtest')).toBe(false);
    expect(looksLike(one, 'bcrt1qw509bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbt080', 'regtest')).toBe(false);
  });
});
