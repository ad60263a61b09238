import type { Metadata } from '@grpc/grpc-js';
import { settlementV1 } from '@finality/contracts';
import { type Principal, refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import type { Terms } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { MODES } from '../store/messages.ts';
import { checkId, checkIdempotencyKey, refuseInvalid } from './fields.ts';
import { Gateway, mayRead, unknownSettlement } from './gateway.ts';
import { parseAgreed } from './submission.ts';

const { SettlementMode } = settlementV1;

/** The payee pays back what it got, or an operator has it do so. What the original says never changes, so it is read before. */
@Controller()
export class ReverseSettlementRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('SettlementService', 'reverseSettlement')
  async handle(
    request: settlementV1.ReverseSettlementRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.Settlement> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator');
    const { settlementId: reverses, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkId('settlement_id', reverses));
    const original = await this.#gateway.settlement(reverses);
    if (!mayRead(caller, original)) throw unknownSettlement(reverses);
    if (!mayReverse(caller, original.terms)) {
      const message = 'only the payee can pay a settlement back, or an operator; an exchange only an operator';
      throw toRpcException(refusal('permission_denied', 'NOT_THE_PAYEE', message));
    }
    const parsed = parseAgreed(backwards(request, original.terms), {
      settlementId: this.#gateway.env.runtime.id(),
      submittedBy: caller.keyId,
      reverses,
    });
    if (!parsed.ok) throw toRpcException(parsed.error);
    const { submission, idempotency } = parsed.value;
    return this.#gateway.decideSettlement(
      { type: 'reverse', reversal: { ...submission, reverses } },
      this.#gateway.cause(caller, call),
      idempotency,
    );
  }
}

/** Of an exchange all parties give something back: none of them can ask that of the others. */
const mayReverse = (caller: Principal, { to, units }: Terms): boolean =>
  caller.roles.includes('operator') || (caller.institutionId === to && units?.exchange === undefined);

/** The settlement that is asked for, with what is left out taken from the original. */
function backwards(request: settlementV1.ReverseSettlementRequest, terms: Terms): settlementV1.SubmitSettlementRequest {
  const { from, to, mode, referenceId } = terms;
  const isAsBefore = request.settlementMode === SettlementMode.SETTLEMENT_MODE_UNSPECIFIED;
  return settlementV1.SubmitSettlementRequest.fromPartial({
    idempotencyKey: request.idempotencyKey,
    fromInstitution: to,
    toInstitution: from,
    ...amountBack(request, terms),
    settlementMode: isAsBefore ? MODES[mode] : request.settlementMode,
    referenceId: request.referenceId === '' ? referenceId : request.referenceId,
    ...(request.feePayer !== undefined && { feePayer: request.feePayer }),
    ...(request.payerWalletId !== undefined && { payerWalletId: request.payerWalletId }),
    ...(request.expiresAt !== undefined && { expiresAt: request.expiresAt }),
    ...(request.failOnShortage !== undefined && { failOnShortage: request.failOnShortage }),
  });
}

/** What is asked for, or all that was paid. */
function amountBack(
  { amountSats, amount }: settlementV1.ReverseSettlementRequest,
  terms: Terms,
): Pick<settlementV1.SubmitSettlementRequest, 'amountSats' | 'amount' | 'quoteId'> {
  if (amountSats !== 0n || amount !== undefined) return { amountSats, amount };
  // All of an exchange, which its quote names.
  if (terms.units?.exchange !== undefined) return { amountSats: 0n, quoteId: terms.units.exchange.quoteId };
  return { amountSats: terms.amountSats, amount: terms.units && { ...terms.units.paid } };
}
