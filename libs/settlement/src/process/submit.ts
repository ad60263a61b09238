import type { FeeTerms } from '@finality/bitcoin';
import { err, fieldError, invalid, ok, refusal, type Refusal, type Result, type Sats } from '@finality/kernel';
import type { Claim } from '@finality/ledger';
import type { Book } from '../book.ts';
import { mergeSources } from '../coin.ts';
import type { FundingSource, LivingSettlement, Mode, Terms } from '../settlement.ts';
import { living } from '../settlement.ts';
import { payoutConfirmations } from './finality.ts';
import { chooseCoins, spendable } from './choose-coins.ts';
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
  readonly callbackUrl?: string;
  readonly submittedBy: string;
}

/** No output below this is relayed for every kind of script a payee's wallet can have (P2TR's dust limit). */
export const ON_CHAIN_MIN_SATS = 330n;

/** Accepts a settlement and asks for its screening. */
export function submit(book: Book, submission: Submission): Result<LivingSettlement, Refusal> {
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
  const payer = claimOf(book, from, mode, 'from_institution');
  if (!payer.ok) return payer;
  const payee = claimOf(book, to, mode, 'to_institution');
  if (!payee.ok) return payee;
  const { feeBearer, ...agreed } = submission;
  const terms: Terms = {
    ...agreed,
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

function claimOf(book: Book, institutionId: string, mode: Mode, field: string): Result<Claim, Refusal> {
  if (mode === 'centralized') return ok({ kind: 'clearing', institutionId });
  const wallet = book.walletOf(institutionId);
  if (wallet !== undefined) return ok({ kind: 'wallet', walletId: wallet.walletId });
  const message = `${institutionId} has no custodial wallet: register one before settling on-chain`;
  return err(refusal('failed_precondition', 'NO_CUSTODIAL_WALLET', message, { fields: [fieldError(field, message)] }));
}

/**
 * What the coins to be spent were funded from. Coins are claimed when liquidity is reserved; screening looks at those that would be chosen
 * now, or at all that could be where there aren't enough yet. Whatever comes in later was screened as a deposit of its own.
 */
function sourcesOf(book: Book, terms: Terms): readonly FundingSource[] {
  if (terms.payer.kind === 'clearing' || terms.payee.kind === 'clearing') return [];
  const { walletId } = terms.payer;
  const choice = chooseCoins(book, { walletId, payouts: [unquoted(book, terms, terms.payee.walletId)] });
  const coins = choice.ok ? choice.value.coins : spendable(book, walletId);
  return mergeSources(coins.map((coin) => coin.sources));
}
