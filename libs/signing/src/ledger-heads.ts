import { type Aggregate, assertNever, err, type Instant, ok, type Result } from '@finality/kernel';
import { headHash, type HeadReference, type LedgerHead, NO_HEAD } from '@finality/ledger';

/** Why a head isn't signed. Stable: recorded, and told to the caller. */
export type LedgerHeadRule = 'EPOCH_TOO_LOW' | 'HEAD_FORKS';

export interface LedgerHeadRefused {
  readonly rule: LedgerHeadRule;
  readonly message: string;
}

/** The last head that was accepted for signature. Whoever signs two pasts of one ledger would make signed heads worthless. */
export interface LedgerHeadsState {
  readonly last: { readonly head: LedgerHead; readonly hash: string } | null;
  /** The last lineage that was accepted for anchoring a head, when its first version was. */
  readonly anchored: HeadAnchored | null;
}

export interface HeadAnchored {
  readonly lineageId: string;
  readonly head: HeadReference;
  readonly acceptedAt: Instant;
}

export type LedgerHeadsEvent =
  | { readonly type: 'head_accepted'; readonly head: LedgerHead; readonly acceptedAt: Instant }
  | ({ readonly type: 'head_anchored' } & HeadAnchored)
  | {
      readonly type: 'head_refused';
      readonly head: LedgerHead;
      readonly rule: LedgerHeadRule;
      readonly message: string;
      readonly refusedAt: Instant;
    };

export const ledgerHeadsAggregate: Aggregate<LedgerHeadsState, LedgerHeadsEvent> = {
  name: 'ledger-heads',
  initialState: { last: null, anchored: null },
  evolve(state, event) {
    switch (event.type) {
      case 'head_accepted':
        return { ...state, last: { head: event.head, hash: hashOf(event.head) } };
      case 'head_anchored': {
        const { lineageId, head, acceptedAt } = event;
        return { ...state, anchored: { lineageId, head, acceptedAt } };
      }
      case 'head_refused':
        return state;
      default:
        return assertNever(event, 'ledger heads event');
    }
  },
};

/** Accepts the head that comes next, and again the last one. After a restored backup, in a higher epoch, the ledger says where it goes on. */
export function decideLedgerHead(
  head: LedgerHead,
  { last }: Pick<LedgerHeadsState, 'last'>,
): Result<{ repeated: boolean }, LedgerHeadRefused> {
  if (head.lastEntry < head.firstEntry)
    return err(refused('HEAD_FORKS', `segment ${head.segment} ends at entry ${head.lastEntry}, before it begins`));
  if (last === null) {
    if (head.segment === 1 && head.previous === NO_HEAD && head.firstEntry === 1n) return ok({ repeated: false });
    return err(refused('HEAD_FORKS', `expected the first segment, got ${head.segment}`));
  }
  if (last.hash === hashOf(head)) return ok({ repeated: true });
  if (head.epoch < last.head.epoch)
    return err(refused('EPOCH_TOO_LOW', `expected epoch ${last.head.epoch} or later, got ${head.epoch}`));
  const isNext =
    head.segment === last.head.segment + 1 &&
    head.previous === last.hash &&
    head.firstEntry === last.head.lastEntry + 1n &&
    head.position >= last.head.position;
  if (isNext || head.epoch > last.head.epoch) return ok({ repeated: false });
  return err(
    refused(
      'HEAD_FORKS',
      `expected segment ${last.head.segment + 1} after ${last.hash}, got ${head.segment} after ${head.previous}`,
    ),
  );
}

const hashOf = (head: LedgerHead): string => headHash(head).toString('hex');

const refused = (rule: LedgerHeadRule, message: string): LedgerHeadRefused => ({ rule, message });
