import type { Metadata } from '@grpc/grpc-js';
import type { institutionV1 } from '@finality/contracts';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { showApiKey } from './api-key-view.ts';
import { checkIdempotencyKey, checkReason, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';

const KEY_ID_MAX = 64;

@Controller()
export class RevokeApiKeyRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'revokeApiKey')
  async handle(
    request: institutionV1.RevokeApiKeyRequest,
    metadata: Metadata,
    call: object,
  ): Promise<institutionV1.ApiKey> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { keyId, reason, idempotencyKey } = request;
    refuseInvalid(checkIdempotencyKey(idempotencyKey), checkText('key_id', keyId, 1, KEY_ID_MAX), checkReason(reason));
    await this.#gateway.decide({ type: 'revoke_api_key', keyId, reason }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'RevokeApiKey',
      key: idempotencyKey,
      resourceId: keyId,
      fields: { version: '1', key_id: keyId, reason },
    });
    return showApiKey(this.#gateway, keyId);
  }
}
