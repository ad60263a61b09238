import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';

/** What somebody has to sign to show that a wallet's keys are theirs; good once, and until it expires. */
export interface Challenge {
  readonly challengeId: string;
  readonly institutionId: string;
  /** The wallet's descriptor in canonical form. */
  readonly descriptor: string;
  /** What is signed: says who asks, for what, and until when. */
  readonly message: string;
  readonly expiresAt: Instant;
}

export type ChallengeState =
  | { readonly status: 'none' }
  | { readonly status: 'open'; readonly challenge: Challenge }
  | { readonly status: 'answered'; readonly challenge: Challenge; readonly walletId: string };

export type ChallengeEvent =
  | { readonly type: 'challenge_issued'; readonly challenge: Challenge }
  /** With the signature, so that it can be verified again whenever somebody asks whose wallet it was. */
  | { readonly type: 'challenge_answered'; readonly walletId: string; readonly signature: string };

export const challengeAggregate: Aggregate<ChallengeState, ChallengeEvent> = {
  name: 'wallet_challenge',
  initialState: { status: 'none' },
  evolve(state, event) {
    switch (event.type) {
      case 'challenge_issued':
        assert(state.status === 'none', 'a challenge is issued once');
        return { status: 'open', challenge: event.challenge };
      case 'challenge_answered':
        assert(state.status === 'open', 'a challenge is answered once');
        return { status: 'answered', challenge: state.challenge, walletId: event.walletId };
      default:
        return assertNever(event, 'challenge event');
    }
  },
};
