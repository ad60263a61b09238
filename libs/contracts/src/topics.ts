/** A service that owns topics, by the name of its app and schema. */
export type ServiceName = (typeof SERVICE_NAMES)[number];

/** Every service; none calls one that comes later when it starts. */
export const SERVICE_NAMES = [
  'signer',
  'address-issuer',
  'settlement',
  'chain-watcher',
  'risk',
  'aml',
  'reconciliation',
] as const;

/** What a topic carries, who writes it, and by what its messages are ordered (DESIGN 4). */
export interface Topic {
  readonly name: `finality.${string}.v1`;
  readonly owner: ServiceName;
  /** What the ordering key is. */
  readonly key: string;
  /** Full name of the protobuf message in the payload. */
  readonly message: string;
  /** Fixed when the topic is made: a key stays on its partition for ever. */
  readonly partitions: number;
  /** Only the newest message of each key must be kept. */
  readonly compacted: boolean;
  readonly purpose: string;
}

const PARTITIONS_DEFAULT = 24;

function topic(
  name: Topic['name'],
  owner: ServiceName,
  key: string,
  message: string,
  purpose: string,
  more: Partial<Topic> = {},
): Topic {
  return { name, owner, key, message, partitions: PARTITIONS_DEFAULT, compacted: false, purpose, ...more };
}

/** Every topic there is. */
export const TOPICS = {
  institution: topic(
    'finality.institution.institution.v1',
    'settlement',
    'institution_id',
    'finality.institution.v1.InstitutionChanged',
    'Institutions as they change.',
  ),
  apiKey: topic(
    'finality.institution.api-key.v1',
    'settlement',
    'key_id',
    'finality.institution.v1.ApiKeyChanged',
    'What a service needs to authenticate callers: hashes and roles, never secrets.',
    {
      compacted: true,
    },
  ),
  settlement: topic(
    'finality.settlement.settlement.v1',
    'settlement',
    'settlement_id',
    'finality.settlement.v1.SettlementChanged',
    'Settlements, a snapshot per change.',
  ),
  screening: topic(
    'finality.settlement.screening.v1',
    'settlement',
    'settlement_id',
    'finality.settlement.v1.ScreeningRequested',
    'Settlements that are to be judged, each once.',
  ),
  approval: topic(
    'finality.settlement.approval.v1',
    'settlement',
    'settlement_id',
    'finality.settlement.v1.SettlementApproved',
    'Settlements that have passed their screening: they count among what their payees are paid.',
  ),
  deposit: topic(
    'finality.settlement.deposit.v1',
    'settlement',
    'outpoint',
    'finality.settlement.v1.DepositChanged',
    'Money that came in from outside, from the mempool to credited or reversed.',
  ),
  incident: topic(
    'finality.settlement.incident.v1',
    'settlement',
    'incident_id',
    'finality.settlement.v1.IncidentChanged',
    'What an operator has to look at: most stop signing, some crediting too, until one has confirmed them.',
  ),
  window: topic(
    'finality.settlement.window.v1',
    'settlement',
    'window_id',
    'finality.settlement.v1.WindowChanged',
    'Netting windows as they open and close.',
  ),
  liquidityLevel: topic(
    'finality.liquidity.level.v1',
    'settlement',
    'institution_id',
    'finality.liquidity.v1.LiquidityLevelChanged',
    'Whose liquidity has crossed a level that it has set.',
  ),
  ledgerHeadAnchor: topic(
    'finality.ledger.head-anchor.v1',
    'settlement',
    'epoch/segment',
    'finality.ledger.v1.LedgerHeadAnchorChanged',
    'Heads of the ledger in the Bitcoin chain.',
    { partitions: 1 },
  ),
  default: topic(
    'finality.liquidity.default.v1',
    'settlement',
    'default_id',
    'finality.liquidity.v1.DefaultChanged',
    'Who has not paid what was due, and what covers it.',
  ),
  transaction: topic(
    'finality.settlement.transaction.v1',
    'settlement',
    'lineage_id',
    'finality.settlement.v1.TransactionChanged',
    'Transactions of ours: to broadcast until final.',
  ),
  bankBooking: topic(
    'finality.exchange.bank-booking.v1',
    'settlement',
    'booking_id',
    'finality.exchange.v1.BankBookingChanged',
    'What came in and went out on the platform’s accounts at banks.',
  ),
  proposal: topic(
    'finality.proposal.proposal.v1',
    'settlement',
    'proposal_id',
    'finality.proposal.v1.ProposalChanged',
    'What takes two operators, as it is proposed, confirmed and rejected.',
  ),
  rate: topic(
    'finality.exchange.rate.v1',
    'settlement',
    'maker_institution/base_unit/counter_unit',
    'finality.exchange.v1.RateChanged',
    'What market makers give of one unit for another.',
  ),
  quote: topic(
    'finality.exchange.quote.v1',
    'settlement',
    'quote_id',
    'finality.exchange.v1.QuoteChanged',
    'Exchanges whose amounts are locked, or were used.',
  ),
  wallet: topic(
    'finality.address.wallet.v1',
    'address-issuer',
    'wallet_id',
    'finality.address.v1.WalletChanged',
    'Wallets and their descriptors.',
  ),
  address: topic(
    'finality.address.address.v1',
    'address-issuer',
    'wallet_id',
    'finality.address.v1.AddressIssued',
    'Addresses as they are issued.',
  ),
  destination: topic(
    'finality.address.destination.v1',
    'address-issuer',
    'destination_id',
    'finality.address.v1.DestinationChanged',
    'Destinations, a snapshot per change.',
  ),
  chainFact: topic(
    'finality.chain.fact.v1',
    'chain-watcher',
    'network',
    'finality.chain.v1.ChainFact',
    'What the chain says, in the order it was seen.',
    { partitions: 1 },
  ),
  watch: topic(
    'finality.chain.watch.v1',
    'chain-watcher',
    'wallet_id',
    'finality.chain.v1.WatchExtended',
    'How far ahead the addresses of a wallet are watched.',
  ),
  riskVerdict: topic(
    'finality.risk.verdict.v1',
    'risk',
    'subject_id',
    'finality.risk.v1.VerdictReached',
    'Risk verdicts with their factors.',
  ),
  amlVerdict: topic(
    'finality.aml.verdict.v1',
    'aml',
    'subject_id',
    'finality.aml.v1.VerdictReached',
    'Verdicts of transaction monitoring with their alerts.',
  ),
  reconciliationRun: topic(
    'finality.reconciliation.run.v1',
    'reconciliation',
    'report_id',
    'finality.reconciliation.v1.RunCompleted',
    'Reports of reconciliation runs.',
  ),
} as const satisfies Record<string, Topic>;

/** The topic of that name; an unknown name is a bug. */
export function topicNamed(name: string): Topic {
  const found = Object.values(TOPICS).find((topic) => topic.name === name);
  if (!found) throw new Error(`no topic is named ${name}`);
  return found;
}
