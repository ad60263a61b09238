import { assertNever, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { PLATFORM_INSTITUTION_ID } from '../institution.ts';
import { type ApprovalPolicyRequest, setApprovalPolicy } from './approvals.ts';
import { type BankCorrectionRequest, correctBankLine, correctionRefusal } from './bank-corrections.ts';
import {
  type CreditTermsRequest,
  type PledgeRequest,
  releasePledge,
  releaseRefusal,
  setCreditTerms,
} from './collateral.ts';
import { declarationRefusal, declareOverdue, type DefaultDeclaration } from './declaration.ts';
import { creditLineRefusal, type CreditLineRequest, setCreditLine } from './credit-lines.ts';
import { restrictCounterparties, type Restriction } from './counterparties.ts';
import { type DebitCapRequest, setDebitCap } from './debit-caps.ts';
import { issueApiKey, keyRefusal, type KeyRequest } from './api-keys.ts';
import { unfreezeInstitution, unfreezeRefusal, type UnfreezeRequest, unknownInstitution } from './institutions.ts';
import { type LimitsRequest, setLimits } from './limits.ts';
import { publishRate, type RateProposal, rateRefusal } from './rates.ts';

/** What operators decide about others' money: what makes anybody's risk greater takes two of them (ADR 28). */
export type Change =
  | { readonly type: 'set_credit_line'; readonly request: CreditLineRequest }
  | { readonly type: 'set_credit_terms'; readonly request: CreditTermsRequest }
  | { readonly type: 'release_pledge'; readonly request: PledgeRequest }
  | { readonly type: 'set_limits'; readonly request: LimitsRequest }
  | { readonly type: 'set_debit_cap'; readonly request: DebitCapRequest }
  | { readonly type: 'set_approval_policy'; readonly request: ApprovalPolicyRequest }
  | { readonly type: 'restrict_counterparties'; readonly request: Restriction }
  | { readonly type: 'issue_api_key'; readonly request: KeyRequest }
  | { readonly type: 'unfreeze_institution'; readonly request: UnfreezeRequest }
  | { readonly type: 'declare_default'; readonly request: DefaultDeclaration }
  | { readonly type: 'correct_bank_line'; readonly request: BankCorrectionRequest }
  | { readonly type: 'publish_rate'; readonly proposal: RateProposal };

/** As things are now: by one person, whose word is refused with SECOND_PERSON_REQUIRED where it doesn't do, or by both that the change names. */
export function carryOut(book: Book, change: Change): Result<unknown, Refusal> {
  switch (change.type) {
    case 'set_credit_line':
      return setCreditLine(book, change.request);
    case 'set_credit_terms':
      return setCreditTerms(book, change.request);
    case 'release_pledge':
      return releasePledge(book, change.request);
    case 'set_limits':
      return setLimits(book, change.request);
    case 'set_debit_cap':
      return setDebitCap(book, change.request);
    case 'set_approval_policy':
      return setApprovalPolicy(book, change.request);
    case 'restrict_counterparties':
      return restrictCounterparties(book, change.request);
    case 'issue_api_key':
      return issueApiKey(book, change.request);
    case 'unfreeze_institution':
      return unfreezeInstitution(book, change.request);
    case 'declare_default':
      return declareOverdue(book, change.request);
    case 'correct_bank_line':
      return correctBankLine(book, change.request);
    case 'publish_rate':
      return publishRate(book, change.proposal);
    default:
      return assertNever(change, 'change');
  }
}

/** Why it couldn't be carried out now, whoever confirmed it. */
export function changeRefusal(book: Book, change: Change): Refusal | undefined {
  switch (change.type) {
    case 'set_credit_line':
      return creditLineRefusal(book, change.request);
    case 'release_pledge':
      return releaseRefusal(book, change.request);
    case 'issue_api_key':
      return keyRefusal(book, change.request);
    case 'unfreeze_institution':
      return unfreezeRefusal(book, change.request);
    case 'declare_default':
      return declarationRefusal(book, change.request);
    case 'correct_bank_line':
      return correctionRefusal(book, change.request);
    case 'publish_rate':
      return rateRefusal(book, change.proposal);
    case 'set_credit_terms':
    case 'set_limits':
    case 'set_debit_cap':
    case 'set_approval_policy':
    case 'restrict_counterparties': {
      const { institutionId } = change.request;
      return book.institutions.get(institutionId).status === 'none' ? unknownInstitution(institutionId) : undefined;
    }
    default:
      return assertNever(change, 'change');
  }
}

/** Whose money, limits, rates or key it is about; `platform`: the platform's own. */
export function institutionOf(change: Change): string {
  if (change.type === 'publish_rate') return change.proposal.makerId;
  if (change.type !== 'issue_api_key') return change.request.institutionId;
  const { institutionId } = change.request.key;
  return institutionId === '' ? PLATFORM_INSTITUTION_ID : institutionId;
}

/** With the word of the second person. */
export function confirmedChange(change: Change, confirmedBy: string): Change {
  if (change.type === 'publish_rate') return { ...change, proposal: { ...change.proposal, confirmedBy } };
  return { ...change, request: { ...change.request, confirmedBy } } as Change;
}
