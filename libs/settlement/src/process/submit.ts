import { dustLimitSats, type FeeTerms } from '@finality/bitcoin';
import {
  err,
  fieldError,
  type Instant,
  invalid,
  ok,
  refusal,
  type Refusal,
  type Result,
  type Sats,
} from '@finality/kernel';
import type { Claim, Money } from '@finality/ledger';
import type { Book } from '../book.ts';
import { mergeSources } from '../coin.ts';
import type { Priority } from '../queue.ts';
import type { FundingSource, LivingSettlement, Mode, Payee, Terms } from '../settlement.ts';
import { living } from '../settlement.ts';
import { approvalsFor } from './approvals.ts';
import { counterpartyRefusal } from './counterparties.ts';
import { payoutConfirmations } from './finality.ts';
import { institutionRefusal } from './institutions.ts';
import { count, hopelessRefusal, limitRefusal } from './limits.ts';
import { chooseCoins, scriptSized, spendable } from './choose-coins.ts';
import { payeeOf } from './payee.ts';
import { unquoted } from './reserve.ts';
import { valued } from '../unit-terms.ts';
import { unitTerms, useQuote } from './units.ts';
import { OVERDUE } from './withdraw.ts';

export interface Submission {
  readonly settlementId: string;
  readonly from: string;
  readonly to: string;
  /** 0 where something else is `paid`. */
  readonly amountSats: Sats;
  readonly mode: Mode;
  /** Of the network fee; nobody's in CENTRALIZED, which has none. */
  readonly feeBearer: FeeTerms['bearer'];
  readonly referenceId: string;
  /** Of the request that made it: kept with it, so that a restored store can tell when it is asked for again. */
  readonly idempotencyKey: string;
  readonly callbackUrl?: string;
  /** On-chain only. Default: an address of the payee's own wallet. */
  readonly destinationId?: string;
  readonly submittedBy: string;
  /** Which of the payer's wallets pays on-chain. */
  readonly payerWalletId?: string;
  /** Only for what {@link reverse} asks for. */
  readonly reverses?: string;
  /** CENTRALIZED only. */
  readonly priority?: Priority;
  readonly executeAt?: Instant;
  readonly expiresAt?: Instant;
  /** Another unit than satoshi; CENTRALIZED only. */
  readonly paid?: Money;
  /** What it is exchanged at; then it pays what was quoted. */
  readonly quoteId?: string;
  readonly failOnShortage?: boolean;
}

/** No output below this is relayed for every kind of script a payee's wallet can have (P2TR's dust limit). */
export const ON_CHAIN_MIN_SATS = 330n;

const DAY_MS = 86_400_000;
/** As far as anybody plans payments; a wrong year is found out. */
const SCHEDULED_AHEAD_MAX_MS = 366 * DAY_MS;
/** A quarter: liquidity that hasn't come by then isn't coming. */
const EXPIRES_AFTER_MAX_MS = 90 * DAY_MS;

/** Accepts a settlement and asks for its screening, or has it wait for its time. */
export function submit(book: Book, { payerWalletId, ...submission }: Submission): Result<LivingSettlement, Refusal> {
  const { settlementId, from, mode } = submission;
  const refused = partyRefusal(book, submission) ?? timesRefusal(book, submission);
  if (refused !== undefined) return err(refused);
  const units = unitTerms(book, submission);
  if (!units.ok) return units;
  if (mode !== 'centralized' && submission.amountSats < ON_CHAIN_MIN_SATS) {
    return err(
      invalid(
        fieldError('amount_sats', `expected at least ${ON_CHAIN_MIN_SATS} sat on-chain, got ${submission.amountSats}`),
      ),
    );
  }
  const payer = claimOf(book, from, mode, 'from_institution', payerWalletId);
  if (!payer.ok) return payer;
  const payee = payeeOf(book, submission, payer.value, () => claimOf(book, submission.to, mode, 'to_institution'));
  if (!payee.ok) return payee;
  const problem =
    dustRefusal(book, payee.value, submission.amountSats) ??
    counterpartyRefusal(book, submission) ??
    (submission.executeAt === undefined ? limitRefusal : hopelessRefusal)(
      book,
      from,
      valued({ ...submission, ...units.value }),
    );
  if (problem !== undefined) return err(problem);
  const terms: Terms = {
    ...agreedIn(submission),
    ...(payerWalletId === undefined ? {} : { payerWalletId }),
    fees: { bearer: submission.feeBearer, bumpBearer: book.policy.bumpBearer },
    payer: payer.value,
    payee: payee.value,
    policyVersion: book.policy.version,
    ...units.value,
  };
  const received = { terms, ...payoutConfirmations(book, terms, false) };
  book.settlements.record(settlementId, { type: 'settlement_received', at: book.now, ...received });
  useQuote(book, terms);
  if (terms.executeAt === undefined) begin(book, terms);
  else {
    book.schedule(settlementId, terms.executeAt, 'due');
    book.settlements.record(settlementId, { type: 'settlement_scheduled', at: book.now });
  }
  return ok(living(book.settlements.get(settlementId)));
}

/** What terms keep of what was asked for as it is. */
function agreedIn({
  feeBearer: _whose,
  paid: _paid,
  quoteId: _at,
  failOnShortage: _how,
  ...agreed
}: Omit<Submission, 'payerWalletId'>) {
  return agreed;
}

/** A scheduled settlement's time has come: it begins, unless a party has been frozen since, the payer may not pay it, or it comes too late. Anything else is left as it is. */
export function fallDue(book: Book, settlementId: string): void {
  const state = book.settlements.get(settlementId);
  if (state.status !== 'scheduled') return;
  book.cancelTimer(settlementId, 'due');
  const { terms } = state;
  const at = book.now;
  const refused =
    partyRefusal(book, terms) ?? counterpartyRefusal(book, terms) ?? limitRefusal(book, terms.from, valued(terms));
  if (refused !== undefined) {
    book.settlements.record(settlementId, { type: 'settlement_failed', at, reason: refused.message });
  } else if (terms.expiresAt !== undefined && terms.expiresAt <= at) {
    book.settlements.record(settlementId, { type: 'settlement_expired', at, reason: OVERDUE });
  } else {
    begin(book, terms);
  }
}

/** Screening is about the lists, and the coins, of the day. */
function begin(book: Book, terms: Terms): void {
  const at = book.now;
  book.schedule(terms.settlementId, terms.expiresAt ?? ((at + book.policy.expiryMs) as Instant), 'expiry');
  const limitsVersion = count(book, terms);
  const approvals = approvalsFor(book, terms);
  book.settlements.record(terms.settlementId, {
    type: 'screening_requested',
    at,
    sources: sourcesOf(book, terms),
    ...(limitsVersion !== undefined && { limitsVersion }),
    ...(approvals && { approvals }),
  });
}

const partyRefusal = (book: Book, { from, to }: Pick<Terms, 'from' | 'to'>): Refusal | undefined =>
  institutionRefusal(book, from, 'from_institution') ?? institutionRefusal(book, to, 'to_institution');

function timesRefusal({ now }: Book, { executeAt, expiresAt }: Submission): Refusal | undefined {
  const problems = [];
  if (executeAt !== undefined && (executeAt <= now || executeAt - now > SCHEDULED_AHEAD_MAX_MS))
    problems.push(fieldError('execute_at', 'expected a time in the future, at most 366 days ahead'));
  const start = executeAt ?? now;
  if (expiresAt !== undefined && (expiresAt <= start || expiresAt - start > EXPIRES_AFTER_MAX_MS))
    problems.push(fieldError('expires_at', 'expected a time after now and execute_at, at most 90 days later'));
  return problems.length === 0 ? undefined : invalid(...problems);
}

type Party = 'from_institution' | 'to_institution';

/** On-chain: the first custodial wallet, or the first of those whose keys are the institution's. */
function claimOf(book: Book, institutionId: string, mode: Mode, party: Party, wanted?: string): Result<Claim, Refusal> {
  if (mode === 'centralized') return ok({ kind: 'clearing', institutionId });
  const wallets = book.walletsOf(institutionId).filter(({ walletId }) => wanted === undefined || walletId === wanted);
  if (wanted !== undefined && wallets.length === 0) return err(unknownWallet(institutionId, wanted));
  // What a legacy coin is spent by has no txid that is known before it is signed: such wallets are paid, and don't pay.
  const able = party === 'to_institution' ? wallets : wallets.filter(({ scriptType }) => scriptType !== 'pkh');
  const wallet = able.find(({ custodial }) => custodial) ?? able[0];
  if (wallet !== undefined) return ok({ kind: 'wallet', walletId: wallet.walletId });
  const message = `${institutionId} has no wallet that can ${party === 'to_institution' ? 'be paid' : 'pay'}: register one before settling on-chain`;
  return err(refusal('failed_precondition', 'NO_WALLET', message, { fields: [fieldError(party, message)] }));
}

function unknownWallet(institutionId: string, walletId: string): Refusal {
  const message = `expected a wallet of ${institutionId}, got "${walletId}"`;
  return refusal('not_found', 'UNKNOWN_WALLET', message, { fields: [fieldError('payer_wallet_id', message)] });
}

function dustRefusal(book: Book, payee: Payee, amountSats: Sats): Refusal | undefined {
  if (payee.kind === 'clearing') return undefined;
  const least = dustLimitSats(scriptSized(book, payee));
  if (amountSats >= least) return undefined;
  return invalid(
    fieldError('amount_sats', `expected at least ${least} sat to a script of that type, got ${amountSats}`),
  );
}

/**
 * What the coins to be spent were funded from. Coins are claimed when liquidity is reserved; screening looks at those that would be chosen
 * now, or at all that could be where there aren't enough yet. Whatever comes in later was screened as a deposit of its own.
 */
function sourcesOf(book: Book, terms: Terms): readonly FundingSource[] {
  if (terms.payer.kind === 'clearing' || terms.payee.kind === 'clearing') return [];
  const { walletId } = terms.payer;
  const choice = chooseCoins(book, { walletId, payouts: [unquoted(book, terms, terms.payee)] });
  const coins = choice.ok ? choice.value.coins : spendable(book, walletId);
  return mergeSources(coins.map((coin) => coin.sources));
}
