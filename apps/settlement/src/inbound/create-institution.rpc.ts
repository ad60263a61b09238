import type { Metadata } from '@grpc/grpc-js';
import type { institutionV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { PLATFORM_INSTITUTION_ID } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkInstitutionId, checkText, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { showInstitution } from './institution-view.ts';

const NAME_MAX = 200;
/** Belongs to the platform's own wallet. */
const RESERVED = [PLATFORM_INSTITUTION_ID];

@Controller()
export class CreateInstitutionRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('InstitutionService', 'createInstitution')
  async handle(
    request: institutionV1.CreateInstitutionRequest,
    metadata: Metadata,
    call: object,
  ): Promise<institutionV1.Institution> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { institutionId, name, creditLineSats, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      checkInstitutionId('institution_id', institutionId),
      RESERVED.includes(institutionId) ? fieldError('institution_id', `"${institutionId}" is reserved`) : undefined,
      checkText('name', name, 1, NAME_MAX),
      creditLineSats === 0n
        ? undefined
        : fieldError(
            'credit_line_sats',
            `expected 0: a line takes two operators (ProposeChange), got ${creditLineSats}`,
          ),
    );
    const institution = { institutionId, name, creditLineSats };
    await this.#gateway.decide({ type: 'create_institution', institution }, this.#gateway.cause(caller, call), {
      principal: scopeOf(caller),
      rpc: 'CreateInstitution',
      key: idempotencyKey,
      resourceId: institutionId,
      fields: { version: '1', institution_id: institutionId, name, credit_line_sats: `${creditLineSats}` },
    });
    return showInstitution(this.#gateway, institutionId);
  }
}
