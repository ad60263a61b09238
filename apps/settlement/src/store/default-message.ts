import { liquidityV1, toTimestamp } from '@finality/contracts';
import { type KnownDefault, owedSatsTo, stillOwed } from '@finality/settlement';

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
  status: DEFAULT_STATUSES[state.status],
  owedSats: state.owedSats,
  overdueSats: state.overdueSats,
  collateralSats: state.collateralSats,
  contributionSats: state.contributionSats,
  lentSats: state.lentSats,
  standbySats: state.standbySats,
  paidSats: state.paidSats,
  unwoundSats: state.unwoundSats,
  lossSats: state.lossSats,
  uncoveredSats: state.uncoveredSats,
  leftSats: state.leftSats,
  failedCount: state.failedCount,
  unwound: state.unwound.map(({ settlementId, reversalId, payeeId, amountSats }) => ({
    settlementId,
    reversalId,
    payeeId,
    amountSats,
  })),
  shares: state.shares.map(({ institutionId, amountSats }) => ({
    institutionId,
    amountSats,
    repaidSats: state.repaid.shares.find((each) => each.institutionId === institutionId)?.amountSats ?? 0n,
  })),
  uncoveredPaidSats: state.repaid.uncoveredSats,
  uncoveredCarriedOverSats: state.repaid.carriedOverSats,
  standbyRepaidSats: state.repaid.standbySats,
  stillOwedSats: owedSatsTo(stillOwed(state)),
  declaredAt: toTimestamp(state.declaredAt),
  closedAt: state.closedAt === undefined ? undefined : toTimestamp(state.closedAt),
});
