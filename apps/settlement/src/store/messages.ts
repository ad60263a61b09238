import { institutionV1, settlementV1, toTimestamp } from '@finality/contracts';
import type { Role } from '@finality/kernel';
import {
  type ApiKey,
  type ChainTipEvent,
  confirmationsAt,
  confirmationsRequired,
  type ExchangeTerms,
  type Incident,
  type Institution,
  isDead,
  type KnownDeposit,
  type LivingSettlement,
  type Mode,
  type OfferedLineage,
  type OfferedVersion,
  type Priority,
  priorityOf,
  refundSats,
  type SettlementStatus,
  type Terms,
} from '@finality/settlement';

/** Domain states as the contracts show them, for answers and for messages alike. */

const {
  SettlementStatus: Status,
  SettlementMode,
  SettlementPriority,
  FeePayer,
  DepositStatus,
  DepositPurpose,
  TransactionStatus,
} = settlementV1;

export const MODES: Readonly<Record<Mode, settlementV1.SettlementMode>> = {
  centralized: SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
  bilateral: SettlementMode.SETTLEMENT_MODE_BILATERAL,
  blockchain: SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN,
};

export const FEE_PAYERS: Readonly<Record<Terms['fees']['bearer'], settlementV1.FeePayer>> = {
  payer: FeePayer.FEE_PAYER_PAYER,
  payee: FeePayer.FEE_PAYER_PAYEE,
  shared: FeePayer.FEE_PAYER_SHARED,
};

export const PRIORITIES: Readonly<Record<Priority, settlementV1.SettlementPriority>> = {
  normal: SettlementPriority.SETTLEMENT_PRIORITY_NORMAL,
  high: SettlementPriority.SETTLEMENT_PRIORITY_HIGH,
  urgent: SettlementPriority.SETTLEMENT_PRIORITY_URGENT,
};

export const STATUSES: Readonly<Record<SettlementStatus, settlementV1.SettlementStatus>> = {
  received: Status.SETTLEMENT_STATUS_RECEIVED,
  scheduled: Status.SETTLEMENT_STATUS_SCHEDULED,
  screening: Status.SETTLEMENT_STATUS_SCREENING,
  under_review: Status.SETTLEMENT_STATUS_UNDER_REVIEW,
  approved: Status.SETTLEMENT_STATUS_APPROVED,
  rejected: Status.SETTLEMENT_STATUS_REJECTED,
  queued: Status.SETTLEMENT_STATUS_QUEUED,
  reserved: Status.SETTLEMENT_STATUS_RESERVED,
  awaiting_signature: Status.SETTLEMENT_STATUS_AWAITING_SIGNATURE,
  executing: Status.SETTLEMENT_STATUS_EXECUTING,
  confirming: Status.SETTLEMENT_STATUS_CONFIRMING,
  settled: Status.SETTLEMENT_STATUS_SETTLED,
  reopened: Status.SETTLEMENT_STATUS_REOPENED,
  reversed: Status.SETTLEMENT_STATUS_REVERSED,
  failed: Status.SETTLEMENT_STATUS_FAILED,
  cancelled: Status.SETTLEMENT_STATUS_CANCELLED,
  expired: Status.SETTLEMENT_STATUS_EXPIRED,
};

/**
 * With a tip: confirmations as they are there (answers). Without: as they were when this happened (messages), 1 in the block that confirms
 * it, and what was required once it is final.
 */
export function settlementMessage(state: LivingSettlement, tipHeight?: number): settlementV1.Settlement {
  const { terms, transitions } = state;
  const payout = 'payout' in state ? state.payout : undefined;
  const reason = reasonFor(state);
  return {
    settlementId: terms.settlementId,
    fromInstitution: terms.from,
    toInstitution: terms.to,
    amountSats: terms.amountSats,
    settlementMode: MODES[terms.mode],
    referenceId: terms.referenceId,
    status: STATUSES[state.status],
    txid: payout?.txid,
    confirmations: tipHeight === undefined ? confirmationsThen(state) : confirmationsAt(state, tipHeight),
    confirmationsRequired: confirmationsRequired(state),
    feeSats: payout?.feeSats ?? 0n,
    reason: reason === '' ? undefined : reason,
    createdAt: toTimestamp(state.createdAt),
    updatedAt: toTimestamp(state.updatedAt),
    transitions: transitions.map(({ status, at, reason: why }) => ({
      status: STATUSES[status],
      at: toTimestamp(at),
      reason: why,
    })),
    callbackUrl: terms.callbackUrl,
    destinationId: terms.payee.kind === 'clearing' ? undefined : terms.payee.destinationId,
    destinationAddress: terms.payee.kind === 'destination' ? terms.payee.address : undefined,
    waitsFor: state.status === 'queued' ? state.waitsFor : undefined,
    feePayer: FEE_PAYERS[terms.fees.bearer],
    payeeFeeSats: payout?.payeeFeeSats ?? 0n,
    platformFeeSats: payout === undefined ? 0n : refundSats(terms, payout),
    executeAt: terms.executeAt === undefined ? undefined : toTimestamp(terms.executeAt),
    expiresAt: terms.expiresAt === undefined ? undefined : toTimestamp(terms.expiresAt),
    gridlockId: state.status === 'settled' ? state.gridlockId : undefined,
    priority: PRIORITIES[priorityOf(state)],
    reverses: terms.reverses,
    reversedBy: [...state.reversals],
    netPayoutOf: terms.netPayout?.windowId,
    ...approvalsOf(state),
    ...unitsMessage(terms),
    payerWalletId: terms.payer.kind === 'wallet' ? terms.payer.walletId : undefined,
    payeeWalletId: terms.payee.kind === 'wallet' ? terms.payee.walletId : undefined,
    windowId: state.status === 'settled' ? state.windowId : undefined,
  };
}

const exchangeMessage = ({ quoteId, makerId, bought, failOnShortage }: ExchangeTerms) => ({
  quoteId,
  makerInstitution: makerId,
  bought: { ...bought },
  failOnShortage,
});

const unitsMessage = ({ units }: Terms): Pick<settlementV1.Settlement, 'amount' | 'valueSats' | 'exchange'> => ({
  amount: units && { ...units.paid },
  valueSats: units?.valueSats,
  exchange: units?.exchange && exchangeMessage(units.exchange),
});

function approvalsOf(
  state: LivingSettlement,
): Pick<settlementV1.Settlement, 'approvalsRequired' | 'approvals' | 'approvalsSigned' | 'complianceAwaited'> {
  const { approvals } = state;
  return {
    approvalsRequired: approvals?.required ?? 0,
    approvals: (approvals?.given ?? []).map(({ by, at, reason, signed }) => ({
      approvedBy: by,
      approvedAt: toTimestamp(at),
      reason,
      signatory: signed?.signatory,
    })),
    approvalsSigned: approvals?.areSigned ?? false,
    complianceAwaited: state.status === 'under_review' && state.compliance === 'awaited',
  };
}

/** Why it is where it is; while it may still be paid or not, who wanted it back has the word. */
function reasonFor({ status, cancelling, transitions }: LivingSettlement): string {
  const isOpen = status === 'awaiting_signature' || status === 'executing' || status === 'confirming';
  if (isOpen && cancelling !== undefined) return `cancellation requested: ${cancelling.reason}`;
  return transitions.at(-1)?.reason ?? '';
}

function confirmationsThen(state: LivingSettlement): number {
  if (!('block' in state) || state.block === undefined) return 0;
  return state.status === 'settled' ? confirmationsRequired(state) : 1;
}

export function depositMessage(deposit: KnownDeposit): settlementV1.DepositChanged {
  const { terms, beneficiary } = deposit;
  const block = 'block' in deposit ? deposit.block : undefined;
  return {
    outpoint: terms.outpoint,
    walletId: terms.walletId,
    institutionId: beneficiary.kind === 'institution' ? beneficiary.institutionId : '',
    purpose: purposeOf(deposit),
    valueSats: terms.valueSats,
    status: DEPOSIT_STATUSES[deposit.status],
    reason: reasonOf(deposit),
    height: block?.height ?? 0,
    blockHash: block?.hash ?? '',
    life: deposit.life,
    fundingSources: terms.sources.map((source) => ({ ...source })),
    detectedAt: toTimestamp(deposit.detectedAt),
    updatedAt: toTimestamp(deposit.updatedAt),
    address: terms.address,
  };
}

function purposeOf({ beneficiary }: KnownDeposit): settlementV1.DepositPurpose {
  if (beneficiary.kind === 'suspense') return DepositPurpose.DEPOSIT_PURPOSE_SUSPENSE;
  return beneficiary.claim.kind === 'clearing'
    ? DepositPurpose.DEPOSIT_PURPOSE_CLEARING
    : DepositPurpose.DEPOSIT_PURPOSE_WALLET;
}

function reasonOf(deposit: KnownDeposit): string {
  if (deposit.status === 'reversed') return `excluded by ${deposit.byTxid}`;
  if (deposit.status === 'gone')
    return deposit.byTxid === undefined ? deposit.reason : `${deposit.reason} by ${deposit.byTxid}`;
  if (deposit.status === 'held') return deposit.reason;
  return deposit.beneficiary.kind === 'suspense' ? deposit.beneficiary.reason : '';
}

export const DEPOSIT_STATUSES: Readonly<Record<KnownDeposit['status'], settlementV1.DepositStatus>> = {
  detected: DepositStatus.DEPOSIT_STATUS_DETECTED,
  confirmed: DepositStatus.DEPOSIT_STATUS_CONFIRMED,
  held: DepositStatus.DEPOSIT_STATUS_HELD,
  credited: DepositStatus.DEPOSIT_STATUS_CREDITED,
  unconfirmed: DepositStatus.DEPOSIT_STATUS_UNCONFIRMED,
  gone: DepositStatus.DEPOSIT_STATUS_REPLACED,
  reversed: DepositStatus.DEPOSIT_STATUS_REVERSED,
};

export function transactionStatus(lineage: OfferedLineage, version: OfferedVersion): settlementV1.TransactionStatus {
  const isInBlock = lineage.inBlock?.version === version.version;
  if (lineage.status === 'final' && isInBlock) return TransactionStatus.TRANSACTION_STATUS_FINAL;
  if (lineage.status !== 'offered' || isDead(version, lineage)) return TransactionStatus.TRANSACTION_STATUS_DEAD;
  if (isInBlock) return TransactionStatus.TRANSACTION_STATUS_CONFIRMED;
  return version.signedHex === undefined
    ? TransactionStatus.TRANSACTION_STATUS_SIGNING
    : TransactionStatus.TRANSACTION_STATUS_SIGNED;
}

const INCIDENT_KINDS: Readonly<Record<Incident['kind'], settlementV1.IncidentKind>> = {
  deep_reorg: settlementV1.IncidentKind.INCIDENT_KIND_DEEP_REORG,
  unknown_spend: settlementV1.IncidentKind.INCIDENT_KIND_UNKNOWN_SPEND,
  released_coin_spent: settlementV1.IncidentKind.INCIDENT_KIND_RELEASED_COIN_SPENT,
  participant_default: settlementV1.IncidentKind.INCIDENT_KIND_PARTICIPANT_DEFAULT,
};

export function openIncident({ incidentId, kind, reason, openedAt }: Incident): settlementV1.Incident {
  return {
    incidentId,
    kind: INCIDENT_KINDS[kind],
    reason,
    openedAt: toTimestamp(openedAt),
    confirmedAt: undefined,
    confirmedBy: '',
    confirmationReason: '',
  };
}

/** What an event says about an incident; undefined where it is about something else. */
export function incidentMessage(event: ChainTipEvent): settlementV1.Incident | undefined {
  if (event.type === 'incident_opened') return openIncident(event.incident);
  if (event.type !== 'incident_confirmed') return undefined;
  const { incident, at, by, reason } = event;
  return { ...openIncident(incident), confirmedAt: toTimestamp(at), confirmedBy: by, confirmationReason: reason };
}

export function institutionMessage(institution: Exclude<Institution, { status: 'none' }>): institutionV1.Institution {
  const { InstitutionStatus } = institutionV1;
  return {
    institutionId: institution.institutionId,
    name: institution.name,
    status:
      institution.status === 'active'
        ? InstitutionStatus.INSTITUTION_STATUS_ACTIVE
        : InstitutionStatus.INSTITUTION_STATUS_FROZEN,
    creditLineSats: institution.creditLineSats,
    reason: institution.reason,
    createdAt: toTimestamp(institution.createdAt),
    updatedAt: toTimestamp(institution.updatedAt),
    creditLineExpiresAt:
      institution.creditLineExpiresAt === undefined ? undefined : toTimestamp(institution.creditLineExpiresAt),
  };
}

export const ROLES: Readonly<Record<Role, institutionV1.Role>> = {
  institution: institutionV1.Role.ROLE_INSTITUTION,
  operator: institutionV1.Role.ROLE_OPERATOR,
  compliance: institutionV1.Role.ROLE_COMPLIANCE,
  auditor: institutionV1.Role.ROLE_AUDITOR,
};

export function apiKeyMessage(key: Exclude<ApiKey, { status: 'none' }>): institutionV1.ApiKey {
  return {
    keyId: key.keyId,
    institutionId: key.institutionId,
    roles: key.roles.map((role) => ROLES[role]),
    revoked: key.status === 'revoked',
    label: key.label,
    createdAt: toTimestamp(key.createdAt),
    issuedBy: key.issued?.by ?? '',
    confirmedBy: key.issued?.confirmedBy ?? '',
  };
}
