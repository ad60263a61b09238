import { settlementV1, toTimestamp } from '@finality/contracts';
import type { Recovery } from '@finality/settlement';
import type { SettlementReader } from '../env.ts';
import { RECOVERY_ID, recoveryStream } from '../store/streams.ts';

const { RecoveryStatus } = settlementV1;

const STATUSES: Readonly<Record<Recovery['status'], settlementV1.RecoveryStatus>> = {
  normal: RecoveryStatus.RECOVERY_STATUS_NORMAL,
  importing: RecoveryStatus.RECOVERY_STATUS_IMPORTING,
  reconciling: RecoveryStatus.RECOVERY_STATUS_RECONCILING,
};

/** As it is now. */
export async function recoveryNow(reader: SettlementReader): Promise<settlementV1.Recovery> {
  const { epoch } = await reader.head();
  const { state } = await reader.loadState(recoveryStream, RECOVERY_ID);
  if (state.status === 'normal') {
    const nothing = { reason: '', begunAt: undefined, importedTransactions: 0, differences: [], lastReport: undefined };
    return { status: STATUSES.normal, epoch, ...nothing };
  }
  const report = state.status === 'reconciling' ? state.report : undefined;
  return {
    status: STATUSES[state.status],
    epoch,
    reason: state.reason,
    begunAt: toTimestamp(state.begunAt),
    importedTransactions: state.imported,
    differences: state.differences.map((difference) => ({ ...difference })),
    lastReport: report && { ...report },
  };
}
