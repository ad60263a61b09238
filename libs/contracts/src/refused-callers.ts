import type { RefusedCaller, RefusedInput } from './refused-row.ts';

/** Whoever may not ask, by the same request. */
export const CALLERS: readonly RefusedInput[] = [
  ['no API key', 'none', 'UNAUTHENTICATED', 'API_KEY_MISSING'],
  ['something that is no API key', 'malformed', 'UNAUTHENTICATED', 'API_KEY_MALFORMED'],
  ['an API key that was never issued', 'unissued', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key with a wrong secret', 'wrong', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key that was revoked', 'revoked', 'UNAUTHENTICATED', 'API_KEY_INVALID'],
  ['an API key of another institution than from_institution', 'payee', 'PERMISSION_DENIED', 'FOREIGN_INSTITUTION'],
  ['an operator’s API key', 'operator', 'PERMISSION_DENIED', 'ROLE_REQUIRED'],
].map(([input, caller, status, reason]) => ({
  rpc: 'SubmitSettlement',
  input: input!,
  status: status!,
  field: '',
  reason: reason!,
  caller: caller as RefusedCaller,
}));
