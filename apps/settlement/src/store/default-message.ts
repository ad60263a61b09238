import { liquidityV1, toTimestamp } from '@finality/contracts';
import { type KnownDefault, owedTo, stillOwed } from '@finality/settlement';

const { DEFAULT_STATUS_CLOSED, DEFAULT_STATUS_OPEN } = liquidityV1.DefaultStatus;

export const DEFAULT_STATUSES: Readonly<Record<KnownDefault['status'], liquidityV1.DefaultStatus>> = {
  open: DEFAULT_STATUS_OPEN,
  closed: DEFAULT_STATUS_CLOSED,
};

/** A default as it stands, with what covers it in the order of the waterfall. */
export const defaultMessage = (state: KnownDefault): liquidityV1.Default => ({
  defaultId: state.defaultId,
  institutionId: state.institutionId,
  windowId: state.windowId,
  unit: state.unit,
  status: DEFAULT_STATUSES[state.status],
  owed: state.owed,
  overdue: state.overdue,
  collateral: state.collateral,
  contribution: state.contribution,
  lent: state.lent,
  standby: state.standby,
  paid: state.paid,
  takenBack: state.takenBack,
  loss: state.loss,
  uncovered: state.uncovered,
  left: state.left,
  failedCount: state.failedCount,
  unwound: state.unwound.map(({ settlementId, reversalId, payeeId, amount }) => ({
    settlementId,
    reversalId,
    payeeId,
    amount,
  })),
  shares: state.shares.map(({ institutionId, amount }) => ({
    institutionId,
    amount,
    repaid: state.repaid.shares.find((each) => each.institutionId === institutionId)?.amount ?? 0n,
  })),
  uncoveredPaid: state.repaid.uncovered,
  uncoveredCarriedOver: state.repaid.carriedOver,
  standbyRepaid: state.repaid.standby,
  stillOwed: owedTo(stillOwed(state)),
  declaredBy: state.by ?? '',
  confirmedBy: state.confirmedBy ?? '',
  declaredAt: toTimestamp(state.declaredAt),
  closedAt: state.closedAt === undefined ? undefined : toTimestamp(state.closedAt),
});
