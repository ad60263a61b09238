import type { settlementV1 } from '@finality/contracts';
import { type Principal, refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { type KnownWindow, type NettingPair, pairKey, pairOf } from '@finality/settlement';
import { pairMessage, windowMessage } from '../store/window-messages.ts';
import { NETTING_ID, nettingStream, windowStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

/** Whose positions a caller may see; undefined for those who run the platform, who see all. */
export const participantOf = (caller: Principal): string | undefined =>
  caller.roles.every((role) => role === 'institution') ? caller.institutionId : undefined;

/** A window that the caller may see. @throws RefusalException NOT_FOUND */
export async function windowFor(
  gateway: Gateway,
  windowId: string,
  participant: string | undefined,
): Promise<KnownWindow> {
  const { state } = await gateway.reader.loadState(windowStream, windowId);
  if (state.status !== 'none' && isSeenBy(state, participant)) return state;
  throw toRpcException(refusal('not_found', 'UNKNOWN_WINDOW', `no window ${windowId}`));
}

const isSeenBy = ({ scope }: KnownWindow, participant: string | undefined): boolean =>
  participant === undefined || scope.kind === 'multilateral' || scope.institutions.includes(participant);

/** What all participants together have paid is for those who run the platform: from a window of three, one could tell what the other two did. */
export function showWindow(window: KnownWindow, participant: string | undefined): settlementV1.Window {
  const message = windowMessage(window);
  if (participant === undefined || window.scope.kind === 'bilateral') return message;
  return { ...message, participants: 0, settlements: 0n, grossSats: 0n, netSats: 0n, units: [] };
}

/** What a pair has agreed on as it is now; undefined where neither wants anything. */
export async function pairNow(gateway: Gateway, a: string, b: string): Promise<NettingPair | undefined> {
  const { state } = await gateway.reader.loadState(nettingStream, NETTING_ID);
  return state.pairs[pairKey(pairOf(a, b))];
}

/** As it is now; when it has ended since, the two without a window. */
export async function showPair(gateway: Gateway, a: string, b: string): Promise<settlementV1.NettingPair> {
  const pair = await pairNow(gateway, a, b);
  return pair === undefined ? { institutionIds: [...pairOf(a, b)], proposedBy: '', windowId: '' } : pairMessage(pair);
}
