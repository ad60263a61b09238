import { deriveScript, MasterKey } from '@finality/bitcoin';
import type { Instant, Refusal } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  decideRegisterDestination,
  decideRegisterSignatory,
  decideRemoveDestination,
  decideRevokeSignatory,
  destinationAggregate,
  type DestinationFacts,
  type DestinationState,
  requestRefusal,
  SIGNATORIES_MAX,
  type SignatoriesState,
  signatoriesAggregate,
  type SignedStatement,
  type Statement,
  STATEMENT_VALID_MAX_MS,
  statementText,
  type StatementPurpose,
  usableRefusal,
} from './index.ts';
import { TestSignatory } from './signatory.fixture.ts';

const NOW = 1_800_000_000_000 as Instant;
const SOON = (NOW + 3_600_000) as Instant;
const COOLING_MS = 86_400_000;
const INSTITUTION = 'bank-b';
const [ann, bob, eve, mallory] = [1, 2, 3, 4].map(
  (index) => new TestSignatory(index, 'regtest', index % 2 ? 'tr' : 'wpkh'),
) as [TestSignatory, TestSignatory, TestSignatory, TestSignatory];
const addressAt = (index: number, network: 'regtest' | 'mainnet' = 'regtest'): string =>
  deriveScript(new MasterKey(new Uint8Array(32).fill(5), network).account('wpkh', 0).descriptor, 0, index).address;
const ADDRESS = addressAt(0);

const about = (purpose: StatementPurpose, over: Partial<Statement> = {}): Statement => ({
  purpose,
  domain: 'finality',
  institutionId: INSTITUTION,
  network: 'regtest',
  address: ADDRESS,
  ...over,
});

const used = new Set<string>();
const facts = (over: Partial<DestinationFacts> = {}): DestinationFacts => ({
  now: NOW,
  network: 'regtest',
  domain: 'finality',
  signatories: signatoriesAggregate.initialState,
  coolingMs: COOLING_MS,
  isUsed: (nonce) => used.has(nonce),
  ...over,
});

const proofOf = (who: TestSignatory): SignedStatement =>
  who.sign(about('register signatory', { address: who.address }), SOON);

interface Joining {
  readonly who?: TestSignatory;
  readonly proof?: SignedStatement;
  readonly endorsement?: SignedStatement;
}

const outcome = (decision: { readonly kind: string; readonly refused?: Refusal }): string =>
  decision.kind === 'refused' ? decision.refused!.reason : 'taken';

const joining = (state: SignatoriesState, { who = eve, proof = proofOf(who), endorsement }: Joining = {}) =>
  decideRegisterSignatory(
    { institutionId: INSTITUTION, address: who.address, proof, ...(endorsement && { endorsement }) },
    state,
    facts(),
  );

function joined(state: SignatoriesState, more: Joining): SignatoriesState {
  const decision = joining(state, more);
  if (decision.kind === 'refused') throw new Error(decision.refused.message);
  return decision.events.reduce((before, event) => signatoriesAggregate.evolve(before, event), state);
}

const both = joined(joined(signatoriesAggregate.initialState, { who: ann }), { who: bob });
const known = facts({ signatories: both });

describe('signatories', () => {
  const endorsed = (by: TestSignatory, over: Partial<Statement> = {}): SignedStatement =>
    by.sign(about('endorse signatory', { address: eve.address, ...over }), SOON);

  it('the first two are taken as told, if their keys are there; the same again is no other', () => {
    expect(both.signatories.map(({ address }) => address)).toEqual([ann.address, bob.address]);
    expect(joining(both, { who: ann })).toEqual({ kind: 'accepted', events: [] });
  });

  it.each<[string, () => Joining, string]>([
    ['without an endorsement', () => ({}), 'ENDORSEMENT_REQUIRED'],
    ['endorsed by somebody else', () => ({ endorsement: endorsed(mallory) }), 'UNKNOWN_SIGNATORY'],
    ['endorsed by itself', () => ({ endorsement: endorsed(eve) }), 'UNKNOWN_SIGNATORY'],
    ['endorsed for another', () => ({ endorsement: endorsed(ann, { address: mallory.address }) }), 'SIGNATURE_INVALID'],
    ['with another’s proof', () => ({ proof: proofOf(mallory), endorsement: endorsed(ann) }), 'SIGNATURE_INVALID'],
    [
      'without its keys',
      () => ({ proof: { ...proofOf(mallory), signatory: eve.address }, endorsement: endorsed(ann) }),
      'SIGNATURE_INVALID',
    ],
    ['endorsed by one of them', () => ({ endorsement: endorsed(ann) }), 'taken'],
  ])('a third %s', (_what, more, expected) => {
    expect(outcome(joining(both, more()))).toBe(expected);
  });

  it('are a bounded number', () => {
    const full = { revoked: [], signatories: Array.from({ length: SIGNATORIES_MAX }, () => both.signatories[0]!) };
    expect(outcome(joining(full, { endorsement: endorsed(ann) }))).toBe('TOO_MANY_SIGNATORIES');
  });
});

describe('a signatory that is revoked', () => {
  const three = joined(both, {
    who: eve,
    endorsement: ann.sign(about('endorse signatory', { address: eve.address }), SOON),
  });
  const revoking = (state: SignatoriesState, who = eve, by = ann, over: Partial<Statement> = {}) => {
    const revocation = by.sign(about('revoke signatory', { address: who.address, ...over }), SOON);
    return decideRevokeSignatory({ institutionId: INSTITUTION, address: who.address, revocation }, state, facts());
  };
  function revoked(state: SignatoriesState, who = eve, by = ann): SignatoriesState {
    const decision = revoking(state, who, by);
    if (decision.kind === 'refused') throw new Error(decision.refused.message);
    return decision.events.reduce((before, event) => signatoriesAggregate.evolve(before, event), state);
  }

  it('is none from then on, and can’t come back', () => {
    const state = revoked(three);
    expect(state.signatories.map(({ address }) => address)).toEqual([ann.address, bob.address]);
    expect(revoking(state)).toEqual({ kind: 'accepted', events: [] });
    const endorsement = ann.sign(about('endorse signatory', { address: eve.address }), SOON);
    expect(outcome(joining(state, { endorsement }))).toBe('SIGNATORY_REVOKED');
  });

  it('leaves no room for one that nobody endorses', () => {
    const one = revoked(both, bob);
    expect(outcome(joining(one))).toBe('ENDORSEMENT_REQUIRED');
    const endorsement = ann.sign(about('endorse signatory', { address: eve.address }), SOON);
    expect(outcome(joining(one, { endorsement }))).toBe('taken');
  });

  it.each([
    ['by itself', () => revoking(three, eve, eve), 'REVOKED_BY_ITSELF'],
    ['by nobody of theirs', () => revoking(three, eve, mallory), 'UNKNOWN_SIGNATORY'],
    ['by one that is revoked', () => revoking(revoked(three, bob), eve, bob), 'SIGNATORY_REVOKED'],
    ['that never was one', () => revoking(both, mallory), 'UNKNOWN_SIGNATORY'],
    ['by a statement about another', () => revoking(three, eve, ann, { address: bob.address }), 'SIGNATURE_INVALID'],
    ['by an endorsement', () => revoking(three, eve, ann, { purpose: 'endorse signatory' }), 'SIGNATURE_INVALID'],
  ])('isn’t, %s', (_what, decide, reason) => {
    expect(outcome(decide())).toBe(reason);
  });

  it('has asked for and approved nothing that isn’t usable by then', () => {
    const state = revoked(both, bob);
    expect(outcome(registering({}, destinationAggregate.initialState, facts({ signatories: state })))).toBe(
      'SIGNATORY_REVOKED',
    );
    const ref = { institutionId: INSTITUTION, destinationId: 'd-1' };
    const cooled = (NOW + COOLING_MS) as Instant;
    expect(usableRefusal(registered(), ref, cooled, state)?.rule).toBe('DESTINATION_SIGNATORY_REVOKED');
    const later = { ...state, revoked: [{ address: bob.address, at: cooled }] };
    expect(usableRefusal(registered(), ref, cooled, later)).toBeUndefined();
  });
});

const asked = (over: Partial<Statement> = {}, until = SOON): SignedStatement =>
  ann.sign(about('register destination', over), until);
const approved = (over: Partial<Statement> = {}, by = bob): SignedStatement =>
  by.sign(about('approve destination', over), SOON);

const command = () => ({
  destinationId: 'd-1',
  institutionId: INSTITUTION,
  wanted: { address: ADDRESS },
  request: asked(),
  approval: approved(),
  requestedBy: 'key-1',
  approvedBy: 'key-2',
});

const registering = (
  over: Partial<ReturnType<typeof command>> = {},
  state: DestinationState = destinationAggregate.initialState,
  at = known,
) => decideRegisterDestination({ ...command(), ...over }, state, at);

function registered(): DestinationState & { readonly status: 'registered' } {
  const decision = registering();
  if (decision.kind === 'refused') throw new Error(decision.refused.message);
  const state = decision.events.reduce(destinationAggregate.evolve, destinationAggregate.initialState);
  if (state.status !== 'registered') throw new Error(state.status);
  return state;
}

describe('a destination', () => {
  it('is registered by two signatories, and usable when it has cooled', () => {
    const state = registered();
    expect(state.destination).toMatchObject({
      place: { kind: 'script', address: ADDRESS },
      institutionId: INSTITUTION,
      usableAt: NOW + COOLING_MS,
    });
    const ref = { institutionId: INSTITUTION, destinationId: 'd-1' };
    expect(usableRefusal(state, ref, (NOW + COOLING_MS - 1) as Instant, both)?.rule).toBe('DESTINATION_COOLING');
    expect(usableRefusal(state, ref, (NOW + COOLING_MS) as Instant, both)).toBeUndefined();
    const other = { ...ref, institutionId: 'bank-c' };
    expect(usableRefusal(state, other, (NOW + COOLING_MS) as Instant, both)?.rule).toBe('UNKNOWN_DESTINATION');
    expect(usableRefusal(destinationAggregate.initialState, ref, NOW, both)?.rule).toBe('UNKNOWN_DESTINATION');
  });

  it('that is there changes nothing, whatever the clock says by now; another under its name is refused', () => {
    const later = { ...known, now: (SOON + 1) as Instant, isUsed: () => true };
    expect(registering({}, registered(), later)).toEqual({ kind: 'accepted', events: [] });
    expect(outcome(registering({ wanted: { address: addressAt(1) } }, registered()))).toBe('DESTINATION_DIFFERS');
    expect(outcome(registering({ institutionId: 'bank-c' }, registered()))).toBe('DESTINATION_DIFFERS');
  });

  it('is removed at once and for good, even before it came', () => {
    const ref = { institutionId: INSTITUTION, destinationId: 'd-1' };
    for (const state of [registered(), destinationAggregate.initialState]) {
      const removing = decideRemoveDestination(ref, state, NOW);
      const after = removing.kind === 'accepted' ? removing.events.reduce(destinationAggregate.evolve, state) : state;
      expect(usableRefusal(after, ref, (NOW + COOLING_MS) as Instant, both)?.rule).toBe('DESTINATION_REMOVED');
      expect(outcome(registering({}, after))).toBe('DESTINATION_REMOVED');
      expect(decideRemoveDestination(ref, after, NOW)).toEqual({ kind: 'accepted', events: [] });
    }
    expect(outcome(decideRemoveDestination({ ...ref, institutionId: 'bank-c' }, registered(), NOW))).toBe(
      'UNKNOWN_DESTINATION',
    );
  });

  it.each<[string, () => Partial<ReturnType<typeof command>>, string]>([
    ['of another network', () => ({ wanted: { address: addressAt(0, 'mainnet') } }), 'WRONG_NETWORK'],
    ['that is no address', () => ({ wanted: { address: 'bcrt1qqqq' } }), 'INVALID_ADDRESS'],
    [
      'in another spelling than the signed one',
      () => ({ wanted: { address: ADDRESS.toUpperCase() } }),
      'INVALID_ADDRESS',
    ],
    ['that anybody can spend', () => ({ wanted: { address: 'bcrt1pfeesnyr2tx' } }), 'UNSUPPORTED_SCRIPT'],
    ['approved by the API key that asked', () => ({ approvedBy: 'key-1' }), 'APPROVED_BY_REQUESTER'],
    ['approved by the signatory who asked', () => ({ approval: approved({}, ann) }), 'APPROVED_BY_REQUESTER'],
    ['approved by nobody of theirs', () => ({ approval: approved({}, mallory) }), 'UNKNOWN_SIGNATORY'],
    ['asked for by nobody of theirs', () => ({ request: { ...asked(), signatory: eve.address } }), 'UNKNOWN_SIGNATORY'],
    [
      'with the request’s signature as approval',
      () => ({ approval: { ...approved(), signature: asked().signature } }),
      'SIGNATURE_INVALID',
    ],
    ['approved at another address', () => ({ approval: approved({ address: addressAt(1) }) }), 'SIGNATURE_INVALID'],
    ['asked for at another address', () => ({ request: asked({ address: addressAt(1) }) }), 'SIGNATURE_INVALID'],
    ['asked for on another network', () => ({ request: asked({ network: 'signet' }) }), 'SIGNATURE_INVALID'],
    ['asked for on another platform', () => ({ request: asked({ domain: 'elsewhere' }) }), 'SIGNATURE_INVALID'],
    ['asked for by another institution', () => ({ request: asked({ institutionId: 'bank-c' }) }), 'SIGNATURE_INVALID'],
    [
      'of which the approval is a request',
      () => ({ approval: bob.sign(about('register destination'), SOON) }),
      'SIGNATURE_INVALID',
    ],
    ['asked for in vain until now', () => ({ request: asked({}, NOW) }), 'REQUEST_EXPIRED'],
    [
      'with a time put off',
      () => ({ request: { ...asked(), validUntil: (SOON + 1_000) as Instant } }),
      'SIGNATURE_INVALID',
    ],
    [
      'asked for too far ahead',
      () => ({ request: asked({}, (NOW + STATEMENT_VALID_MAX_MS + 1_000) as Instant) }),
      'VALID_FOR_TOO_LONG',
    ],
  ])('%s is refused', (_what, over, reason) => {
    expect(outcome(registering(over()))).toBe(reason);
  });

  it('of a signature that was used before is refused, and of one nonce for both', () => {
    const { request, approval } = command();
    for (const nonce of [request.nonce, approval.nonce]) {
      used.add(nonce);
      expect(outcome(registering({ request, approval }))).toBe('SIGNATURE_REPLAYED');
      used.delete(nonce);
    }
    const same = bob.sign(about('approve destination'), SOON, request.nonce);
    expect(outcome(registering({ request, approval: same }))).toBe('SIGNATURE_REPLAYED');
  });

  it('can be asked for as long as somebody could approve it', () => {
    const it = { institutionId: INSTITUTION, wanted: { address: ADDRESS }, request: asked() };
    expect(requestRefusal(it, known)).toBeUndefined();
    expect(requestRefusal(it, { ...known, now: SOON })?.reason).toBe('REQUEST_EXPIRED');
    expect(requestRefusal({ ...it, institutionId: 'bank-c' }, facts())?.reason).toBe('UNKNOWN_SIGNATORY');
  });
});

it('a statement is one line that says all of it', () => {
  expect(statementText(about('register destination'), { nonce: 'n-1', validUntil: NOW })).toBe(
    `finality is told by an institution's signatory; purpose: register destination; institution: bank-b; network: regtest; address: ${ADDRESS}; nonce: n-1; valid until: 1800000000 (Unix time)`,
  );
});
