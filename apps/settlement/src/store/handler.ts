import type {
  Batch,
  CommandHandler,
  Handled,
  Session,
  StoreCommand,
  StoredEvent,
  WritingSession,
} from '@finality/event-store';
import { assert, assertNever, err, type Principal, refusal, type Refusal, type Result } from '@finality/kernel';
import { seal, type SealsEvent, sign } from '@finality/ledger';
import { saveLedger, saveSegment } from '@finality/ledger-store';
import {
  addSignatures,
  adoptSettlement,
  allowCounterparty,
  applyChainFact,
  attributeDeposits,
  beginRecovery,
  bumpSettlement,
  cancel,
  carryOut,
  coinsReleased,
  collect,
  confirmIncident,
  confirmRelease,
  confirmResolution,
  anchorHead,
  consolidate,
  createInstitution,
  decideExchange,
  decideProposal,
  depositAssessed,
  destinationRefused,
  expire,
  expireCreditLine,
  fallDue,
  finishRecovery,
  freezeInstitution,
  importTransaction,
  journalChecked,
  journalImported,
  type LivingSettlement,
  offer,
  observeLiquidity,
  offset,
  postPledge,
  preparePayout,
  type ProposalCommand,
  proposeRelease,
  proposeResolution,
  reconciled,
  type RecoveryEvent,
  registerFirstKey,
  reprioritize,
  removeCounterparty,
  reserve,
  reverse,
  review,
  reviewDeposit,
  revokeApiKey,
  setLiquidityAlerts,
  type Settlement,
  settlementAssessed,
  type SettlementPolicy,
  signed,
  signingRefused,
  submit,
} from '@finality/settlement';
import { saveBankBookings } from '../projections/bank-bookings.ts';
import { saveCoins } from '../projections/coins.ts';
import { saveDefaults } from '../projections/defaults.ts';
import { saveMaturities } from '../projections/maturities.ts';
import { savePreviousTransactions } from '../projections/previous-transactions.ts';
import { saveProposals } from '../projections/proposals.ts';
import { saveRates } from '../projections/rates.ts';
import { saveAddresses, saveDestinations, saveWallets } from '../projections/registry.ts';
import { saveHeadAnchors } from '../projections/head-anchors.ts';
import { saveDeposits, saveInstitutions, saveLineages, saveSettlements, saveVersions } from '../projections/streams.ts';
import { saveSuspense } from '../projections/suspense.ts';
import { savePositions, saveWindows } from '../projections/windows.ts';
import type { BatchBook } from './batch-book.ts';
import type { CommandOf, RecoveryCommand, SettlementCommand, SettlementReply } from './commands.ts';
import { loadBook, recentLedger } from './load.ts';
import { streamsOf } from './needed-streams.ts';
import { Needs } from './needs.ts';
import { decideWindow } from './window-commands.ts';

const DONE: Handled<SettlementReply> = { kind: 'accepted', reply: { type: 'done' } };

/** The settlement service's side of the batch: loads the book, lets the domain decide on it, writes what changed. */
export class SettlementHandler implements CommandHandler<SettlementCommand, BatchBook, SettlementReply> {
  readonly #policy: SettlementPolicy;

  constructor(policy: SettlementPolicy) {
    this.#policy = policy;
  }

  streamsOf(commands: readonly StoreCommand<SettlementCommand>[]): readonly string[] {
    return streamsOf(Needs.of(commands));
  }

  load(session: Session, commands: readonly StoreCommand<SettlementCommand>[], batch: Batch): Promise<BatchBook> {
    return loadBook(session, commands, batch, this.#policy);
  }

  handle({ body }: StoreCommand<SettlementCommand>, book: BatchBook): Handled<SettlementReply> {
    switch (body.type) {
      case 'submit':
      case 'reverse':
        return settlementReply(body.type === 'submit' ? submit(book, body.submission) : reverse(book, body.reversal));
      case 'cancel':
        return settlementReply(byPayer(book, body, () => withdrawn(book, body)));
      case 'reprioritize':
      case 'set_liquidity_alerts':
      case 'post_pledge':
        return liquidity(book, body);
      case 'set_credit_line':
      case 'set_credit_terms':
      case 'release_pledge':
      case 'set_limits':
      case 'set_approval_policy':
      case 'restrict_counterparties':
      case 'issue_api_key':
      case 'unfreeze_institution':
      case 'declare_default':
      case 'correct_bank_line':
      case 'publish_rate':
        return done(carryOut(book, body));
      case 'propose_change':
      case 'confirm_proposal':
      case 'reject_proposal':
      case 'release_coins':
      case 'confirm_release':
      case 'resolve_suspense':
      case 'confirm_resolution':
        return done(byTwo(book, body));
      case 'confirm_incident':
      case 'finish_recovery':
        return done(lookedAt(book, body));
      case 'bump':
        return settlementReply(byPayer(book, body, () => bumpSettlement(book, body.settlementId, body.feeRate)));
      case 'prepare_psbt':
      case 'add_signatures':
        return settlementReply(byPayer(book, body, () => forSigners(book, body)));
      case 'review':
        return settlementReply(review(book, body.review));
      case 'review_deposit':
        return replyOf(reviewDeposit(book, body.review), (deposit) => ({ type: 'deposit', deposit }));
      case 'propose_bank_booking':
      case 'confirm_bank_booking':
      case 'reject_bank_booking':
      case 'withdraw_rate':
      case 'request_quote':
        return done(decideExchange(book, body));
      case 'open_window':
      case 'close_window':
      case 'agree_netting':
      case 'end_netting':
      case 'choose_window_payout':
      case 'set_debit_cap':
        return done(decideWindow(book, body));
      case 'create_institution':
      case 'freeze_institution':
        return institutionReply(decideInstitution(book, body));
      case 'allow_counterparty':
      case 'remove_counterparty':
        return done((body.type === 'allow_counterparty' ? allowCounterparty : removeCounterparty)(book, body.request));
      case 'register_first_key':
      case 'revoke_api_key':
        return apiKeyReply(decideKey(book, body));
      default:
        happened(book, body);
        return DONE;
    }
  }

  async save(session: WritingSession, book: BatchBook, events: readonly StoredEvent[], batch: Batch): Promise<void> {
    const position = events.at(-1)?.position;
    assert(
      position !== undefined || book.ledger.changes().transfers.length === 0,
      'transfers without an event would be lost',
    );
    if (position !== undefined) {
      const ledger = saveLedger(session, book.loadedLedger, position, batch.now);
      if (ledger) batch.onStored(() => recentLedger(batch).saved(ledger.end, ledger.records));
      saveSettlements(session, events, batch);
      await saveInstitutions(session, events, batch);
      await saveLineages(session, events, batch);
      await saveHeadAnchors(session, events, batch);
      await saveDeposits(session, events, batch);
      saveSuspense(session, events, batch);
      await saveBankBookings(session, events, batch);
      await saveRates(session, events, batch);
      await saveProposals(session, events, batch);
      await saveWindows(session, events, batch);
      await saveDefaults(session, events, batch);
    }
    await beginEpoch(session, events);
    for (const head of book.newSegments) await saveSegment(session, head);
    savePositions(session, book.positions.added());
    await saveVersions(session, book.newVersions);
    await saveCoins(session, book.coins.changed());
    await savePreviousTransactions(session, book.newTransactions);
    await saveWallets(session, [...book.newWallets.values()]);
    await saveAddresses(session, [...book.newAddresses.values()]);
    await saveDestinations(session, [...book.changedDestinations.values()]);
    await saveMaturities(session, [...book.addedMaturities.values()], [...book.takenMaturities.values()]);
  }
}

/** What is decided after this batch has numbers that the lost store never gave out. */
async function beginEpoch(session: Session, events: readonly StoredEvent[]): Promise<void> {
  for (const { data } of events as readonly StoredEvent<RecoveryEvent | { readonly type: '' }>[])
    if (data.type === 'recovery_begun') await session.query('SELECT begin_epoch($1)', [data.epoch]);
}

type Happened = CommandOf<
  | 'fall_due'
  | 'expire'
  | 'expire_credit_line'
  | 'collect'
  | 'observe_liquidity'
  | 'retry_reservation'
  | 'resolve_gridlock'
  | 'consolidate'
  | 'anchor_head'
  | 'verdict'
  | 'wallet_changed'
  | 'address_issued'
  | 'destination_changed'
  | 'destination_refused'
  | 'chain_fact'
  | 'destinations_assigned'
  | 'transaction_signed'
  | 'signing_refused'
  | 'coins_released'
  | 'segment_sealed'
  | 'head_signed'
  | Recovered
>;

function recordSeals(book: BatchBook, events: readonly SealsEvent[]): void {
  if (events.length > 0) book.seals.record(...events);
}

type Recovered = Exclude<RecoveryCommand, 'finish_recovery'>;

/** What nobody waits for an answer to: it has happened, and can't be refused. */
function happened(book: BatchBook, body: Happened): void {
  switch (body.type) {
    case 'fall_due':
      return fallDue(book, body.settlementId);
    case 'expire':
      return expire(book, body.settlementId);
    case 'observe_liquidity':
      return observeLiquidity(book, body.institutionId, body.unit);
    case 'collect':
      return collect(book, body.institutionId);
    case 'expire_credit_line':
      return expireCreditLine(book, body.institutionId);
    case 'retry_reservation':
      return reserve(book, body.settlementId);
    case 'resolve_gridlock':
      return offset(book, body.request);
    case 'consolidate':
      return consolidate(book, body.request);
    case 'anchor_head':
      return anchorHead(book, body.request);
    case 'verdict':
      if (body.subject === 'settlement') return settlementAssessed(book, body.id, body.by, body.assessment);
      return depositAssessed(book, body.id, body.by, body.assessment);
    case 'wallet_changed':
      book.putWallet(body.wallet);
      return attributeDeposits(book, book.depositsOn(body.wallet.walletId));
    case 'address_issued':
      book.putAddress(body.address);
      return attributeDeposits(book, book.depositsTo(body.address.script));
    case 'destination_changed':
      return book.putDestination(body.destination);
    case 'destination_refused':
      return destinationRefused(book, body.lineageId, body.settlementId, body.rule);
    case 'chain_fact':
      return applyChainFact(book, body.fact);
    case 'destinations_assigned':
      return offer(book, body.lineageId, body.version, body.destinations);
    case 'transaction_signed':
      return signed(book, body.lineageId, body.version, body.signedHex);
    case 'segment_sealed':
      return recordSeals(book, seal(book.seals.get(), body.head, book.now));
    case 'head_signed': {
      const events = sign(book.seals.get(), body.head, book.now);
      if (events.length > 0) book.newSegments.push(body.head);
      return recordSeals(book, events);
    }
    case 'coins_released':
      return coinsReleased(book, body.lineageId);
    case 'signing_refused':
      return signingRefused(book, body.lineageId, body.version, body.rule);
    default:
      return recovered(book, body);
  }
}

function recovered(book: BatchBook, body: CommandOf<Recovered>): void {
  switch (body.type) {
    case 'begin_recovery':
      return beginRecovery(book, body.epoch, body.reason);
    case 'journal_checked':
      return journalChecked(book, body.position);
    case 'adopt_settlement':
      return adoptSettlement(book, body.terms, body.receivedAt);
    case 'import_transaction':
      return importTransaction(book, body.signed);
    case 'journal_imported':
      return journalImported(book, body.journal);
    case 'reconciled':
      return reconciled(book, body.report, body.ledgerPosition);
    default:
      return assertNever(body, 'command');
  }
}

/** What an operator has looked at, and answers for. */
const lookedAt = (
  book: BatchBook,
  body: CommandOf<'confirm_incident'> | CommandOf<'finish_recovery'>,
): Result<unknown, Refusal> =>
  body.type === 'confirm_incident'
    ? confirmIncident(book, body.incidentId, body.caller.keyId, body.reason)
    : finishRecovery(book, body.caller.keyId, body.reason);

const decideKey = (
  book: BatchBook,
  body: CommandOf<'register_first_key'> | CommandOf<'revoke_api_key'>,
): ReturnType<typeof registerFirstKey> =>
  body.type === 'register_first_key' ? registerFirstKey(book, body.key) : revokeApiKey(book, body.keyId, body.reason);

function decideInstitution(
  book: BatchBook,
  body: CommandOf<'create_institution'> | CommandOf<'freeze_institution'>,
): ReturnType<typeof createInstitution> {
  switch (body.type) {
    case 'create_institution':
      return createInstitution(book, body.institution);
    case 'freeze_institution':
      return freezeInstitution(book, body.institutionId, body.reason);
    default:
      return assertNever(body, 'command');
  }
}

/** What one person proposes, and another one confirms. */
function byTwo(
  book: BatchBook,
  body:
    | ProposalCommand
    | CommandOf<'release_coins' | 'confirm_release'>
    | CommandOf<'resolve_suspense'>
    | CommandOf<'confirm_resolution'>,
): Result<unknown, Refusal> {
  switch (body.type) {
    case 'release_coins':
      return proposeRelease(book, body.request);
    case 'confirm_release':
      return confirmRelease(book, body.request);
    case 'resolve_suspense':
      return proposeResolution(book, body.request);
    case 'confirm_resolution':
      return confirmResolution(book, body.request);
    default:
      return decideProposal(book, body);
  }
}

/** What institutions pay with, and in which order. */
function liquidity(
  book: BatchBook,
  body: CommandOf<'reprioritize' | 'set_liquidity_alerts' | 'post_pledge'>,
): Handled<SettlementReply> {
  switch (body.type) {
    case 'reprioritize':
      return settlementReply(
        byPayer(book, body, () => reprioritize(book, body.settlementId, body.priority, body.caller.keyId)),
      );
    case 'set_liquidity_alerts':
      return institutionReply(setLiquidityAlerts(book, body.request));
    case 'post_pledge':
      return done(postPledge(book, body.request));
    default:
      return assertNever(body, 'command');
  }
}

function byPayer(
  book: BatchBook,
  { settlementId, caller }: { readonly settlementId: string; readonly caller: Principal },
  decide: () => Result<LivingSettlement, Refusal>,
): Result<LivingSettlement, Refusal> {
  const notTheirs = payersOnly(book.settlements.get(settlementId), caller);
  return notTheirs ? err(notTheirs) : decide();
}

/** The payer's, or an operator's. To anybody but the two parties it doesn't exist. */
export function payersOnly(state: Settlement, caller: Principal): Refusal | undefined {
  if (state.status === 'none' || caller.roles.includes('operator')) return undefined;
  if (state.terms.from === caller.institutionId) return undefined;
  if (state.terms.to === caller.institutionId)
    return refusal('permission_denied', 'NOT_THE_PAYER', 'only the payer can do this to a settlement');
  return refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${state.terms.settlementId}`);
}

function replyOf<T>(result: Result<T, Refusal>, reply: (value: T) => SettlementReply): Handled<SettlementReply> {
  return result.ok ? { kind: 'accepted', reply: reply(result.value) } : { kind: 'refused', refusal: result.error };
}

const withdrawn = (book: BatchBook, { settlementId, reason, caller }: CommandOf<'cancel'>): ReturnType<typeof cancel> =>
  cancel(book, settlementId, reason, caller.keyId);
const forSigners = (
  book: BatchBook,
  body: CommandOf<'prepare_psbt' | 'add_signatures'>,
): ReturnType<typeof addSignatures> =>
  body.type === 'prepare_psbt'
    ? preparePayout(book, body.settlementId)
    : addSignatures(book, body.settlementId, body.added);

const done = (result: Result<unknown, Refusal>): Handled<SettlementReply> => replyOf(result, () => ({ type: 'done' }));
const settlementReply = (result: ReturnType<typeof submit>): Handled<SettlementReply> =>
  replyOf(result, (settlement) => ({ type: 'settlement', settlement }));
const institutionReply = (result: ReturnType<typeof createInstitution>): Handled<SettlementReply> =>
  replyOf(result, (institution) => ({ type: 'institution', institution }));
const apiKeyReply = (result: ReturnType<typeof registerFirstKey>): Handled<SettlementReply> =>
  replyOf(result, (apiKey) => ({ type: 'api_key', apiKey }));
