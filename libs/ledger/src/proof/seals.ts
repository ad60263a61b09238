import { type Aggregate, assertNever, type Instant } from '@finality/kernel';
import { GENESIS } from './entry.ts';
import { headHash, type LedgerHead, NO_HEAD, type SignedHead } from './head.ts';

/** How far the ledger is sealed. A head is fixed before it is signed, so that whoever signs never sees two of one segment. */
export interface Seals {
  /** The last segment sealed; 0 before the first. */
  readonly segment: number;
  /** Hex of its head. */
  readonly head: string;
  readonly lastEntry: bigint;
  /** Hex: over all entries up to that one. */
  readonly chain: string;
  /** Sealed, and not yet signed. */
  readonly unsigned?: LedgerHead;
}

export type SealsEvent = { readonly at: Instant } & (
  | { readonly type: 'segment_sealed'; readonly head: LedgerHead }
  | { readonly type: 'head_signed'; readonly head: SignedHead }
);

export const sealsAggregate: Aggregate<Seals, SealsEvent> = {
  name: 'ledger-seals',
  initialState: { segment: 0, head: NO_HEAD, lastEntry: 0n, chain: GENESIS.toString('hex') },
  evolve(state, event) {
    switch (event.type) {
      case 'segment_sealed': {
        const { head } = event;
        const { segment, lastEntry, chain } = head;
        return { segment, head: headHash(head).toString('hex'), lastEntry, chain, unsigned: head };
      }
      case 'head_signed': {
        const { unsigned: _signed, ...sealed } = state;
        return sealed;
      }
      default:
        return assertNever(event, 'event');
    }
  },
};

/** Nothing, when this has been done or another segment comes first. */
export function seal(state: Seals, head: LedgerHead, at: Instant): readonly SealsEvent[] {
  const isNext =
    state.unsigned === undefined &&
    head.segment === state.segment + 1 &&
    head.previous === state.head &&
    head.firstEntry === state.lastEntry + 1n &&
    head.lastEntry >= head.firstEntry;
  return isNext ? [{ type: 'segment_sealed', at, head }] : [];
}

/** Nothing, when it is signed already. @throws never: a signature of another head is no event either */
export function sign(state: Seals, head: SignedHead, at: Instant): readonly SealsEvent[] {
  const isThis = state.unsigned !== undefined && headHash(head).toString('hex') === state.head;
  return isThis ? [{ type: 'head_signed', at, head }] : [];
}
