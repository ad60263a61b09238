import { bytesFromHex } from '@finality/bitcoin';
import { type signingV1, toTimestamp } from '@finality/contracts';
import { assert, assertNever, fieldError, invalid } from '@finality/kernel';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { DeclaredOutput, PayoutAuthorisation, SigningRequest } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { KEYRING, SIGNER_READER, type SignerReader } from '../tokens.ts';
import type { Keyring } from '../keyring.ts';
import { readSignedPage, type SignedRow } from '../outbound/journal-reader.ts';
import { accountStream } from '../streams.ts';

/** Each may have thousands of inputs and outputs. */
const PAGE_SIZE_DEFAULT = 20;
const PAGE_SIZE_MAX = 50;

/** The journal with all that was asked for, oldest first: what a settlement service whose store is older than it is brought up to date by. */
@Controller()
export class ListSignedRpc {
  readonly #pool: Pool;
  readonly #keyring: Keyring;
  readonly #reader: SignerReader;

  constructor(
    @Inject(SERVICE_ENV) env: ServiceEnv,
    @Inject(KEYRING) keyring: Keyring,
    @Inject(SIGNER_READER) reader: SignerReader,
  ) {
    this.#pool = env.pool;
    this.#keyring = keyring;
    this.#reader = reader;
  }

  @GrpcMethod('SigningService', 'listSigned')
  async handle({ afterPosition, pageSize }: signingV1.ListSignedRequest): Promise<signingV1.ListSignedResponse> {
    if (pageSize < 0 || pageSize > PAGE_SIZE_MAX) {
      const expected = `expected 1 to ${PAGE_SIZE_MAX} (0: ${PAGE_SIZE_DEFAULT}), got ${pageSize}`;
      throw new RefusalException(invalid(fieldError('page_size', expected)));
    }
    if (afterPosition < 0n)
      throw new RefusalException(invalid(fieldError('after_position', `expected 0 or more, got ${afterPosition}`)));
    const { rows, lastPosition, epochHighest } = await readSignedPage(
      this.#pool,
      afterPosition,
      pageSize || PAGE_SIZE_DEFAULT,
    );
    const signed = await Promise.all(rows.map((row) => this.#signed(row)));
    return { signed, lastPosition, epochHighest };
  }

  async #signed({ position, accepted }: SignedRow): Promise<signingV1.SignedTransaction> {
    const { request, institutionId, txid, feeSats, acceptedAt } = accepted;
    return {
      position,
      txid,
      institutionId,
      feeSats,
      signedAt: toTimestamp(acceptedAt),
      request: requestMessage(request),
      inputScripts: await this.#inputScripts(accepted),
      handedOut: accepted.type === 'hand_out_accepted',
    };
  }

  async #inputScripts(accepted: SignedRow['accepted']): Promise<string[]> {
    if (accepted.type === 'hand_out_accepted') return [...accepted.inputScripts];
    const { walletId, inputs } = accepted.request;
    const { account } = (await this.#reader.loadState(accountStream, walletId)).state;
    assert(account !== null, 'what was signed was spent from an account');
    return inputs.map(({ branch, index }) => this.#keyring.scriptOf(account, branch, index));
  }
}

function requestMessage(request: SigningRequest): signingV1.SignTransactionRequest {
  const { lineageId, version, walletId, anchor, epoch } = request;
  return {
    lineageId,
    version,
    walletId,
    anchor,
    epoch,
    unsignedTransaction: Buffer.from(bytesFromHex(request.unsignedTransaction)),
    inputs: request.inputs.map((input) => ({ ...input })),
    outputs: request.outputs.map(outputMessage),
    authorisation: { payouts: request.payouts.map(payoutMessage) },
  };
}

function outputMessage(output: DeclaredOutput): signingV1.OutputToSign {
  const { valueSats } = output;
  const none = { payee: undefined, change: undefined, toDestination: undefined, head: undefined };
  switch (output.kind) {
    case 'anchor':
      return { ...none, valueSats };
    case 'head':
      return { ...none, valueSats, head: { ...output.head } };
    case 'change':
      return { ...none, valueSats, change: { index: output.index } };
    case 'destination': {
      const { settlementId, institutionId, destinationId } = output;
      return { ...none, valueSats, toDestination: { settlementId, institutionId, destinationId } };
    }
    case 'payee': {
      const { settlementId, institutionId, walletId, branch, index, destinationId } = output;
      return { ...none, valueSats, payee: { settlementId, institutionId, walletId, branch, index, destinationId } };
    }
    default:
      return assertNever(output, 'output');
  }
}

const bytes = (hex: string): Buffer => Buffer.from(bytesFromHex(hex));

function payoutMessage({ request, ...payout }: PayoutAuthorisation): signingV1.PayoutAuthorisation {
  return {
    ...payout,
    requestSignature: bytes(payout.requestSignature),
    riskVerdictSignature: bytes(payout.riskVerdictSignature),
    amlVerdictSignature: bytes(payout.amlVerdictSignature),
    approvalSignatures: [],
    approvals: payout.approvals.map((each) => ({ ...each, validUntil: toTimestamp(each.validUntil) })),
    request: request && {
      ...request,
      callbackUrl: request.callbackUrl,
      payerWalletId: request.payerWalletId,
      destinationId: request.destinationId,
      reverses: request.reverses,
      netPayoutOf: request.netPayoutOf,
      receivedAt: toTimestamp(request.receivedAt),
      executeAt: request.executeAt === undefined ? undefined : toTimestamp(request.executeAt),
      expiresAt: request.expiresAt === undefined ? undefined : toTimestamp(request.expiresAt),
    },
  };
}
