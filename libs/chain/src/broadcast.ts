import type { Txid } from '@finality/bitcoin';
import { type Aggregate, assertNever } from '@finality/kernel';

/** A transaction that we want on the chain. */
export type BroadcastState =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'wanted' | 'stopped';
      readonly lineageId: string;
      readonly version: number;
      /** A node has had it at least once. */
      readonly announced: boolean;
    };

export type BroadcastEvent =
  | {
      readonly type: 'broadcast_wanted';
      readonly txid: Txid;
      readonly lineageId: string;
      readonly version: number;
      /** The signed transaction, hex. */
      readonly raw: string;
    }
  | { readonly type: 'broadcast_announced' }
  | { readonly type: 'broadcast_stopped' };

export const broadcast: Aggregate<BroadcastState, BroadcastEvent> = {
  name: 'broadcast',
  initialState: { status: 'unknown' },
  evolve(state, event) {
    switch (event.type) {
      case 'broadcast_wanted':
        return { status: 'wanted', lineageId: event.lineageId, version: event.version, announced: false };
      case 'broadcast_announced':
        return state.status === 'unknown' ? state : { ...state, announced: true };
      case 'broadcast_stopped':
        return state.status === 'unknown' ? state : { ...state, status: 'stopped' };
      default:
        return assertNever(event, 'broadcast event');
    }
  },
};
