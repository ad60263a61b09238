import type { Batch, CommandHandler, Handled, Session, StoreCommand, StoredEvent } from '@finality/event-store';
import { assert, assertNever, err, type Principal, refusal, type Refusal, type Result } from '@finality/kernel';
import { seal, type SealsEvent, sign } from '@finality/ledger';
import { saveLedger, saveSegment } from '@finality/ledger-store';
import {
  applyChainFact,
  attributeDeposits,
  bumpSettlement,
  cancel,
  confirmIncident,
  consolidate,
  createInstitution,
  depositAssessed,
  expire,
  freezeInstitution,
  issueApiKey,
  type LivingSettlement,
  offer,
  reserve,
  review,
  reviewDeposit,
  revokeApiKey,
  settlementAssessed,
  type SettlementPolicy,
  signed,
  signingRefused,
  submit,
  unfreezeInstitution,
} from '@finality/settlement';
import { saveCoins } from '../projections/coins.ts';
import { saveMaturities } from '../projections/maturities.ts';
import { saveAddresses, saveWallets } from '../projections/registry.ts';
import { saveDeposits, saveInstitutions, saveLineages, saveSettlements, saveVersions } from '../projections/streams.ts';
import type { BatchBook } from './batch-book.ts';
import type { CommandOf, SettlementCommand, SettlementReply } from './commands.ts';
import { loadBook } from './load.ts';

const DONE: Handled<SettlementReply> = { kind: 'accepted', reply: { type: 'done' } };

/** The settlement service's side of the batch: loads the book, lets the domain decide on it, writes what changed. */
export class SettlementHandler implements CommandHandler<SettlementCommand, BatchBook, SettlementReply> {
  readonly #policy: SettlementPolicy;

  constructor(policy: SettlementPolicy) {
    this.#policy = policy;
  }

  load(session: Session, commands: readonly StoreCommand<SettlementCommand>[], batch: Batch): Promise<BatchBook> {
    return loadBook(session, commands, batch, this.#policy);
  }

  handle({ body }: StoreCommand<SettlementCommand>, book: BatchBook): Handled<SettlementReply> {
    switch (body.type) {
      case 'submit':
        return settlementReply(submit(book, body.submission));
      case 'cancel':
        return settlementReply(cancelBy(book, body));
      case 'confirm_incident':
        return replyOf(confirmIncident(book, body.incidentId, body.caller.keyId, body.reason), () => ({
          type: 'done',
        }));
      case 'bump':
        return settlementReply(bumpBy(book, body));
      case 'review':
        return settlementReply(review(book, body.review));
      case 'review_deposit':
        return replyOf(reviewDeposit(book, body.review), (deposit) => ({ type: 'deposit', deposit }));
      case 'create_institution':
        return institutionReply(createInstitution(book, body.institution));
      case 'freeze_institution':
        return institutionReply(freezeInstitution(book, body.institutionId, body.reason));
      case 'unfreeze_institution':
        return institutionReply(unfreezeInstitution(book, body.institutionId, body.reason));
      case 'issue_api_key':
        return apiKeyReply(issueApiKey(book, body.key));
      case 'revoke_api_key':
        return apiKeyReply(revokeApiKey(book, body.keyId, body.reason));
      default:
        happened(book, body);
        return DONE;
    }
  }

  async save(session: Session, book: BatchBook, events: readonly StoredEvent[], batch: Batch): Promise<void> {
    const position = events.at(-1)?.position;
    assert(
      position !== undefined || book.ledger.changes().transfers.length === 0,
      'transfers without an event would be lost',
    );
    if (position !== undefined) {
      await saveLedger(session, book.loadedLedger, position, batch.now);
      await saveSettlements(session, events, batch);
      await saveInstitutions(session, events, batch);
      await saveLineages(session, events, batch);
      await saveDeposits(session, events, batch);
    }
    for (const head of book.newSegments) await saveSegment(session, head);
    await saveVersions(session, book.newVersions);
    await saveCoins(session, book.coins.changed());
    await saveWallets(session, [...book.newWallets.values()]);
    await saveAddresses(session, [...book.newAddresses.values()]);
    await saveMaturities(session, [...book.addedMaturities.values()], [...book.takenMaturities.values()]);
  }
}

type Happened = CommandOf<
  | 'expire'
  | 'retry_reservation'
  | 'consolidate'
  | 'verdict'
  | 'wallet_changed'
  | 'address_issued'
  | 'chain_fact'
  | 'destinations_assigned'
  | 'transaction_signed'
  | 'signing_refused'
  | 'segment_sealed'
  | 'head_signed'
>;

function recordSeals(book: BatchBook, events: readonly SealsEvent[]): void {
  if (events.length > 0) book.seals.record(...events);
}

/** What nobody waits for an answer to: it has happened, and can't be refused. */
function happened(book: BatchBook, body: Happened): void {
  switch (body.type) {
    case 'expire':
      return expire(book, body.settlementId);
    case 'retry_reservation':
      return reserve(book, body.settlementId);
    case 'consolidate':
      return consolidate(book, body.request);
    case 'verdict':
      if (body.subject === 'settlement') return settlementAssessed(book, body.id, body.by, body.assessment);
      return depositAssessed(book, body.id, body.by, body.assessment);
    case 'wallet_changed':
      return book.putWallet(body.wallet);
    case 'address_issued':
      book.putAddress(body.address);
      return attributeDeposits(book, book.depositsTo(body.address.script), body.address.institutionId);
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
    case 'signing_refused':
      return signingRefused(book, body.lineageId, body.version, body.rule);
    default:
      return assertNever(body, 'command');
  }
}

function cancelBy(
  book: BatchBook,
  { settlementId, reason, caller }: CommandOf<'cancel'>,
): Result<LivingSettlement, Refusal> {
  const notTheirs = payersOnly(book, settlementId, caller);
  return notTheirs ? err(notTheirs) : cancel(book, settlementId, reason, caller.keyId);
}

function bumpBy(
  book: BatchBook,
  { settlementId, feeRate, caller }: CommandOf<'bump'>,
): Result<LivingSettlement, Refusal> {
  const notTheirs = payersOnly(book, settlementId, caller);
  return notTheirs ? err(notTheirs) : bumpSettlement(book, settlementId, feeRate);
}

/** The payer's, or an operator's. To anybody but the two parties it doesn't exist. */
function payersOnly(book: BatchBook, settlementId: string, caller: Principal): Refusal | undefined {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none' || caller.roles.includes('operator')) return undefined;
  if (state.terms.from === caller.institutionId) return undefined;
  if (state.terms.to === caller.institutionId)
    return refusal('permission_denied', 'NOT_THE_PAYER', 'only the payer can do this to a settlement');
  return refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`);
}

function replyOf<T>(result: Result<T, Refusal>, reply: (value: T) => SettlementReply): Handled<SettlementReply> {
  return result.ok ? { kind: 'accepted', reply: reply(result.value) } : { kind: 'refused', refusal: result.error };
}

const settlementReply = (result: ReturnType<typeof submit>): Handled<SettlementReply> =>
  replyOf(result, (settlement) => ({ type: 'settlement', settlement }));
const institutionReply = (result: ReturnType<typeof createInstitution>): Handled<SettlementReply> =>
  replyOf(result, (institution) => ({ type: 'institution', institution }));
const apiKeyReply = (result: ReturnType<typeof issueApiKey>): Handled<SettlementReply> =>
  replyOf(result, (apiKey) => ({ type: 'api_key', apiKey }));
