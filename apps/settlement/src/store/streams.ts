import { encoded, institutionV1, liquidityV1, settlementV1, TOPICS } from '@finality/contracts';
import { type Seals, sealsAggregate, type SealsEvent } from '@finality/ledger';
import type { AnyStreamType, PublicMessage, StreamType } from '@finality/event-store';
import {
  type ApiKey,
  apiKeyAggregate,
  type ApiKeyEvent,
  type ChainTip,
  chainTipAggregate,
  type ChainTipEvent,
  type Deposit,
  depositAggregate,
  type DepositEvent,
  type Institution,
  institutionAggregate,
  type InstitutionEvent,
  limitsAggregate,
  type LimitsEvent,
  type LimitsState,
  type Lineage,
  lineageAggregate,
  type LineageEvent,
  type Netting,
  nettingAggregate,
  type NettingEvent,
  type NettingWindow,
  type OfferedLineage,
  type OfferedVersion,
  paymentRulesAggregate,
  type PaymentRulesEvent,
  type PaymentRulesState,
  type Recovery,
  recoveryAggregate,
  type RecoveryEvent,
  type Settlement,
  settlementAggregate,
  type SettlementEvent,
  type Terms,
  versionNumbered,
  windowAggregate,
  type WindowEvent,
  type WindowPayout,
  windowPayoutAggregate,
  type WindowPayoutEvent,
} from '@finality/settlement';
import { headAnchorMessages } from './head-anchor-message.ts';
import { message } from './public-message.ts';
import { screeningMessages } from './screening-messages.ts';
import { windowMessage } from './window-messages.ts';
import { levelMessage } from './liquidity-message.ts';
import {
  apiKeyMessage,
  depositMessage,
  incidentMessage,
  institutionMessage,
  settlementMessage,
  transactionStatus,
} from './messages.ts';

/** What is stored of each aggregate, whom it concerns, and what it tells the world. */

export const settlementStream: StreamType<Settlement, SettlementEvent> = {
  aggregate: settlementAggregate,
  institutions: (state) => (state.status === 'none' ? [] : partiesOf(state.terms)),
  isOver: ({ status }) => OVER.has(status),
  publish(event, state) {
    // What screening said is published by whoever said it.
    if (state.status === 'none' || event.type === 'risk_assessed' || event.type === 'aml_assessed') return [];
    // Told by the reversal, which names what it reverses.
    if (event.type === 'reversal_requested') return [];
    const settlement = settlementMessage(state);
    const changed: settlementV1.SettlementChanged = {
      settlement,
      previousStatus:
        settlement.transitions.at(-2)?.status ?? settlementV1.SettlementStatus.SETTLEMENT_STATUS_UNSPECIFIED,
      submittedBy: state.terms.submittedBy,
    };
    return [
      message(TOPICS.settlement, state.terms.settlementId, encoded(settlementV1.SettlementChanged, changed)),
      ...screeningMessages(event, state),
    ];
  },
};

/** Of those that are settled some are reversed, or mined into another block. */
const OVER: ReadonlySet<Settlement['status']> = new Set(['rejected', 'expired', 'cancelled', 'settled', 'failed']);

function partiesOf({ from, to, units }: Terms): readonly string[] {
  const makerId = units?.exchange?.makerId;
  return makerId === undefined || makerId === to ? [from, to] : [from, to, makerId];
}

export const lineageStream: StreamType<Lineage, LineageEvent> = {
  aggregate: lineageAggregate,
  institutions(state) {
    if (state.status === 'none') return [];
    const { institutionId } = 'plan' in state ? state.plan : state;
    const payouts = [...('versions' in state ? state.versions : []), ...('plan' in state ? [state.plan] : [])];
    const payees = payouts.flatMap((version) => version.payouts.map((payout) => payout.payeeInstitutionId));
    return [...new Set([institutionId, ...payees])];
  },
  publish(event, state) {
    if (!('versions' in state)) return headAnchorMessages(event, state);
    const versions = versionsChanged(event, state).map((version) => {
      const changed: settlementV1.TransactionChanged = {
        lineageId: state.lineageId,
        version: version.version,
        txid: version.txid,
        walletId: state.walletId,
        status: transactionStatus(state, version),
        raw: Buffer.from(version.signedHex ?? '', 'hex'),
        settlementIds: version.payouts.map(({ settlementId }) => settlementId),
        feeSats: version.feeSats,
      };
      return message(TOPICS.transaction, state.lineageId, encoded(settlementV1.TransactionChanged, changed));
    });
    return [...versions, ...headAnchorMessages(event, state)];
  },
};

/** What an event means for one version, or for all: of two that exclude each other, what one does counts for the other. */
function versionsChanged(event: LineageEvent, state: OfferedLineage): readonly OfferedVersion[] {
  switch (event.type) {
    case 'version_offered':
      return [versionNumbered(state, event.version.version)];
    case 'version_signed':
    case 'signing_refused':
    case 'version_broadcast':
    case 'version_confirmed':
      return [versionNumbered(state, event.version)];
    case 'version_unconfirmed':
    case 'input_lost':
    case 'lineage_final':
    case 'lineage_dead':
      return state.versions;
    default:
      return [];
  }
}

/** What screening said is published by whoever said it; what somebody proposes changes nothing yet. */
const QUIET: readonly DepositEvent['type'][] = ['deposit_risk_assessed', 'deposit_aml_assessed', 'resolution_proposed'];

export const depositStream: StreamType<Deposit, DepositEvent> = {
  aggregate: depositAggregate,
  institutions: (state) =>
    state.status !== 'none' && state.beneficiary.kind === 'institution' ? [state.beneficiary.institutionId] : [],
  publish(event, state) {
    if (state.status === 'none' || QUIET.includes(event.type)) return [];
    return [message(TOPICS.deposit, state.terms.outpoint, encoded(settlementV1.DepositChanged, depositMessage(state)))];
  },
};

export const institutionStream: StreamType<Institution, InstitutionEvent> = {
  aggregate: institutionAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish(event, state) {
    if (state.status === 'none' || event.type === 'liquidity_alerts_set') return [];
    if (event.type === 'liquidity_level_changed') {
      const level = encoded(liquidityV1.LiquidityLevelChanged, levelMessage(state, event));
      return [message(TOPICS.liquidityLevel, state.institutionId, level)];
    }
    const changed = { institution: institutionMessage(state) };
    return [message(TOPICS.institution, state.institutionId, encoded(institutionV1.InstitutionChanged, changed))];
  },
};

/** Told by an RPC, to whom it concerns. */
export const limitsStream: StreamType<LimitsState, LimitsEvent> = {
  aggregate: limitsAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish: () => [],
};

/** Told by an RPC, too. */
export const paymentRulesStream: StreamType<PaymentRulesState, PaymentRulesEvent> = {
  aggregate: paymentRulesAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish: () => [],
};

export const apiKeyStream: StreamType<ApiKey, ApiKeyEvent> = {
  aggregate: apiKeyAggregate,
  institutions: (state) => (state.status === 'none' || state.institutionId === '' ? [] : [state.institutionId]),
  publish(_event, state) {
    if (state.status === 'none') return [];
    const changed = { apiKey: apiKeyMessage(state), secretSha256: Buffer.from(state.secretSha256, 'hex') };
    return [message(TOPICS.apiKey, state.keyId, encoded(institutionV1.ApiKeyChanged, changed))];
  },
};

/** The ledger's own place on the chain, which the chain-watcher tells the world; and what has to be looked at, which this service does. */
export const chainTipStream: StreamType<ChainTip, ChainTipEvent> = {
  aggregate: chainTipAggregate,
  institutions: () => [],
  publish(event): readonly PublicMessage[] {
    const incident = incidentMessage(event);
    if (incident === undefined) return [];
    const payload = encoded(settlementV1.IncidentChanged, { incident });
    return [message(TOPICS.incident, incident.incidentId, payload)];
  },
};

/** Positions of a window that has closed are had from the service. */
export const windowStream: StreamType<NettingWindow, WindowEvent> = {
  aggregate: windowAggregate,
  institutions: (state) =>
    state.status !== 'none' && state.scope.kind === 'bilateral' ? state.scope.institutions : [],
  publish(_event, state) {
    if (state.status === 'none') return [];
    const payload = encoded(settlementV1.WindowChanged, { window: windowMessage(state) });
    return [message(TOPICS.window, state.windowId, payload)];
  },
};

/** Asked for by its institution, and nobody else's business. */
export const windowPayoutStream: StreamType<WindowPayout, WindowPayoutEvent> = {
  aggregate: windowPayoutAggregate,
  institutions: (state) => (state.status === 'none' ? [] : [state.institutionId]),
  publish: () => [],
};

/** What it changes is told by the windows. */
export const nettingStream: StreamType<Netting, NettingEvent> = {
  aggregate: nettingAggregate,
  institutions: () => [],
  publish: () => [],
};

/** All windows that are open. */
export const NETTING_ID = 'windows';

/** How far the ledger is sealed. Signed heads are handed out by an RPC, to whoever wants to keep them. */
export const sealsStream: StreamType<Seals, SealsEvent> = {
  aggregate: sealsAggregate,
  institutions: () => [],
  publish: () => [],
};

/** There is one ledger. */
export const LEDGER_ID = 'ledger';

/** There is one chain. */
export const CHAIN_TIP_ID = 'chain';

/** Nobody else needs to know: what it changes is told by what it changes. */
export const recoveryStream: StreamType<Recovery, RecoveryEvent> = {
  aggregate: recoveryAggregate,
  institutions: () => [],
  publish: () => [],
};

/** There is one store. */
export const RECOVERY_ID = 'settlement';

/** Every type of stream in this service's store, but those about money beside the chain's. */
export const STREAMS: readonly AnyStreamType[] = [
  settlementStream,
  lineageStream,
  depositStream,
  institutionStream,
  apiKeyStream,
  limitsStream,
  paymentRulesStream,
  chainTipStream,
  recoveryStream,
  sealsStream,
  windowStream,
  windowPayoutStream,
  nettingStream,
];
