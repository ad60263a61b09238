import { stringify } from 'yaml';
import { withHeader } from '../yaml.ts';

interface Alert {
  readonly name: string;
  /** PromQL: true while somebody should know. */
  readonly when: string;
  /** How long it has to be true. */
  readonly for: string;
  /** critical: somebody gets up at night; warning: somebody looks in the morning. */
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
  /** What to look at, and what to do. */
  readonly action: string;
}

const ALERTS: readonly Alert[] = [
  {
    name: 'FinalityIncidentOpen',
    when: 'max by (namespace) (finality_incidents_open) > 0',
    for: '0m',
    severity: 'critical',
    summary:
      'Signing has stopped: a reorg deeper than expected, or a coin of ours spent by a transaction that isn’t ours',
    action: 'ListIncidents says which. ConfirmIncident once it is understood; until then nothing is signed.',
  },
  {
    name: 'FinalityParticipantDefault',
    when: 'max by (namespace) (finality_defaults_open) > 0',
    for: '0m',
    severity: 'critical',
    summary:
      'An institution hasn’t paid what was due: it is frozen, and the default waterfall has decided who covers it',
    action: 'ListDefaults says who and how much, docs/operations.md what to do. ConfirmIncident once it is understood.',
  },
  {
    name: 'FinalityDefaultFundShort',
    when: 'max by (namespace, unit) (finality_default_fund - finality_default_fund_target) < 0',
    for: '1h',
    severity: 'warning',
    summary: 'The default fund of a unit is smaller than what the two largest exposures could leave behind',
    action:
      'GetFundSizing says whose contribution lacks what. They contribute (PostCollateral), put up collateral, or get smaller lines (SetCreditLine); or the standby line is raised (STANDBY_MAX_SATS, STANDBY_MAX_UNITS).',
  },
  {
    name: 'FinalitySettlementReopened',
    when: 'sum by (namespace) (finality_settlements{status=~"reopened|reversed"}) > 0',
    for: '0m',
    severity: 'critical',
    summary: 'A reorg has taken back what was settled',
    action:
      'ListSettlements with that status. Reopened ones confirm again or are reversed by rule; reversed ones have frozen their institutions.',
  },
  {
    name: 'FinalityLiquidityCritical',
    when: 'max by (namespace) (finality_liquidity_watched{level="critical"}) > 0',
    for: '5m',
    severity: 'warning',
    summary:
      'An institution has almost nothing left to pay with in some unit; what it owes waits, and maybe what others do',
    action:
      'The topic finality.liquidity.level.v1 says which; GetLiquidity what waits for it. It pays in, or two operators raise its credit line (ProposeChange).',
  },
  {
    name: 'FinalityQueueOld',
    when: 'max by (namespace) (finality_queue_oldest_seconds) > 3600',
    for: '5m',
    severity: 'warning',
    summary: 'A settlement has waited for liquidity for an hour',
    action: 'ListSettlements with status QUEUED; GetLiquidity of its payer. At its expires_at it ends.',
  },
  {
    name: 'FinalityNodesDisagree',
    when: 'max by (namespace) (finality_chain_disagreeing_blocks) > 1',
    for: '10m',
    severity: 'critical',
    summary: 'The two Bitcoin nodes have different blocks',
    action: 'Compare their tips with a third source. Amounts from AGREE_FROM_SATS on wait until they agree.',
  },
  {
    name: 'FinalityNotFollowing',
    when: 'absent(finality_chain_tip_height) or finality_chain_lag_blocks > 3',
    for: '10m',
    severity: 'critical',
    summary: 'Blocks of the node aren’t being processed',
    action: '/readyz of chain-watcher says why. Nothing is missed: it goes on where it was.',
  },
  {
    name: 'FinalityTipOld',
    when: 'finality_chain_tip_age_seconds > 7200',
    for: '0m',
    severity: 'warning',
    summary: 'No block for two hours',
    action: 'It happens by itself about once a year. Check that the node has peers.',
  },
  {
    name: 'FinalityMempoolLost',
    when: 'finality_chain_mempool_lost == 1',
    for: '15m',
    severity: 'warning',
    summary: 'The node has lost its mempool',
    action: 'Ours are broadcast again by themselves. If it stays: see whether the node restarts over and over.',
  },
  {
    name: 'FinalityKeyParked',
    when: 'sum by (namespace, service) (finality_parked_keys) > 0',
    for: '5m',
    severity: 'critical',
    summary: 'A message couldn’t be handled; later ones of its key wait',
    action: 'The service’s log has the cause. Whatever the key stands for goes no further until it is handled.',
  },
  {
    name: 'FinalityMessagesWait',
    when: 'max by (namespace, service) (finality_consumer_lag_messages) > 10000 or max by (namespace, service) (finality_relay_lag_messages) > 10000',
    for: '10m',
    severity: 'warning',
    summary: 'A service reads or sends more slowly than messages arise',
    action: 'Look at the service’s CPU, at the brokers and at its database.',
  },
  {
    name: 'FinalityMoneyInSuspense',
    when: 'max by (namespace) (finality_ledger_sats{where="suspense"}) > 0',
    for: '1h',
    severity: 'warning',
    summary: 'Money has arrived, or stayed, where the platform can’t say whose it is',
    action: 'ListDeposits shows deposits in suspense with their reasons.',
  },
];

/** Rules as Prometheus reads them from `rule_files`, or as the spec of a PrometheusRule. */
export function alertRules(): string {
  const rules = ALERTS.map(({ name, when, for: period, severity, summary, action }) => ({
    alert: name,
    expr: when,
    for: period,
    labels: { severity },
    annotations: { summary, action },
  }));
  return withHeader(stringify({ groups: [{ name: 'finality', rules }] }, { lineWidth: 0 }));
}
