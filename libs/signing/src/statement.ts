import { createHash } from 'node:crypto';
import {
  addressOf,
  type Network,
  parseAddress,
  type ScriptHex,
  type ScriptType,
  scriptTypeOf,
  verifyMessage,
} from '@finality/bitcoin';
import type { ApprovedPayout, RequiredApprovals } from './payout-approval.ts';
import { err, fieldError, type Instant, refusal, type Refusal, type Result } from '@finality/kernel';

/** What a signatory of an institution declares. */
export type StatementPurpose =
  | 'register signatory'
  | 'endorse signatory'
  | 'revoke signatory'
  | 'register destination'
  | 'approve destination'
  | 'require approvals'
  | 'agree to approvals'
  | 'approve payout';

/** What a statement is about: the address of a signatory or a destination, a wallet by its external descriptor with checksum, what payouts need, or one of them. */
export type StatementSubject =
  | { readonly address: string }
  | { readonly descriptor: string }
  | { readonly required: RequiredApprovals }
  | { readonly payout: ApprovedPayout };

/** What its signature is over, besides the nonce and the time. */
export type Statement = StatementSubject & {
  readonly purpose: StatementPurpose;
  /** Who is told so: the domain that this platform is known by. */
  readonly domain: string;
  readonly institutionId: string;
  readonly network: Network;
};

/** A statement as far as it isn't the same for all of this platform. */
export type StatementWanted = StatementSubject & Pick<Statement, 'purpose' | 'institutionId'>;

/** As it comes in: who signed, once for all. */
export interface SignedStatement {
  /** The address whose keys signed. */
  readonly signatory: string;
  /** Chosen by whoever signs; of one institution each is good once. */
  readonly nonce: string;
  /** Whole seconds. */
  readonly validUntil: Instant;
  /** BIP322. */
  readonly signature: string;
}

/** The field of requests that a statement comes in. */
export const STATEMENT_FIELD: Readonly<Record<StatementPurpose, string>> = {
  'register signatory': 'proof',
  'endorse signatory': 'endorsement',
  'revoke signatory': 'revocation',
  'register destination': 'request',
  'approve destination': 'approval',
  'require approvals': 'request',
  'agree to approvals': 'approval',
  'approve payout': 'signed_approval',
};

/** A second person may be away for a weekend; longer, and nobody remembers what was asked for. */
export const STATEMENT_VALID_MAX_MS = 7 * 86_400_000;

/** One line of ASCII, which any signing device can show: can't be meant for another platform, institution, network, address or purpose. */
export function statementText(
  { purpose, domain, institutionId, network, ...subject }: Statement,
  { nonce, validUntil }: Pick<SignedStatement, 'nonce' | 'validUntil'>,
): string {
  return [
    `${domain} is told by an institution's signatory`,
    `purpose: ${purpose}`,
    `institution: ${institutionId}`,
    `network: ${network}`,
    subjectText(subject),
    `nonce: ${nonce}`,
    `valid until: ${Math.floor(validUntil / 1000)} (Unix time)`,
  ].join('; ');
}

/** A descriptor of fifteen keys is longer than any device shows: its SHA-256 says which it is, its checksum is what people compare. */
function subjectText(subject: StatementSubject): string {
  if ('address' in subject) return `address: ${subject.address}`;
  if ('required' in subject)
    return `approvals: ${subject.required.approvals}; above: ${subject.required.aboveSats} sat`;
  if ('payout' in subject) return payoutText(subject.payout);
  const { descriptor } = subject;
  return `descriptor: ${createHash('sha256').update(descriptor).digest('hex')}#${descriptor.slice(descriptor.indexOf('#') + 1)}`;
}

const payoutText = ({ settlementId, mode, amountSats, payeeInstitutionId, walletId, to }: ApprovedPayout): string =>
  [
    `settlement: ${settlementId}`,
    `mode: ${mode}`,
    `payee: ${payeeInstitutionId}`,
    `amount: ${amountSats} sat`,
    `from: wallet ${walletId}`,
    `to: ${to}`,
  ].join('; ');

export interface StatementFacts {
  readonly now: Instant;
  readonly network: Network;
  readonly domain: string;
  /** Nonces of the institution that were used already. */
  isUsed(nonce: string): boolean;
}

/**
 * Whether a statement holds now: in time, not used before, and signed with the keys of `script`.
 * @returns the refusal otherwise: REQUEST_EXPIRED, INVALID_ARGUMENT (valid for too long), SIGNATURE_REPLAYED or SIGNATURE_INVALID
 */
export function statementRefusal(
  statement: StatementWanted,
  signed: SignedStatement,
  script: ScriptHex,
  { now, network, domain, isUsed }: StatementFacts,
): Refusal | undefined {
  const { nonce, validUntil, signature, signatory } = signed;
  if (validUntil <= now)
    return refusal(
      'failed_precondition',
      'REQUEST_EXPIRED',
      `what ${signatory} signed to ${statement.purpose} has expired`,
    );
  if (validUntil - now > STATEMENT_VALID_MAX_MS) {
    const message = `expected to be valid for at most ${STATEMENT_VALID_MAX_MS / 86_400_000} days`;
    return refusal('failed_precondition', 'VALID_FOR_TOO_LONG', message, {
      fields: [fieldError(`${STATEMENT_FIELD[statement.purpose]}.valid_until`, message)],
    });
  }
  if (isUsed(nonce))
    return refusal('failed_precondition', 'SIGNATURE_REPLAYED', `the nonce "${nonce}" was used before`, {
      fields: [
        fieldError(`${STATEMENT_FIELD[statement.purpose]}.nonce`, 'expected one that the institution has not used'),
      ],
    });
  const verified = verifyMessage(statementText({ ...statement, domain, network }, signed), script, signature);
  if (verified.ok && verified.value.locktime === 0) return undefined;
  const found = verified.ok ? 'it is valid later' : `${verified.error.message} (${verified.error.reason})`;
  return refusal(
    'failed_precondition',
    'SIGNATURE_INVALID',
    `the signature to ${statement.purpose} doesn't hold: ${found}`,
    {
      fields: [
        fieldError(`${STATEMENT_FIELD[statement.purpose]}.signature`, `expected one of the statement by ${signatory}`),
      ],
    },
  );
}

/** Scripts that anybody can be paid at: no others have a known spender, and some can never be spent, or by everybody. */
const PAYABLE: readonly ScriptType[] = ['p2pkh', 'p2sh', 'p2wpkh', 'p2wsh', 'p2tr'];

/**
 * The script of an address, which is expected in its one spelling: what is signed, shown and compared is one text.
 * @returns INVALID_ADDRESS, WRONG_NETWORK or UNSUPPORTED_SCRIPT otherwise
 */
export function scriptOfAddress(address: string, network: Network, field: string): Result<ScriptHex, Refusal> {
  const script = parseAddress(address, network);
  if (!script.ok) return wrongAddress(script.error.reason, script.error.message, field);
  const type = scriptTypeOf(script.value);
  if (!PAYABLE.includes(type))
    return wrongAddress(
      'UNSUPPORTED_SCRIPT',
      `expected an address of ${PAYABLE.join(', ')}, got one of ${type}`,
      field,
    );
  const spelt = addressOf(script.value, network);
  if (spelt === address) return script;
  return wrongAddress('INVALID_ADDRESS', `expected ${spelt}, got another spelling`, field);
}

const wrongAddress = (reason: string, message: string, field: string): Result<never, Refusal> =>
  err(refusal('invalid_argument', reason, message, { fields: [fieldError(field, message)] }));
