import type { Settlement, SettlementStatus } from './settlement.ts';

/** Where each state can lead (DESIGN 7); anything else can't be written. */
export const NEXT_STATES: Readonly<Record<Settlement['status'], readonly SettlementStatus[]>> = {
  none: ['received'],
  received: ['screening', 'cancelled', 'expired'],
  screening: ['approved', 'under_review', 'rejected', 'cancelled', 'expired'],
  under_review: ['approved', 'rejected', 'cancelled', 'expired'],
  approved: ['reserved', 'queued', 'failed', 'cancelled', 'expired'],
  queued: ['reserved', 'failed', 'cancelled', 'expired'],
  reserved: ['settled', 'executing', 'awaiting_signature', 'queued', 'failed', 'cancelled', 'expired'],
  awaiting_signature: ['executing', 'queued', 'failed', 'cancelled', 'expired'],
  executing: ['confirming', 'failed', 'cancelled'],
  confirming: ['settled', 'executing'],
  settled: ['reopened'],
  reopened: ['settled', 'reversed'],
  rejected: [],
  reversed: [],
  failed: [],
  cancelled: [],
  expired: [],
};
