import { settlementV1, toTimestamp } from '@finality/contracts';
import { type KnownWindow, type NettingPair, netSats, type Position } from '@finality/settlement';

/** Windows as the contracts show them. */

const { WindowStatus } = settlementV1;

export const WINDOW_STATUSES: Readonly<Record<KnownWindow['status'], settlementV1.WindowStatus>> = {
  open: WindowStatus.WINDOW_STATUS_OPEN,
  closing: WindowStatus.WINDOW_STATUS_CLOSING,
  closed: WindowStatus.WINDOW_STATUS_CLOSED,
};

export function windowMessage(window: KnownWindow): settlementV1.Window {
  const totals = 'totals' in window ? window.totals : undefined;
  return {
    windowId: window.windowId,
    status: WINDOW_STATUSES[window.status],
    institutionIds: window.scope.kind === 'bilateral' ? [...window.scope.institutions] : [],
    openedAt: toTimestamp(window.openedAt),
    closedAt: 'closedAt' in window ? toTimestamp(window.closedAt) : undefined,
    closedBy: 'by' in window ? window.by : '',
    reason: 'reason' in window ? window.reason : '',
    participants: totals?.participants ?? 0,
    settlements: BigInt(totals?.settlements ?? 0),
    grossSats: totals?.grossSats ?? 0n,
    netSats: totals?.netSats ?? 0n,
  };
}

export const positionMessage = (position: Position): settlementV1.WindowPosition => ({
  institutionId: position.institutionId,
  paidSats: position.paidSats,
  receivedSats: position.receivedSats,
  netSats: netSats(position),
  paidCount: BigInt(position.paidCount),
  receivedCount: BigInt(position.receivedCount),
});

export const pairMessage = (pair: NettingPair): settlementV1.NettingPair => ({
  institutionIds: [...pair.institutions],
  proposedBy: pair.status === 'proposed' ? pair.by : '',
  windowId: pair.status === 'agreed' ? pair.window.windowId : '',
});
