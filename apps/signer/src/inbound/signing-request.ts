import { type Branch, hexFromBytes, type OutpointKey, outpointKey, parseOutpointKey } from '@finality/bitcoin';
import { fromTimestamp, type signingV1 } from '@finality/contracts';
import {
  err,
  type FieldError,
  fieldError,
  type Instant,
  MAX_MONEY_SATS,
  ok,
  type Result,
  type Sats,
} from '@finality/kernel';
import {
  type DeclaredInput,
  type DeclaredOutput,
  INPUTS_MAX,
  OUTPUTS_MAX,
  PAYOUT_APPROVALS_MAX,
  type PayoutAuthorisation,
  type RequestedSettlement,
  type SignedStatement,
  type SigningRequest,
} from '@finality/signing';

const ID_LENGTH_MAX = 128;
const TRANSACTION_BYTES_MAX = 400_000;
const NONCE = /^[A-Za-z0-9._-]{1,64}$/;
const ADDRESS_LENGTH_MAX = 100;
const SIGNATURE_LENGTH_MAX = 10_000;
const URL_LENGTH_MAX = 2_048;
const INDEX_MAX = 2 ** 31 - 1;
const SIGNATURE_BYTES_MAX = 1_024;

/** Collects what is wrong with a request; the values it returns count only if nothing is. */
export class Fields {
  readonly errors: FieldError[] = [];

  check(holds: boolean, field: string, description: string): void {
    if (!holds) this.errors.push(fieldError(field, description));
  }

  id(value: string, field: string): string {
    this.check(
      value.length >= 1 && value.length <= ID_LENGTH_MAX,
      field,
      `expected 1 to ${ID_LENGTH_MAX} characters, got ${value.length}`,
    );
    return value;
  }

  address(value: string, field: string): string {
    const { length } = value;
    this.check(
      length >= 1 && length <= ADDRESS_LENGTH_MAX,
      field,
      `expected 1 to ${ADDRESS_LENGTH_MAX} characters, got ${length}`,
    );
    return value;
  }

  statement(statement: signingV1.SignedStatement | undefined, at: string): SignedStatement {
    const { signatory = '', nonce = '', validUntil, signature = '' } = statement ?? {};
    this.address(signatory, `${at}.signatory`);
    this.check(NONCE.test(nonce), `${at}.nonce`, 'expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"');
    this.check(validUntil?.nanos === 0, `${at}.valid_until`, 'expected whole seconds');
    const { length } = signature;
    this.check(
      length >= 1 && length <= SIGNATURE_LENGTH_MAX,
      `${at}.signature`,
      `expected 1 to ${SIGNATURE_LENGTH_MAX} characters, got ${length}`,
    );
    return { signatory, nonce, validUntil: validUntil ? fromTimestamp(validUntil) : (0 as Instant), signature };
  }

  outpoint(value: string, field: string): OutpointKey {
    const parsed = parseOutpointKey(value);
    if (parsed.ok) return outpointKey(parsed.value);
    this.errors.push(fieldError(field, parsed.error.message));
    return value as OutpointKey;
  }

  sats(value: bigint, field: string): Sats {
    this.check(value >= 0n && value <= MAX_MONEY_SATS, field, `expected 0 to ${MAX_MONEY_SATS} sat, got ${value}`);
    return value as Sats;
  }

  branch(value: number, field: string): Branch {
    this.check(value === 0 || value === 1, field, `expected 0 (external) or 1 (internal), got ${value}`);
    return value as Branch;
  }

  integer(value: number, min: number, field: string): number {
    this.check(
      Number.isInteger(value) && value >= min && value <= INDEX_MAX,
      field,
      `expected ${min} to ${INDEX_MAX}, got ${value}`,
    );
    return value;
  }

  count(list: readonly unknown[], max: number, field: string): void {
    this.check(list.length <= max, field, `expected at most ${max}, got ${list.length}`);
  }

  signature(value: Uint8Array, field: string): string {
    this.check(
      value.length <= SIGNATURE_BYTES_MAX,
      field,
      `expected at most ${SIGNATURE_BYTES_MAX} bytes, got ${value.length}`,
    );
    return hexFromBytes(value);
  }
}

/** The request as the policy takes it, or what can't be so in its fields. What it asks for is for the policy to judge. */
export function parseSigningRequest(
  request: signingV1.SignTransactionRequest,
): Result<SigningRequest, readonly FieldError[]> {
  const fields = new Fields();
  const { length } = request.unsignedTransaction;
  fields.check(
    length >= 1 && length <= TRANSACTION_BYTES_MAX,
    'unsigned_transaction',
    `expected 1 to ${TRANSACTION_BYTES_MAX} bytes, got ${length}`,
  );
  const payouts = request.authorisation?.payouts ?? [];
  fields.count(request.inputs, INPUTS_MAX, 'inputs');
  fields.count(request.outputs, OUTPUTS_MAX, 'outputs');
  fields.count(payouts, OUTPUTS_MAX, 'authorisation.payouts');
  if (fields.errors.length > 0) return err(fields.errors);
  const parsed: SigningRequest = {
    lineageId: fields.id(request.lineageId, 'lineage_id'),
    version: fields.integer(request.version, 1, 'version'),
    walletId: fields.id(request.walletId, 'wallet_id'),
    anchor: fields.outpoint(request.anchor, 'anchor'),
    unsignedTransaction: hexFromBytes(request.unsignedTransaction),
    inputs: request.inputs.map((input, i) => parseInput(input, `inputs[${i}]`, fields)),
    outputs: request.outputs.map((output, i) => parseOutput(output, `outputs[${i}]`, fields)),
    epoch: fields.integer(request.epoch, 0, 'epoch'),
    payouts: payouts.map((payout, i) => parsePayout(payout, `authorisation.payouts[${i}]`, fields)),
  };
  return fields.errors.length === 0 ? ok(parsed) : err(fields.errors);
}

function parseInput(input: signingV1.InputToSign, at: string, fields: Fields): DeclaredInput {
  return {
    outpoint: fields.outpoint(input.outpoint, `${at}.outpoint`),
    valueSats: fields.sats(input.valueSats, `${at}.value_sats`),
    branch: fields.branch(input.branch, `${at}.branch`),
    index: fields.integer(input.index, 0, `${at}.index`),
  };
}

/** An output without destination is an anchor: the only one that pays nobody. */
function parseOutput(output: signingV1.OutputToSign, at: string, fields: Fields): DeclaredOutput {
  const valueSats = fields.sats(output.valueSats, `${at}.value_sats`);
  if (output.payee) {
    const { settlementId, institutionId, walletId, branch, index, destinationId } = output.payee;
    return {
      kind: 'payee',
      valueSats,
      settlementId: fields.id(settlementId, `${at}.payee.settlement_id`),
      institutionId: fields.id(institutionId, `${at}.payee.institution_id`),
      walletId: fields.id(walletId, `${at}.payee.wallet_id`),
      branch: fields.branch(branch, `${at}.payee.branch`),
      index: fields.integer(index, 0, `${at}.payee.index`),
      ...(destinationId !== undefined && { destinationId: fields.id(destinationId, `${at}.payee.destination_id`) }),
    };
  }
  if (output.toDestination) {
    const { settlementId, institutionId, destinationId } = output.toDestination;
    return {
      kind: 'destination',
      valueSats,
      settlementId: fields.id(settlementId, `${at}.to_destination.settlement_id`),
      institutionId: fields.id(institutionId, `${at}.to_destination.institution_id`),
      destinationId: fields.id(destinationId, `${at}.to_destination.destination_id`),
    };
  }
  if (output.change)
    return { kind: 'change', valueSats, index: fields.integer(output.change.index, 0, `${at}.change.index`) };
  if (output.head) {
    const { epoch, segment, hash } = output.head;
    fields.check(HASH.test(hash), `${at}.head.hash`, 'expected the hex of 32 bytes');
    const head = {
      epoch: fields.integer(epoch, 1, `${at}.head.epoch`),
      segment: fields.integer(segment, 1, `${at}.head.segment`),
      hash,
    };
    return { kind: 'head', valueSats, head };
  }
  return { kind: 'anchor', valueSats };
}

const HASH = /^[0-9a-f]{64}$/;

function parsePayout(payout: signingV1.PayoutAuthorisation, at: string, fields: Fields): PayoutAuthorisation {
  fields.count(payout.approvals, PAYOUT_APPROVALS_MAX, `${at}.approvals`);
  fields.check(
    payout.requestKeyId.length <= ID_LENGTH_MAX,
    `${at}.request_key_id`,
    `expected at most ${ID_LENGTH_MAX} characters`,
  );
  fields.check(
    payout.requestNonce.length <= ID_LENGTH_MAX,
    `${at}.request_nonce`,
    `expected at most ${ID_LENGTH_MAX} characters`,
  );
  return {
    settlementId: fields.id(payout.settlementId, `${at}.settlement_id`),
    network: fields.id(payout.network, `${at}.network`),
    payerInstitutionId: fields.id(payout.payerInstitutionId, `${at}.payer_institution_id`),
    payeeInstitutionId: fields.id(payout.payeeInstitutionId, `${at}.payee_institution_id`),
    amountSats: fields.sats(payout.amountSats, `${at}.amount_sats`),
    payeeFeeMaxSats: fields.sats(payout.payeeFeeMaxSats, `${at}.payee_fee_max_sats`),
    requestSignature: fields.signature(payout.requestSignature, `${at}.request_signature`),
    requestKeyId: payout.requestKeyId,
    requestNonce: payout.requestNonce,
    riskVerdictSignature: fields.signature(payout.riskVerdictSignature, `${at}.risk_verdict_signature`),
    amlVerdictSignature: fields.signature(payout.amlVerdictSignature, `${at}.aml_verdict_signature`),
    approvals: payout.approvals.map((approval, i) => fields.statement(approval, `${at}.approvals[${i}]`)),
    ...(payout.request && { request: parseRequested(payout.request, `${at}.request`, fields) }),
  };
}

function parseRequested(request: signingV1.RequestedSettlement, at: string, fields: Fields): RequestedSettlement {
  const { idempotencyKey, mode, referenceId, callbackUrl, submittedBy, policyVersion, receivedAt } = request;
  const { feeBearer, bumpBearer } = request;
  const texts = { idempotencyKey, mode, referenceId, submittedBy, policyVersion, feeBearer, bumpBearer };
  for (const [name, value] of Object.entries(texts))
    fields.check(value.length <= ID_LENGTH_MAX, `${at}.${name}`, `expected at most ${ID_LENGTH_MAX} characters`);
  const isUrl = (callbackUrl ?? '').length <= URL_LENGTH_MAX;
  fields.check(isUrl, `${at}.callback_url`, `expected at most ${URL_LENGTH_MAX} characters`);
  fields.check(receivedAt !== undefined, `${at}.received_at`, 'expected a time');
  return {
    idempotencyKey,
    mode,
    referenceId,
    submittedBy,
    policyVersion,
    feeBearer,
    bumpBearer,
    feeSats: fields.sats(request.feeSats, `${at}.fee_sats`),
    droppedSats: fields.sats(request.droppedSats, `${at}.dropped_sats`),
    feeReservedSats: fields.sats(request.feeReservedSats, `${at}.fee_reserved_sats`),
    receivedAt: receivedAt === undefined ? (0 as Instant) : fromTimestamp(receivedAt),
    ...(callbackUrl !== undefined && { callbackUrl }),
    ...(request.destinationId !== undefined && {
      destinationId: fields.id(request.destinationId, `${at}.destination_id`),
    }),
    ...(request.payerWalletId !== undefined && {
      payerWalletId: fields.id(request.payerWalletId, `${at}.payer_wallet_id`),
    }),
    ...(request.executeAt !== undefined && { executeAt: fromTimestamp(request.executeAt) }),
    ...(request.expiresAt !== undefined && { expiresAt: fromTimestamp(request.expiresAt) }),
    ...(request.netPayoutOf !== undefined && { netPayoutOf: fields.id(request.netPayoutOf, `${at}.net_payout_of`) }),
    ...(request.reverses !== undefined && { reverses: fields.id(request.reverses, `${at}.reverses`) }),
  };
}
