import type { IdempotencyClaim } from '@finality/event-store';
import { fromTimestamp, settlementV1 } from '@finality/contracts';
import {
  err,
  type FieldError,
  fieldError,
  invalid,
  ok,
  parseAmount,
  type Principal,
  type Refusal,
  type Result,
  ZERO_SATS,
} from '@finality/kernel';
import { requireInstitution } from '@finality/service';
import type { Mode, Priority, Submission } from '@finality/settlement';
import { PRIORITIES } from '../store/messages.ts';
import { checkId, checkIdempotencyKey, checkInstitutionId, checkText, checkTime } from './fields.ts';
import { parseMoney } from './money.ts';

const REFERENCE_MAX = 128;
const CALLBACK_URL_MAX = 2_048;
const WALLET_ID_MAX = 128;

/** Which fields an idempotency key is held to; a new list gets a new version. */
const FIELDS_VERSION = '1';

/** The same scope for one and for many: a request may be repeated either way. */
const RPC = 'SubmitSettlement';

export interface ParsedSubmission {
  readonly submission: Submission;
  readonly idempotency: IdempotencyClaim;
}

/** What a submission has beside what was asked for. */
type Made = Pick<Submission, 'settlementId' | 'submittedBy' | 'reverses'>;

/** A request as it may be decided on. `settlementId` is used if it turns out to be new. */
export function parseSubmission(
  request: settlementV1.SubmitSettlementRequest,
  caller: Principal,
  settlementId: string,
): Result<ParsedSubmission, Refusal> {
  const parsed = parseAgreed(request, { settlementId, submittedBy: caller.keyId });
  if (!parsed.ok) return parsed;
  const own = requireInstitution(caller, request.fromInstitution);
  return own.ok ? parsed : own;
}

/** As {@link parseSubmission}, for a caller of whom it is known that he may. */
export function parseAgreed(
  request: settlementV1.SubmitSettlementRequest,
  made: Made,
): Result<ParsedSubmission, Refusal> {
  const amount = parsePaid(request);
  const mode = MODES[request.settlementMode];
  const priority = parsePriority(request.priority ?? SettlementPriority.SETTLEMENT_PRIORITY_UNSPECIFIED);
  const feeBearer = FEE_BEARERS[request.feePayer ?? FeePayer.FEE_PAYER_UNSPECIFIED];
  const problems: (FieldError | undefined)[] = [
    checkIdempotencyKey(request.idempotencyKey),
    checkInstitutionId('from_institution', request.fromInstitution),
    checkInstitutionId('to_institution', request.toInstitution),
    request.fromInstitution === request.toInstitution
      ? fieldError('to_institution', 'expected another institution than from_institution')
      : undefined,
    amount.ok ? undefined : amount.error,
    mode === undefined
      ? fieldError('settlement_mode', 'expected CENTRALIZED, BILATERAL or BLOCKCHAIN, got none of them')
      : undefined,
    checkFeePayer(feeBearer, mode),
    checkText('reference_id', request.referenceId, 0, REFERENCE_MAX),
    request.callbackUrl === undefined ? undefined : checkCallbackUrl(request.callbackUrl),
    request.destinationId === undefined ? undefined : checkDestinationId(request.destinationId, mode),
    request.payerWalletId === undefined ? undefined : checkPayerWallet(request.payerWalletId, mode),
    checkPriority(priority, mode),
    checkTime('execute_at', request.executeAt),
    checkTime('expires_at', request.expiresAt),
    ...checkQuote(request),
  ];
  const found = problems.filter((problem) => problem !== undefined);
  if (found.length > 0 || !amount.ok || mode === undefined || feeBearer === undefined || priority === undefined)
    return err(invalid(...found));
  const { fromInstitution: from, toInstitution: to, referenceId, idempotencyKey } = request;
  const { callbackUrl, destinationId, payerWalletId, executeAt, expiresAt } = request;
  const submission: Submission = {
    ...made,
    from,
    to,
    ...amount.value,
    mode,
    feeBearer,
    referenceId,
    idempotencyKey,
    ...(callbackUrl === undefined ? {} : { callbackUrl }),
    ...(destinationId === undefined ? {} : { destinationId }),
    ...(payerWalletId === undefined ? {} : { payerWalletId }),
    ...(priority === 'normal' ? {} : { priority }),
    ...(executeAt === undefined ? {} : { executeAt: fromTimestamp(executeAt) }),
    ...(expiresAt === undefined ? {} : { expiresAt: fromTimestamp(expiresAt) }),
    ...(request.quoteId === undefined
      ? {}
      : { quoteId: request.quoteId, failOnShortage: request.failOnShortage ?? false }),
  };
  return ok({ submission, idempotency: claimOf(submission) });
}

/** The key of a submission, and what it is held to. It is the payer's, who else may ask for it. */
export function claimOf(submission: Omit<Submission, 'submittedBy'>): IdempotencyClaim {
  const { settlementId, from, to, amountSats, mode, feeBearer, referenceId, callbackUrl, idempotencyKey } = submission;
  const { payerWalletId, destinationId, reverses, executeAt, expiresAt, priority } = submission;
  const { paid, quoteId, failOnShortage } = submission;
  return {
    principal: from,
    rpc: reverses === undefined ? RPC : 'ReverseSettlement',
    key: idempotencyKey,
    resourceId: settlementId,
    fields: {
      version: FIELDS_VERSION,
      ...(reverses !== undefined && { settlement_id: reverses }),
      from_institution: from,
      to_institution: to,
      amount_sats: `${amountSats}`,
      ...(quoteId !== undefined && { quote_id: quoteId, fail_on_shortage: `${failOnShortage}` }),
      ...(paid !== undefined && { unit: paid.unit, amount: `${paid.amount}` }),
      settlement_mode: mode,
      fee_payer: feeBearer,
      reference_id: referenceId,
      callback_url: callbackUrl ?? '',
      destination_id: destinationId ?? '',
      payer_wallet_id: payerWalletId ?? '',
      priority: priority ?? 'normal',
      execute_at: executeAt === undefined ? '' : `${executeAt}`,
      expires_at: expiresAt === undefined ? '' : `${expiresAt}`,
    },
  };
}

/** Satoshi, or another unit instead; nothing where a quote says it. */
function parsePaid(
  request: settlementV1.SubmitSettlementRequest,
): Result<Pick<Submission, 'amountSats' | 'paid'>, FieldError> {
  if (request.quoteId !== undefined && request.amount === undefined && request.amountSats === 0n)
    return ok({ amountSats: ZERO_SATS });
  if (request.amount === undefined) {
    const amount = parseAmount(request.amountSats, 'amount_sats');
    return amount.ok ? ok({ amountSats: amount.value }) : amount;
  }
  if (request.amountSats !== 0n) return err(fieldError('amount_sats', 'expected 0 beside an amount of another unit'));
  const paid = parseMoney(request.amount, 'amount');
  return paid.ok ? ok({ amountSats: ZERO_SATS, paid: paid.value }) : paid;
}

const checkQuote = ({
  quoteId,
  failOnShortage = false,
}: settlementV1.SubmitSettlementRequest): readonly (FieldError | undefined)[] => [
  quoteId === undefined ? undefined : checkId('quote_id', quoteId),
  failOnShortage && quoteId === undefined
    ? fieldError('fail_on_shortage', 'expected false without a quote: it waits until expires_at')
    : undefined,
];

function checkDestinationId(id: string, mode: Mode | undefined): FieldError | undefined {
  if (mode === 'centralized') return fieldError('destination_id', 'expected none: nothing is paid on-chain');
  return checkId('destination_id', id);
}

const MODES: Readonly<Record<number, Mode>> = {
  [settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED]: 'centralized',
  [settlementV1.SettlementMode.SETTLEMENT_MODE_BILATERAL]: 'bilateral',
  [settlementV1.SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN]: 'blockchain',
};

function checkPayerWallet(walletId: string, mode: Mode | undefined): FieldError | undefined {
  if (mode === 'centralized') return fieldError('payer_wallet_id', 'expected none: CENTRALIZED pays from clearing');
  return checkText('payer_wallet_id', walletId, 1, WALLET_ID_MAX);
}

const { FeePayer, SettlementPriority } = settlementV1;
const FEE_BEARERS: Readonly<Record<number, Submission['feeBearer']>> = {
  [FeePayer.FEE_PAYER_UNSPECIFIED]: 'payer',
  [FeePayer.FEE_PAYER_PAYER]: 'payer',
  [FeePayer.FEE_PAYER_PAYEE]: 'payee',
  [FeePayer.FEE_PAYER_SHARED]: 'shared',
};

function checkFeePayer(bearer: Submission['feeBearer'] | undefined, mode: Mode | undefined): FieldError | undefined {
  if (bearer === undefined) return fieldError('fee_payer', 'expected PAYER, PAYEE or SHARED, got none of them');
  if (mode !== 'centralized' || bearer === 'payer') return undefined;
  return fieldError('fee_payer', 'expected PAYER in CENTRALIZED, which has no network fee');
}

/** @returns undefined for what isn't in the enum */
export function parsePriority(priority: settlementV1.SettlementPriority): Priority | undefined {
  if (priority === SettlementPriority.SETTLEMENT_PRIORITY_UNSPECIFIED) return 'normal';
  return (Object.keys(PRIORITIES) as Priority[]).find((name) => PRIORITIES[name] === priority);
}

export function checkPriority(priority: Priority | undefined, mode: Mode | undefined): FieldError | undefined {
  if (priority === undefined) return fieldError('priority', 'expected NORMAL, HIGH or URGENT, got none of them');
  if (mode === 'centralized' || priority === 'normal') return undefined;
  return fieldError('priority', 'expected NORMAL on-chain, where nothing is paid by priority');
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]'];

/** https, or http to the same machine; no credentials, no fragment. */
export function checkCallbackUrl(text: string): FieldError | undefined {
  const wrong = (got: string): FieldError =>
    fieldError('callback_url', `expected an https URL (http on loopback) without credentials, got ${got}`);
  if (text.length > CALLBACK_URL_MAX) return wrong(`${text.length} characters`);
  if (!URL.canParse(text)) return wrong('no URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && LOOPBACK.includes(url.hostname)))
    return wrong(`"${url.protocol}//${url.hostname}"`);
  if (url.username !== '' || url.password !== '') return wrong('one with credentials');
  return url.hash === '' ? undefined : wrong('one with a fragment');
}
