import { assertNever, type Refusal, type Result } from '@finality/kernel';
import {
  type Book,
  type CreditTermsRequest,
  type PledgeRequest,
  postPledge,
  releasePledge,
  setCreditTerms,
} from '@finality/settlement';

/** What is decided about what institutions put aside, and what their credit rests on. */
export type CreditCommand =
  | { readonly type: 'post_pledge' | 'release_pledge'; readonly request: PledgeRequest }
  | { readonly type: 'set_credit_terms'; readonly request: CreditTermsRequest };

export function decideCredit(book: Book, body: CreditCommand): Result<unknown, Refusal> {
  switch (body.type) {
    case 'post_pledge':
      return postPledge(book, body.request);
    case 'release_pledge':
      return releasePledge(book, body.request);
    case 'set_credit_terms':
      return setCreditTerms(book, body.request);
    default:
      return assertNever(body, 'command');
  }
}
