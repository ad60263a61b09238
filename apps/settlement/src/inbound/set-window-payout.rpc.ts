import type { Metadata } from '@grpc/grpc-js';
import { settlementV1 } from '@finality/contracts';
import { assert, type FieldError, fieldError, MAX_MONEY_SATS, type Sats } from '@finality/kernel';
import type { PayoutRule } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { windowPayoutStream } from '../store/streams.ts';
import { windowPayoutMessage } from '../store/window-messages.ts';
import { checkIdempotencyKey, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

const { WindowPayoutRule: Rule } = settlementV1;
const WALLET_ID_MAX = 64;

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
    const { rule: wanted, floorSats, walletId, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkRule(wanted), checkFloor(request), checkWallet(request));
    const rule = ruleOf(request);
    await this.#gateway.decide(
      {
        type: 'choose_window_payout',
        request: { institutionId, walletId, by: caller.keyId, ...(rule && { rule }) },
      },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'SetWindowPayout',
        key: idempotencyKey,
        resourceId: institutionId,
        fields: { version: '1', rule: `${wanted}`, floor_sats: `${floorSats}`, wallet_id: walletId },
      },
    );
    return windowPayoutMessage((await this.#gateway.reader.loadState(windowPayoutStream, institutionId)).state);
  }
}

function ruleOf({ rule, floorSats }: settlementV1.SetWindowPayoutRequest): PayoutRule | undefined {
  if (rule === Rule.WINDOW_PAYOUT_RULE_NOTHING) return undefined;
  if (rule === Rule.WINDOW_PAYOUT_RULE_NET_CREDIT) return { kind: 'net_credit' };
  return { kind: 'above_floor', floorSats: floorSats as Sats };
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

function checkWallet({ rule, walletId }: settlementV1.SetWindowPayoutRequest): FieldError | undefined {
  const isNothing = rule === Rule.WINDOW_PAYOUT_RULE_NOTHING;
  return checkText('wallet_id', walletId, isNothing ? 0 : 1, isNothing ? 0 : WALLET_ID_MAX);
}
