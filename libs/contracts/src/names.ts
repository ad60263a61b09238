import * as settlementV1 from './settlement.v1.ts';

/** As DESIGN section 7 writes it: `settled`. */
export function statusName(status: settlementV1.SettlementStatus): string {
  return settlementV1.settlementStatusToJSON(status).replace('SETTLEMENT_STATUS_', '').toLowerCase();
}

/** `CENTRALIZED` */
export function modeName(mode: settlementV1.SettlementMode): string {
  return settlementV1.settlementModeToJSON(mode).replace('SETTLEMENT_MODE_', '');
}
