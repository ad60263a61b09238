import { settlementV1, toTimestamp } from '@finality/contracts';
import { BTC, TRANSFER_AMOUNT_MAX } from '@finality/ledger';
import {
  type KnownWindow,
  netPayoutId,
  type NettingPair,
  netOf,
  type Position,
  type WindowPayout,
  type WindowTotals,
} from '@finality/settlement';

/** Windows as the contracts show them. */

const { WindowStatus, WindowPayoutRule } = settlementV1;

export const WINDOW_STATUSES: Readonly<Record<KnownWindow['status'], settlementV1.WindowStatus>> = {
  open: WindowStatus.WINDOW_STATUS_OPEN,
  closing: WindowStatus.WINDOW_STATUS_CLOSING,
  closed: WindowStatus.WINDOW_STATUS_CLOSED,
  settling: WindowStatus.WINDOW_STATUS_SETTLING,
  settled: WindowStatus.WINDOW_STATUS_SETTLED,
};

export function windowMessage(window: KnownWindow): settlementV1.Window {
  const totals = 'totals' in window ? window.totals : [];
  const inSats = totals.find(({ unit }) => unit === BTC);
  return {
    windowId: window.windowId,
    status: WINDOW_STATUSES[window.status],
    institutionIds: window.scope.kind === 'bilateral' ? [...window.scope.institutions] : [],
    openedAt: toTimestamp(window.openedAt),
    closedAt: 'closedAt' in window ? toTimestamp(window.closedAt) : undefined,
    closedBy: 'by' in window ? window.by : '',
    reason: 'reason' in window ? window.reason : '',
    participants: inSats?.participants ?? 0,
    settlements: BigInt(inSats?.settlements ?? 0),
    grossSats: inSats?.gross ?? 0n,
    netSats: inSats?.net ?? 0n,
    units: totals.filter(({ unit }) => unit !== BTC).map(unitTotalsMessage),
  };
}

const unitTotalsMessage = ({ settlements, gross, net, ...of }: WindowTotals): settlementV1.UnitWindowTotals => ({
  ...of,
  settlements: BigInt(settlements),
  gross: atMost(gross),
  net: atMost(net),
});

/** Of amounts that fit an int64 the sum may not; nobody has ever had as much. */
export const atMost = (sum: bigint): bigint =>
  sum > TRANSFER_AMOUNT_MAX ? TRANSFER_AMOUNT_MAX : sum < -TRANSFER_AMOUNT_MAX ? -TRANSFER_AMOUNT_MAX : sum;

const isDebtor = (window: KnownWindow, { institutionId, unit }: Position): boolean =>
  'debtors' in window && window.debtors.some((each) => each.institutionId === institutionId && each.unit === unit);

/** In another unit than BTC. @param cap of the institution, now */
export const unitPositionMessage = (
  position: Position,
  window: KnownWindow,
  cap: bigint | undefined,
): settlementV1.UnitWindowPosition => ({
  debitCap: window.status === 'open' ? cap : undefined,
  institutionId: position.institutionId,
  unit: position.unit,
  paid: atMost(position.paid),
  received: atMost(position.received),
  net: atMost(netOf(position)),
  paidCount: BigInt(position.paidCount),
  receivedCount: BigInt(position.receivedCount),
  isDebtor: isDebtor(window, position),
});

/** In satoshi. @param capSats of the institution, now */
export const positionMessage = (
  position: Position,
  window: KnownWindow,
  capSats: bigint | undefined,
): settlementV1.WindowPosition => ({
  institutionId: position.institutionId,
  paidSats: position.paid,
  receivedSats: position.received,
  netSats: netOf(position),
  paidCount: BigInt(position.paidCount),
  receivedCount: BigInt(position.receivedCount),
  netPayoutId: payoutOf(window, position.institutionId),
  isDebtor: isDebtor(window, position),
  debitCapSats: window.status === 'open' ? capSats : undefined,
});

function payoutOf(window: KnownWindow, institutionId: string): string {
  const id = netPayoutId(window.windowId, institutionId);
  return 'payouts' in window && window.payouts.includes(id) ? id : '';
}

export function windowPayoutMessage(state: WindowPayout): settlementV1.WindowPayout {
  const choice = state.status === 'none' ? undefined : state.choice;
  if (choice === undefined)
    return { rule: WindowPayoutRule.WINDOW_PAYOUT_RULE_NOTHING, floorSats: 0n, walletId: '', destinationId: '' };
  const { rule, payee } = choice;
  const place = {
    walletId: payee.kind === 'wallet' ? payee.walletId : '',
    destinationId: payee.destinationId ?? '',
  };
  if (rule.kind === 'net_credit')
    return { rule: WindowPayoutRule.WINDOW_PAYOUT_RULE_NET_CREDIT, floorSats: 0n, ...place };
  return { rule: WindowPayoutRule.WINDOW_PAYOUT_RULE_ABOVE_FLOOR, floorSats: rule.floorSats, ...place };
}

export const pairMessage = (pair: NettingPair): settlementV1.NettingPair => ({
  institutionIds: [...pair.institutions],
  proposedBy: pair.status === 'proposed' ? pair.by : '',
  windowId: pair.status === 'agreed' ? pair.window.windowId : '',
});
