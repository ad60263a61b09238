import { deriveScript, type DerivedScript, MasterKey, parseDescriptor } from '@finality/bitcoin';
import { type Decision, type Instant, type Refusal, unwrap } from '@finality/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  branchOf,
  decideBlock,
  decideIssue,
  decideIssuedBefore,
  decideKeys,
  decideRegister,
  decideRequest,
  decideSkip,
  decideVerified,
  decideWatch,
  institutionAggregate,
  institutionRefusal,
  type IssueCommand,
  type PerBranch,
  type Wallet,
  walletAggregate,
  type WalletEvent,
  type WalletRequest,
  type WalletState,
} from './index.ts';

const NOW = 1_770_000_000_000 as Instant;
const { external, internal, scriptType } = new MasterKey(new Uint8Array(32).fill(3), 'regtest').account(
  'wpkh',
  0,
).descriptor;
const request: WalletRequest = {
  walletId: 'w-1',
  institutionId: 'bank-a',
  kind: 'custodial',
  scriptType,
  birthdayHeight: 0,
};
const wallet: Wallet = { ...request, external, internal, createdAt: NOW };
const descriptor = unwrap(parseDescriptor([external, internal], 'regtest'));
const derive = (_wallet: Wallet, branch: 0 | 1, index: number): DerivedScript =>
  deriveScript(descriptor, branch, index);

const given = (...events: readonly WalletEvent[]): WalletState =>
  events.reduce((state, event) => walletAggregate.evolve(state, event), walletAggregate.initialState);

const requested: WalletEvent = { type: 'wallet_requested', request };
const registered: WalletEvent = { type: 'wallet_registered', wallet };
const watched = (below: PerBranch, scanning = false, wasScanning = true): WalletEvent => ({
  type: 'watch_extended',
  below,
  scanning,
  wasScanning,
});
const verified = (below: PerBranch): WalletEvent => ({ type: 'derivation_verified', below });

const wanted: IssueCommand = { addressId: 'a-1', walletId: 'w-1', purpose: 'wallet', label: '', externalId: '' };
const issue = (state: WalletState, command: Partial<IssueCommand> = {}): Decision<WalletEvent, Refusal> =>
  decideIssue({ ...wanted, ...command }, state, NOW, derive);

function outcome(decision: Decision<WalletEvent, Refusal>): string | readonly WalletEvent[] {
  return decision.kind === 'refused' ? decision.refused.reason : decision.events;
}

describe('a wallet that nobody asked for', () => {
  it('can be requested', () => expect(outcome(decideRequest(request, given()))).toEqual([requested]));
  it('has no keys to be given', () =>
    expect(outcome(decideKeys('w-1', wallet, given(), NOW, false))).toBe('UNKNOWN_WALLET'));
  it('issues nothing', () => expect(outcome(issue(given()))).toBe('UNKNOWN_WALLET'));
  it('may be watched for all we know', () =>
    expect(outcome(decideWatch({ external: 5, internal: 5 }, false, given()))).toEqual([]));
  it('can be registered with keys of the institution’s own', () => {
    const own = { ...request, kind: 'non_custodial' } as const;
    expect(outcome(decideRegister(own, descriptor, given(), NOW, false))).toEqual([
      { type: 'wallet_registered', wallet: { ...wallet, kind: 'non_custodial' } },
    ]);
    expect(outcome(decideRegister(own, descriptor, given(), NOW, true))).toBe('KEYS_ALREADY_REGISTERED');
  });
});

describe('a requested wallet', () => {
  const state = given(requested);
  it('can be requested again, but not as another', () => {
    expect(outcome(decideRequest(request, state))).toEqual([]);
    expect(outcome(decideRequest({ ...request, institutionId: 'bank-b' }, state))).toBe('WALLET_EXISTS');
  });
  it('takes keys of its script type that no other wallet has', () => {
    expect(outcome(decideKeys('w-1', { scriptType, external, internal }, state, NOW, false))).toEqual([registered]);
    expect(outcome(decideKeys('w-1', { scriptType: 'tr', external, internal }, state, NOW, false))).toBe(
      'WALLET_EXISTS',
    );
    expect(outcome(decideKeys('w-1', { scriptType, external, internal }, state, NOW, true))).toBe(
      'KEYS_ALREADY_REGISTERED',
    );
  });
  it('issues nothing yet', () => expect(outcome(issue(state))).toBe('WALLET_NOT_READY'));
});

describe('a registered wallet', () => {
  const five = { external: 5, internal: 5 };
  const ready = given(registered, watched(five), verified(five));

  it('takes the same keys again, and no others', () => {
    expect(outcome(decideKeys('w-1', wallet, ready, NOW, true))).toEqual([]);
    expect(outcome(decideKeys('w-1', { ...wallet, external: 'x' }, ready, NOW, false))).toBe('WALLET_EXISTS');
  });

  it.each([
    ['not watched', given(registered, verified(five))],
    ['not derived by the signer', given(registered, watched(five))],
    ['watched on the other branch only', given(registered, watched({ external: 0, internal: 5 }), verified(five))],
  ])('issues nothing that is %s', (_what, state) => expect(outcome(issue(state))).toBe('ADDRESS_NOT_WATCHED'));

  it('needs a second derivation as well where the keys are the institution’s', () => {
    const own: WalletEvent = { type: 'wallet_registered', wallet: { ...wallet, kind: 'non_custodial' } };
    expect(outcome(issue(given(own, watched(five))))).toBe('ADDRESS_NOT_WATCHED');
    expect(issue(given(own, watched(five), verified(five))).kind).toBe('accepted');
  });

  it('issues nothing while the blocks since its birthday are being read', () => {
    const old: WalletEvent = { type: 'wallet_registered', wallet: { ...wallet, birthdayHeight: 5 } };
    expect(outcome(issue(given(old)))).toBe('WALLET_SCANNING');
    const scanning = given(old, watched(five, true), verified(five));
    expect(outcome(issue(scanning))).toBe('WALLET_SCANNING');
    expect(outcome(decideWatch(five, true, scanning))).toEqual([]);
    expect(outcome(decideWatch({ external: 0, internal: 0 }, false, scanning))).toEqual([watched(five)]);
    expect(issue(given(old, watched(five, true), watched(five), verified(five))).kind).toBe('accepted');
  });

  it('gives what has an external id again, as it was', () => {
    const command = { ...wanted, institutionId: 'bank-a', externalId: 'customer-7' };
    const [event] = outcome(issue(ready, command)) as readonly [Extract<WalletEvent, { type: 'address_issued' }>];
    expect(event.address.externalId).toBe('customer-7');
    const again = (over: Partial<IssueCommand>): unknown => decideIssuedBefore({ ...command, ...over }, event.address);
    expect(again({ addressId: 'a-2' })).toMatchObject({ kind: 'accepted' });
    for (const over of [{ label: 'x' }, { walletId: 'w-2' }, { purpose: 'clearing' as const }])
      expect(again(over)).toMatchObject({ refused: { reason: 'EXTERNAL_ID_TAKEN' } });
  });

  it('issues the next address of its branch, for whom it is said, else for its owner', () => {
    const { script, address } = derive(wallet, 0, 0);
    const first = {
      ...wanted,
      institutionId: 'bank-a',
      externalId: '',
      branch: 0,
      index: 0,
      script,
      address,
      issuedAt: NOW,
    };
    expect(outcome(issue(ready))).toEqual([{ type: 'address_issued', address: first }]);
    expect(outcome(issue(ready, { institutionId: 'bank-c' }))).toMatchObject([
      { address: { institutionId: 'bank-c' } },
    ]);
    expect(outcome(issue(ready, { purpose: 'change' }))).toMatchObject([{ address: { branch: 1, index: 0 } }]);
  });

  it('issues nothing once it is blocked', () => {
    const blocked = given(registered, watched(five), verified(five), { type: 'wallet_blocked', reason: 'differs' });
    expect(outcome(issue(blocked))).toBe('WALLET_BLOCKED');
    expect(outcome(decideBlock('again', blocked))).toEqual([]);
  });

  it('is never watched or verified less than before', () => {
    expect(outcome(decideWatch({ external: 3, internal: 9 }, false, ready))).toEqual([
      watched({ external: 5, internal: 9 }, false, false),
    ]);
    expect(outcome(decideWatch({ external: 3, internal: 4 }, false, ready))).toEqual([]);
    expect(outcome(decideVerified({ external: 6, internal: 0 }, ready))).toEqual([
      verified({ external: 6, internal: 5 }),
    ]);
  });
});

describe('indices', () => {
  it('that a restored store may have issued are skipped on both branches, once per epoch', () => {
    const below = { external: 500, internal: 500 };
    const state = given(registered, watched(below), verified(below));
    const [skipped] = outcome(decideSkip(2, 100, state)) as readonly WalletEvent[];
    expect(skipped).toEqual({ type: 'indices_skipped', epoch: 2, next: { external: 100, internal: 100 } });
    const after = walletAggregate.evolve(state, skipped!);
    expect(outcome(decideSkip(2, 100, after))).toEqual([]);
    expect(outcome(issue(after))).toMatchObject([{ address: { index: 100, branch: 0 } }]);
    expect(outcome(issue(after, { purpose: 'change' }))).toMatchObject([{ address: { index: 100, branch: 1 } }]);
    expect(outcome(decideSkip(3, 100, after))).toMatchObject([{ next: { external: 200, internal: 200 } }]);
    expect(outcome(decideSkip(2, 100, given(requested)))).toEqual([]);
  });

  const below = fc.record({ external: fc.nat(6), internal: fc.nat(6) });
  const step = fc.oneof(
    fc.record({ kind: fc.constant('watch' as const), below }),
    fc.record({ kind: fc.constant('verify' as const), below }),
    fc.record({ kind: fc.constant('issue' as const), purpose: fc.constantFrom('wallet' as const, 'change' as const) }),
  );

  it('are given out once, one after the other, and only below what is watched and verified', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = given(registered);
        const issued: Record<0 | 1, number[]> = { 0: [], 1: [] };
        const limits = { watched: { external: 0, internal: 0 }, verified: { external: 0, internal: 0 } };
        for (const each of steps) {
          const decision =
            each.kind === 'watch'
              ? decideWatch(each.below, false, state)
              : each.kind === 'verify'
                ? decideVerified(each.below, state)
                : issue(state, { purpose: each.purpose });
          if (each.kind === 'watch') limits.watched = maxOf(limits.watched, each.below);
          if (each.kind === 'verify') limits.verified = maxOf(limits.verified, each.below);
          if (each.kind === 'issue') {
            const branch = branchOf(each.purpose);
            const side = branch === 0 ? 'external' : 'internal';
            const limit = Math.min(limits.watched[side], limits.verified[side]);
            expect(decision.kind).toBe(issued[branch].length < limit ? 'accepted' : 'refused');
            if (decision.kind === 'accepted') issued[branch].push(indexOf(decision.events));
          }
          if (decision.kind === 'accepted') state = decision.events.reduce(walletAggregate.evolve, state);
        }
        for (const branch of [0, 1] as const) expect(issued[branch]).toEqual(issued[branch].map((_, i) => i));
      }),
    );
  });
});

const maxOf = (a: PerBranch, b: PerBranch): PerBranch => ({
  external: Math.max(a.external, b.external),
  internal: Math.max(a.internal, b.internal),
});

function indexOf(events: readonly WalletEvent[]): number {
  const [event] = events;
  return event?.type === 'address_issued' ? event.address.index : -1;
}

describe('institutions', () => {
  it.each([
    ['unknown', 'UNKNOWN_INSTITUTION'],
    ['active', undefined],
    ['frozen', 'INSTITUTION_NOT_ACTIVE'],
    ['closed', 'INSTITUTION_NOT_ACTIVE'],
  ] as const)('that are %s: %s', (status, reason) => {
    const state =
      status === 'unknown'
        ? institutionAggregate.initialState
        : institutionAggregate.evolve(
            { status: 'active' },
            { type: 'institution_noted', institutionId: 'bank-a', status },
          );
    expect(institutionRefusal('bank-a', state)?.reason).toBe(reason);
  });

  it('don’t include the platform, which owns the pool', () => {
    expect(institutionRefusal('platform', institutionAggregate.initialState)).toBeUndefined();
  });
});
