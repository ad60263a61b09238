import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { fieldError } from '@finality/kernel';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { checkIdempotencyKey, checkReason, refuseInvalid } from './fields.ts';
import { Gateway, scopeOf } from './gateway.ts';
import { openIncidents } from './incident-view.ts';

const ID_LENGTH_MAX = 200;

/** An operator takes the responsibility: what the incident stopped goes on. */
@Controller()
export class ConfirmIncidentRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('OperationsService', 'confirmIncident')
  async handle(
    request: settlementV1.ConfirmIncidentRequest,
    metadata: Metadata,
    call: object,
  ): Promise<settlementV1.ConfirmIncidentResponse> {
    const caller = await this.#gateway.caller(metadata, 'operator');
    const { incidentId, reason, idempotencyKey } = request;
    refuseInvalid(
      checkIdempotencyKey(idempotencyKey),
      incidentId === '' || incidentId.length > ID_LENGTH_MAX
        ? fieldError('incident_id', `expected 1 to ${ID_LENGTH_MAX} characters, got ${incidentId.length}`)
        : undefined,
      checkReason(reason, 1),
    );
    await this.#gateway.decide(
      { type: 'confirm_incident', incidentId, reason, caller },
      this.#gateway.cause(caller, call),
      {
        principal: scopeOf(caller),
        rpc: 'ConfirmIncident',
        key: idempotencyKey,
        resourceId: incidentId,
        fields: { version: '1', incident_id: incidentId, reason },
      },
    );
    return { incidents: await openIncidents(this.#gateway.reader) };
  }
}
