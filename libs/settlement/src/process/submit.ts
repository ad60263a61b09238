import { dustLimitSats, type FeeTerms } from '@finality/bitcoin';
import { assert, err, fieldError, invalid, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { Book } from '../book.ts';
import { mergeSources } from '../coin.ts';
import { destinationRefusal } from '../destination.ts';
import type { FundingSource, LivingSettlement, Mode, Payee, Terms } from '../settlement.ts';
import { living } from '../settlement.ts';
import { payoutConfirmations } from './finality.ts';
import { chooseCoins, knownWallet, scriptSized, spendable } from './choose-coins.ts';
import { unquoted } from './reserve.ts';

export interface Submission {
  readonly settlementId: string;
  readonly from: string;
  readonly to: string;
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
}

/** No output below this is relayed for every kind of script a payee's wallet can have (P2TR's dust limit). */
export const ON_CHAIN_MIN_SATS = 330n;

/** Accepts a settlement and asks for its screening. */
export function submit(book: Book, { payerWalletId, ...submission }: Submission): Result<LivingSettlement, Refusal> {
  const { settlementId, from, to, mode } = submission;
  const refused = institutionRefusal(book, from, 'from_institution') ?? institutionRefusal(book, to, 'to_institution');
  if (refused !== undefined) return err(refused);
  if (mode !== 'centralized' && submission.amountSats < ON_CHAIN_MIN_SATS) {
    return err(
      invalid(
        fieldError('amount_sats', `expected at least ${ON_CHAIN_MIN_SATS} sat on-chain, got ${submission.amountSats}`),
      ),
    );
  }
  const payer = claimOf(book, from, mode, 'from_institution', payerWalletId);
  if (!payer.ok) return payer;
  const payee = payeeOf(book, submission);
  if (!payee.ok) return payee;
  const problem =
    ownWalletRefusal(book, payer.value, payee.value) ?? dustRefusal(book, payee.value, submission.amountSats);
  if (problem !== undefined) return err(problem);
  const { feeBearer, destinationId: _named, ...agreed } = submission;
  const terms: Terms = {
    ...agreed,
    ...(payerWalletId === undefined ? {} : { payerWalletId }),
    fees: { bearer: feeBearer, bumpBearer: book.policy.bumpBearer },
    payer: payer.value,
    payee: payee.value,
    policyVersion: book.policy.version,
  };
  book.schedule(settlementId, (book.now + book.policy.expiryMs) as typeof book.now);
  const state = book.settlements.record(
    settlementId,
    { type: 'settlement_received', at: book.now, terms, ...payoutConfirmations(book, terms, false) },
    { type: 'screening_requested', at: book.now, sources: sourcesOf(book, terms) },
  );
  return ok(living(state));
}

function institutionRefusal(book: Book, institutionId: string, field: string): Refusal | undefined {
  const institution = book.institutions.get(institutionId);
  if (institution.status === 'none') {
    return refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`, {
      fields: [fieldError(field, `expected a registered institution, got "${institutionId}"`)],
    });
  }
  if (institution.status === 'frozen') {
    return refusal(
      'failed_precondition',
      'INSTITUTION_FROZEN',
      `${institutionId} is frozen: ${institution.reason ?? ''}`,
      {
        fields: [fieldError(field, 'expected an active institution, got a frozen one')],
      },
    );
  }
  return undefined;
}

function payeeOf(book: Book, { to, mode, destinationId }: Submission): Result<Payee, Refusal> {
  if (destinationId === undefined) return claimOf(book, to, mode, 'to_institution');
  const destination = book.destination(destinationId);
  const refused = destinationRefusal(destination, { destinationId, payeeInstitutionId: to }, book.now);
  if (refused) return err(refused);
  assert(destination !== undefined, 'a destination that isn’t refused is known');
  const { script, address } = destination;
  return ok({ kind: 'destination', destinationId, script, address });
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

/** The signer pays accounts of its own, and scripts that were registered with it: of a wallet whose keys are others' it knows nothing. */
function ownWalletRefusal(book: Book, payer: Claim, payee: Payee): Refusal | undefined {
  if (payer.kind !== 'wallet' || payee.kind !== 'wallet') return undefined;
  if (!knownWallet(book, payer.walletId).custodial || knownWallet(book, payee.walletId).custodial) return undefined;
  const message = 'expected a payee with a custodial wallet: the signer pays no wallet whose keys are the payee’s own';
  return refusal('failed_precondition', 'PAYEE_NOT_PAYABLE', message, {
    fields: [fieldError('to_institution', message)],
  });
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
