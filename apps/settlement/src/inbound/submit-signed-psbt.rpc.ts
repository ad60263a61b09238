import { createHash } from 'node:crypto';
import type { Metadata } from '@grpc/grpc-js';
import { collectSignatures, type PsbtFault, rawHex, transactionOfPsbt } from '@finality/bitcoin';
import type { settlementV1 } from '@finality/contracts';
import { type CauseContext, fieldError, type Principal, refusal, unwrap } from '@finality/kernel';
import { answeredBefore, refusalOf, toRpcException } from '@finality/service';
import type { OfferedVersion } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { payersOnly } from '../store/handler.ts';
import { checkId, checkIdempotencyKey, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { type OwnPayout, ownPayout, planOf, psbtAgain, settlementPsbt, versionOf } from './psbt-view.ts';

/** A transaction of 100 kvB with three keys to each input has half as much. */
const PSBT_LENGTH_MAX = 1_500_000;
/** How often it is put together with what other signers have sent meanwhile: a script has 15 keys at most. */
const ATTEMPTS_MAX = 16;

/** The payer gives back what its signers have signed. Verified before anything is stored; put together with what others have signed. */
@Controller()
export class SubmitSignedPsbtRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'submitSignedPsbt')
  async handle(
    request: settlementV1.SubmitSignedPsbtRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.SettlementPsbt> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { settlementId, idempotencyKey, psbt } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkId('settlement_id', settlementId),
      checkText('psbt', psbt, 1, PSBT_LENGTH_MAX),
    );
    const cause = this.#gateway.cause(caller, call);
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#submit(request, caller, cause);
      } catch (error) {
        // Others were quicker: verified again together with theirs.
        if (attempt === ATTEMPTS_MAX || refusalOf(error)?.reason !== 'PSBT_CHANGED') throw error;
      }
    }
  }

  async #submit(
    { settlementId, idempotencyKey, psbt }: settlementV1.SubmitSignedPsbtRequest,
    caller: Principal,
    cause: CauseContext,
  ): Promise<settlementV1.SettlementPsbt> {
    const claim = {
      principal: scopeOf(caller),
      rpc: 'SubmitSignedPsbt',
      key: idempotencyKey,
      resourceId: settlementId,
      fields: { version: '1', settlement_id: settlementId, psbt_sha256: sha256(psbt) },
    };
    if ((await answeredBefore(this.#gateway.reader, claim)) !== undefined)
      return psbtAgain(this.#gateway, settlementId, { unsigned: unwrap(transactionOfPsbt(psbt)) });
    const settlement = await this.#gateway.settlement(settlementId);
    const notTheirs = payersOnly(settlement, caller);
    if (notTheirs !== undefined) throw toRpcException(notTheirs);
    const payout = await ownPayout(this.#gateway, settlement);
    const version = versionIn(payout, psbt);
    const after = version.signatures?.revision ?? 0;
    const known = version.signatures === undefined ? [] : [version.signatures.psbt];
    const plan = await planOf(this.#gateway, version, payout.descriptor);
    const collected = collectSignatures(plan, [...known, psbt]);
    if (!collected.ok) throw refused(collected.error);
    const { combined, missing, transaction } = collected.value;
    const before = version.signatures?.missing ?? signaturesNeeded(plan);
    if (version.signatures === undefined && missing === before)
      throw refused({ reason: 'NOT_SIGNED', message: `expected signatures, of ${before} that are missing, got none` });
    const added = {
      ...{ version: version.version, after, psbt: combined, missing },
      ...(transaction !== undefined && { signedHex: rawHex(transaction) }),
    };
    await this.#gateway.decide({ type: 'add_signatures', settlementId, added, caller }, cause, claim);
    return settlementPsbt(this.#gateway, settlementId, version.version);
  }
}

/** @throws RefusalException MALFORMED_PSBT, OTHER_TRANSACTION */
function versionIn({ lineage }: OwnPayout, psbt: string): OfferedVersion {
  const unsigned = transactionOfPsbt(psbt);
  if (!unsigned.ok) throw refused(unsigned.error);
  const version = versionOf(lineage, unsigned.value);
  if (version !== undefined) return version;
  throw refused({
    reason: 'OTHER_TRANSACTION',
    message: 'expected a transaction that was handed out for this settlement',
  });
}

function signaturesNeeded(plan: Parameters<typeof collectSignatures>[0]): number {
  const none = collectSignatures(plan, []);
  return none.ok ? none.value.missing : 0;
}

/** What is wrong with a PSBT, naming the input where there is one. */
function refused({ reason, message, inputIndex }: Pick<PsbtFault, 'reason' | 'message' | 'inputIndex'>): Error {
  const where = inputIndex === undefined ? message : `input ${inputIndex}: ${message}`;
  return toRpcException(refusal('invalid_argument', reason, `psbt: ${where}`, { fields: [fieldError('psbt', where)] }));
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
