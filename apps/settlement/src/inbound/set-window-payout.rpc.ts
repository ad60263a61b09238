import type { Metadata } from '@grpc/grpc-js';
import { settlementV1 } from '@finality/contracts';
import { assert, type FieldError, fieldError, MAX_MONEY_SATS, type Sats } from '@finality/kernel';
import type { PayoutRequest, PayoutRule } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { windowPayoutStream } from '../store/streams.ts';
import { windowPayoutMessage } from '../store/window-messages.ts';
import { checkIdempotencyKey, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

const { WindowPayoutRule: Rule } = settlementV1;
/** Of a wallet or a destination. */
const PLACE_ID_MAX = 64;

/** An institution says what it wants paid out when windows close. */
@Controller()
export class SetWindowPayoutRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'setWindowPayout')
  async handle(
    request: settlementV1.SetWindowPayoutRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.WindowPayout> {
    const caller = await this.#gateway.caller(metadata, 'institution');
    const { institutionId } = caller;
    assert(institutionId !== undefined, 'a key of an institution says which');
    const { rule, floorSats, walletId, destinationId, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkRule(rule), checkFloor(request), checkPlace(request));
    const wanted = wantedIn(request);
    await this.#gateway.decide(
      {
        type: 'choose_window_payout',
        request: { institutionId, by: caller.keyId, ...(wanted && { wanted }) },
      },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'SetWindowPayout',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: {
          version: '2',
          rule: `${rule}`,
          floor_sats: `${floorSats}`,
          wallet_id: walletId,
          destination_id: destinationId,
        },
      },
    );
    return windowPayoutMessage((await this.#gateway.reader.loadState(windowPayoutStream, institutionId)).state);
  }
}

function wantedIn({
  rule: kind,
  floorSats,
  walletId,
  destinationId,
}: settlementV1.SetWindowPayoutRequest): PayoutRequest['wanted'] {
  if (kind === Rule.WINDOW_PAYOUT_RULE_NOTHING) return undefined;
  const rule: PayoutRule =
    kind === Rule.WINDOW_PAYOUT_RULE_NET_CREDIT
      ? { kind: 'net_credit' }
      : { kind: 'above_floor', floorSats: floorSats as Sats };
  return { rule, place: walletId === '' ? { kind: 'destination', destinationId } : { kind: 'wallet', walletId } };
}

const RULES = [
  Rule.WINDOW_PAYOUT_RULE_NOTHING,
  Rule.WINDOW_PAYOUT_RULE_NET_CREDIT,
  Rule.WINDOW_PAYOUT_RULE_ABOVE_FLOOR,
];

const checkRule = (rule: settlementV1.WindowPayoutRule): FieldError | undefined =>
  RULES.includes(rule) ? undefined : fieldError('rule', 'expected NOTHING, NET_CREDIT or ABOVE_FLOOR');

function checkFloor({ rule, floorSats }: settlementV1.SetWindowPayoutRequest): FieldError | undefined {
  const most = rule === Rule.WINDOW_PAYOUT_RULE_ABOVE_FLOOR ? MAX_MONEY_SATS : 0n;
  if (floorSats >= 0n && floorSats <= most) return undefined;
  return fieldError('floor_sats', `expected 0 to ${most} sat with this rule, got ${floorSats}`);
}

/** One of the two, unless nothing is to be paid. */
function checkPlace({ rule, walletId, destinationId }: settlementV1.SetWindowPayoutRequest): FieldError | undefined {
  if (rule === Rule.WINDOW_PAYOUT_RULE_NOTHING)
    return checkText('wallet_id', walletId, 0, 0) ?? checkText('destination_id', destinationId, 0, 0);
  if (destinationId === '') return checkText('wallet_id', walletId, 1, PLACE_ID_MAX);
  if (walletId !== '') return fieldError('destination_id', 'expected a wallet or a destination, got both');
  return checkText('destination_id', destinationId, 1, PLACE_ID_MAX);
}
