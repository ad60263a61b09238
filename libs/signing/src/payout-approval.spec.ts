import { type Instant, unwrap } from '@finality/kernel';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type ApprovalRulesState,
  approvalRulesAggregate,
  type ApprovedPayout,
  decideRequireApprovals,
  type DestinationFacts,
  type PayoutAuthorisation,
  requiredAt,
  type RequireApprovals,
  scriptOfAddress,
  type SignatoriesState,
  type SignedStatement,
  type Statement,
  type StatementPurpose,
} from './index.ts';
import {
  type Attempt,
  authorised,
  BANK_A,
  BANK_A_TAPROOT,
  change,
  coin,
  Journal,
  pay,
  sats,
} from './red-team.fixture.ts';
import { TestSignatory } from './signatory.fixture.ts';

const NOW = 1_770_000_000_000 as Instant;
const HOUR_MS = 3_600_000;
const [ann, bob, eve] = [new TestSignatory(1), new TestSignatory(2, 'regtest', 'tr'), new TestSignatory(3)];
const known = (...who: readonly TestSignatory[]): SignatoriesState => ({
  signatories: who.map(({ address }) => ({ address, script: unwrap(scriptOfAddress(address, 'regtest', 'address')) })),
  revoked: [],
});
const two = { aboveSats: sats(50_000n), approvals: 2 };
const REQUIRED: ApprovalRulesState = { current: two };

const PAYOUT: ApprovedPayout = {
  settlementId: 's-1',
  mode: 'blockchain',
  amountSats: sats(60_000n),
  payeeInstitutionId: 'bank-b',
  walletId: 'a-1',
  to: 'wallet b-1',
};

type Of = Partial<ApprovedPayout> &
  Partial<Pick<Statement, 'institutionId' | 'network' | 'domain'>> & { validMs?: number };

function approval(who: TestSignatory, of: Of = {}): SignedStatement {
  const { institutionId = 'bank-a', network = 'regtest', domain = 'finality', validMs = HOUR_MS, ...payout } = of;
  const statement = {
    purpose: 'approve payout',
    domain,
    institutionId,
    network,
    payout: { ...PAYOUT, ...payout },
  } as const;
  return who.sign(statement, (NOW + validMs) as Instant);
}

/** 60,000 sat with these approvals. */
function attempt(approvals: readonly SignedStatement[], more: Partial<Attempt> = {}): Attempt {
  const outputs = more.outputs ?? [pay('s-1', 60_000n), change(39_000n)];
  const mode = 'blockchain';
  const payouts = outputs.flatMap(authorised).map((payout): PayoutAuthorisation => ({
    ...payout,
    approvals,
    request: { mode } as NonNullable<PayoutAuthorisation['request']>,
  }));
  return { inputs: [coin(BANK_A, 100_000n)], outputs, payouts, ...more };
}

describe('a payout above the amount', () => {
  let journal: Journal;
  beforeEach(() => {
    journal = new Journal();
    journal.requires(REQUIRED, known(ann, bob), NOW);
  });

  it('is signed with the approvals of two signatories', () => {
    expect(journal.ask(attempt([approval(ann), approval(bob)]))).toBe('signed');
  });

  it('up to it needs none', () => {
    expect(journal.ask(attempt([], { outputs: [pay('s-1', 50_000n), change(49_000n)] }))).toBe('signed');
    const fresh = new Journal();
    fresh.requires(REQUIRED, known(ann, bob), NOW);
    expect(fresh.ask(attempt([], { outputs: [pay('s-1', 50_001n), change(48_999n)] }))).toBe('APPROVALS_MISSING');
  });

  it.each<[string, readonly SignedStatement[]]>([
    ['none', []],
    ['one', [approval(ann)]],
    ['the same twice', Array.from({ length: 2 }, () => approval(ann))],
    ['one signatory’s two', [approval(ann), approval(ann, { validMs: 2 * HOUR_MS })]],
    ['a stranger’s', [approval(ann), approval(eve)]],
    ['one of another settlement', [approval(ann), approval(bob, { settlementId: 's-2' })]],
    ['one of another amount', [approval(ann), approval(bob, { amountSats: sats(59_999n) })]],
    ['one of another payee', [approval(ann), approval(bob, { payeeInstitutionId: 'bank-c' })]],
    ['one of another payer', [approval(ann), approval(bob, { institutionId: 'bank-b' })]],
    ['one to another wallet', [approval(ann), approval(bob, { to: 'wallet b-2' })]],
    ['one to a destination', [approval(ann), approval(bob, { to: 'destination b-1' })]],
    ['one from another wallet', [approval(ann), approval(bob, { walletId: 'a-2' })]],
    ['one in another mode', [approval(ann), approval(bob, { mode: 'bilateral' })]],
    ['one for another platform', [approval(ann), approval(bob, { domain: 'elsewhere' })]],
    [
      'one of another network',
      [approval(ann), approval(new TestSignatory(2, 'testnet4', 'tr'), { network: 'testnet4' })],
    ],
    ['one meant for another network', [approval(ann), approval(bob, { network: 'testnet4' })]],
    ['one that has expired', [approval(ann), approval(bob, { validMs: 0 })]],
    ['one that is valid for longer than a week', [approval(ann), approval(bob, { validMs: 8 * 24 * HOUR_MS })]],
    ['another’s in one’s own name', [approval(ann), { ...approval(ann), signatory: bob.address }]],
    [
      'one with a later end than signed',
      [approval(ann), { ...approval(bob), validUntil: (NOW + 2 * HOUR_MS) as Instant }],
    ],
  ])('isn’t with %s', (_what, approvals) => {
    expect(journal.ask(attempt(approvals))).toBe('APPROVALS_MISSING');
  });

  it('isn’t with the approval of a signatory who was revoked meanwhile', () => {
    const revoked = { ...known(ann), revoked: [{ address: bob.address, at: NOW }] };
    journal.requires(REQUIRED, revoked, NOW);
    expect(journal.ask(attempt([approval(ann), approval(bob)]))).toBe('APPROVALS_MISSING');
  });

  it('isn’t by approvals that were good for another settlement', () => {
    const approvals = [approval(ann), approval(bob)];
    expect(journal.ask(attempt(approvals))).toBe('signed');
    const again = attempt(approvals, { lineageId: 'l-2', outputs: [pay('s-2', 60_000n), change(39_000n)] });
    expect(journal.ask(again)).toBe('APPROVALS_MISSING');
  });

  it('isn’t from another wallet than they say, though it is the payer’s, too', () => {
    const from = BANK_A_TAPROOT;
    const outputs = [pay('s-1', 60_000n)];
    const inputs = [coin(from, 61_000n)];
    expect(journal.ask(attempt([approval(ann), approval(bob)], { from, inputs, outputs }))).toBe('APPROVALS_MISSING');
  });

  it('beside others needs its own', () => {
    const outputs = [pay('s-1', 60_000n), pay('s-2', 70_000n), change(19_000n)];
    const inputs = [coin(BANK_A, 150_000n)];
    const of = { settlementId: 's-2', amountSats: sats(70_000n) };
    const [first, second] = [
      [approval(ann), approval(bob)],
      [approval(ann, of), approval(bob, of)],
    ];
    const both = attempt([...first, ...second], { outputs, inputs });
    expect(journal.ask(attempt(first, { outputs, inputs }))).toBe('APPROVALS_MISSING');
    expect(journal.ask({ ...both, inputs: [coin(BANK_A, 150_000n)] })).toBe('signed');
  });

  it('is replaced by a dearer transaction when they have expired', () => {
    const inputs = [coin(BANK_A, 100_000n)];
    expect(journal.ask(attempt([approval(ann), approval(bob)], { inputs }))).toBe('signed');
    journal.requires(REQUIRED, known(), (NOW + 2 * HOUR_MS) as Instant);
    const dearer = { inputs, version: 2, outputs: [pay('s-1', 60_000n), change(38_000n)] };
    expect(journal.ask(attempt([], dearer))).toBe('signed');
  });
});

describe('what payouts need', () => {
  const facts = (more: Partial<DestinationFacts> = {}): DestinationFacts => ({
    now: NOW,
    network: 'regtest',
    domain: 'finality',
    isUsed: () => false,
    signatories: known(ann, bob),
    coolingMs: HOUR_MS,
    ...more,
  });
  const said = (who: TestSignatory, purpose: StatementPurpose, required = two, nonce?: string): SignedStatement =>
    who.sign(
      { purpose, domain: 'finality', institutionId: 'bank-a', network: 'regtest', required },
      (NOW + HOUR_MS) as Instant,
      nonce,
    );
  const asked = (more: Partial<RequireApprovals> = {}): RequireApprovals => ({
    institutionId: 'bank-a',
    required: two,
    request: said(ann, 'require approvals'),
    approval: said(bob, 'agree to approvals'),
    ...more,
  });
  const before = approvalRulesAggregate.initialState;
  const outcome = (command: RequireApprovals, state = before, more: Partial<DestinationFacts> = {}): string => {
    const decision = decideRequireApprovals(command, state, facts(more));
    return decision.kind === 'refused' ? decision.refused.reason : decision.events.map(({ type }) => type).join();
  };

  it('changes on the word of two signatories, when it has cooled, to more and to less', () => {
    const decision = decideRequireApprovals(asked(), before, facts());
    if (decision.kind === 'refused') throw new Error(decision.refused.message);
    const after = approvalRulesAggregate.evolve(before, decision.events[0]!);
    expect(requiredAt(after, (NOW + HOUR_MS - 1) as Instant).approvals).toBe(0);
    expect(requiredAt(after, (NOW + HOUR_MS) as Instant)).toEqual(two);
    const none = { aboveSats: sats(0n), approvals: 0 };
    const lifting = asked({
      required: none,
      request: said(ann, 'require approvals', none),
      approval: said(bob, 'agree to approvals', none),
    });
    const later = { now: (NOW + HOUR_MS / 2) as Instant };
    const lifted = decideRequireApprovals(lifting, { current: two }, facts(later));
    if (lifted.kind === 'refused') throw new Error(lifted.refused.message);
    const state = approvalRulesAggregate.evolve({ current: two }, lifted.events[0]!);
    expect(requiredAt(state, (NOW + HOUR_MS) as Instant)).toEqual(two);
    expect(requiredAt(state, (NOW + 2 * HOUR_MS) as Instant)).toEqual(none);
  });

  it('said again changes nothing', () => {
    expect(outcome(asked(), { current: two })).toBe('');
    expect(outcome(asked(), { current: { ...two, approvals: 1 }, next: { required: two, from: NOW } })).toBe('');
  });

  it.each<[string, Partial<RequireApprovals>, string]>([
    ['one signatory', { approval: said(ann, 'agree to approvals') }, 'APPROVED_BY_REQUESTER'],
    ['a stranger', { approval: said(eve, 'agree to approvals') }, 'UNKNOWN_SIGNATORY'],
    [
      'one who has agreed to other terms',
      { approval: said(bob, 'agree to approvals', { ...two, approvals: 1 }) },
      'SIGNATURE_INVALID',
    ],
    ['one who has only asked', { approval: said(bob, 'require approvals') }, 'SIGNATURE_INVALID'],
    [
      'one nonce',
      { request: said(ann, 'require approvals', two, 'n'), approval: said(bob, 'agree to approvals', two, 'n') },
      'SIGNATURE_REPLAYED',
    ],
    ['fewer signatories than it needs', { required: { ...two, approvals: 3 } }, 'TOO_FEW_SIGNATORIES'],
  ])('doesn’t on the word of %s', (_who, more, reason) => {
    expect(outcome(asked(more))).toBe(reason);
  });

  it('doesn’t by what was used before', () => {
    expect(outcome(asked(), before, { isUsed: () => true })).toBe('SIGNATURE_REPLAYED');
  });
});
