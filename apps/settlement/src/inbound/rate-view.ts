import type { exchangeV1 } from '@finality/contracts';
import { assert, type FieldError, fieldError, type Principal, refusal } from '@finality/kernel';
import { requireInstitution, toRpcException } from '@finality/service';
import { knownQuote, PLATFORM_INSTITUTION_ID } from '@finality/settlement';
import { quoteMessage, rateMessage } from '../store/exchange-messages.ts';
import { quoteStream, rateStream } from '../store/exchange-streams.ts';
import { checkInstitutionId } from './fields.ts';
import type { Gateway } from './gateway.ts';
import { isStaff } from './statement-accounts.ts';

export const checkMaker = (makerId: string): FieldError | undefined => checkInstitutionId('maker_institution', makerId);

/** A maker's rates are its own to give, or an operator's for it; those of the platform are references. @throws RefusalException */
export function requireMaker(caller: Principal, makerId: string): void {
  if (caller.roles.includes('operator')) return;
  const own = requireInstitution(caller, makerId);
  if (!own.ok || makerId === PLATFORM_INSTITUTION_ID)
    throw toRpcException(own.ok ? refusal('permission_denied', 'ROLE_REQUIRED', 'only operators say that') : own.error);
}

export async function showRate({ reader }: Pick<Gateway, 'reader'>, rateId: string): Promise<exchangeV1.Rate> {
  const { state } = await reader.loadState(rateStream, rateId);
  assert(state.status !== 'none', `${rateId} is known`);
  return rateMessage(state);
}

/** To those who have nothing to do with it, it doesn't exist. @throws RefusalException NOT_FOUND */
export async function showQuote(
  { reader, env }: Pick<Gateway, 'reader' | 'env'>,
  quoteId: string,
  caller: Principal,
): Promise<exchangeV1.Quote> {
  const { state } = await reader.loadState(quoteStream, quoteId);
  const isTheirs =
    state.status !== 'none' &&
    (isStaff(caller) || [state.terms.institutionId, state.terms.makerId].includes(caller.institutionId ?? ''));
  if (!isTheirs) {
    const message = `expected a quote of yours, got "${quoteId}"`;
    const fields = [fieldError('quote_id', message)];
    throw toRpcException(refusal('not_found', 'UNKNOWN_QUOTE', message, { fields }));
  }
  return quoteMessage(knownQuote(state), env.runtime.now());
}
