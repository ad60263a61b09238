import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type ChallengeAnswer, type ChallengeState, challengeAggregate, challengeOf, decideAnswer } from './index.ts';

const UNTIL = 1_770_000_000_000 as Instant;
const challenge = challengeOf({
  challengeId: 'c-1',
  institutionId: 'bank-a',
  descriptor: 'wpkh(KEY)#checksum',
  address: 'bcrt1qaddress',
  network: 'regtest',
  domain: 'clearing.example',
  nonce: '00ff',
  expiresAt: UNTIL,
});
const answer: ChallengeAnswer = {
  challengeId: 'c-1',
  institutionId: 'bank-a',
  descriptor: challenge.descriptor,
  walletId: 'w-1',
  signature: 'smp',
};
const { evolve, initialState } = challengeAggregate;
const open = evolve(initialState, { type: 'challenge_issued', challenge });
const answered = evolve(open, { type: 'challenge_answered', walletId: 'w-1', signature: 'smp' });
const before = (UNTIL - 1) as Instant;

function outcome(state: ChallengeState, over: Partial<ChallengeAnswer> = {}, now = before): unknown {
  const decision = decideAnswer({ ...answer, ...over }, state, now);
  return decision.kind === 'refused' ? decision.refused.reason : decision.events;
}

describe('a challenge', () => {
  it('says in one line of ASCII what its answer is good for', () => {
    expect(challenge.message).toBe(
      'clearing.example asks for proof of control of a wallet; purpose: register wallet; institution: bank-a; network: regtest; ' +
        'descriptor checksum: checksum; address: bcrt1qaddress; nonce: 00ff; valid until: 1770000000 (Unix time)',
    );
  });

  it('that was never issued can’t be answered', () => expect(outcome(initialState)).toBe('UNKNOWN_CHALLENGE'));

  it('that is open can be answered by its institution, for its wallet, in time', () => {
    expect(outcome(open)).toEqual([{ type: 'challenge_answered', walletId: 'w-1', signature: 'smp' }]);
    expect(outcome(open, { institutionId: 'bank-b' })).toBe('UNKNOWN_CHALLENGE');
    expect(outcome(open, { descriptor: 'tr(KEY)#checksum' })).toBe('CHALLENGE_DIFFERS');
    expect(outcome(open, {}, UNTIL)).toBe('CHALLENGE_EXPIRED');
  });

  it('that was answered can’t be answered again', () => expect(outcome(answered)).toBe('CHALLENGE_ANSWERED'));
});
