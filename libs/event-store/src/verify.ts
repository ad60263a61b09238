import type { AnyStreamType, Session } from './port.ts';

export type ChainCheck =
  | { readonly ok: true; readonly position: bigint; readonly hash: string }
  | { readonly ok: false; readonly position: bigint; readonly problem: string };

/** Recomputes the hash chain and names the first difference. */
export function verifyChain(_session: Session): Promise<ChainCheck> {
  throw new Error('being written');
}

export interface StateDifference {
  readonly stream: string;
  readonly problem: string;
}

/** Replays every stream and compares it with its stored state. */
export function checkStates(
  _session: Session,
  _types: readonly AnyStreamType[],
): Promise<{ streams: number; differences: StateDifference[] }> {
  throw new Error('being written');
}
