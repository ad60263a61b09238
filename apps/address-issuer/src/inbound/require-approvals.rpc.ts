import type { addressV1 } from '@finality/contracts';
import { MAX_MONEY_SATS } from '@finality/kernel';
import { Authenticator } from '@finality/service';
import { REQUIRED_MAX } from '@finality/signing';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { Fields, requireActingFor } from './validation.ts';

/** Two signatories tell the signer what payouts of their institution need. */
@Controller()
export class RequireApprovalsRpc {
  readonly #registry: DestinationRegistry;
  readonly #authenticator: Authenticator;

  constructor(
    @Inject(DESTINATIONS) registry: DestinationRegistry,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
  ) {
    this.#registry = registry;
    this.#authenticator = authenticator;
  }

  @GrpcMethod('DestinationService', 'requireApprovals')
  async handle(request: addressV1.RequireApprovalsRequest, metadata: Metadata): Promise<addressV1.RequiredApprovals> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const { institutionId, aboveSats, approvals } = request;
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    if (aboveSats < 0n || aboveSats > MAX_MONEY_SATS)
      fields.add('above_sats', `expected 0 to ${MAX_MONEY_SATS} sat, got ${aboveSats}`);
    if (approvals < 0 || approvals > REQUIRED_MAX)
      fields.add('approvals', `expected 0 to ${REQUIRED_MAX}, got ${approvals}`);
    fields.statement('request', request.request);
    fields.statement('approval', request.approval);
    fields.done();
    requireActingFor(principal, institutionId, ['operator']);
    const inForceFrom = await this.#registry.requireApprovals(request);
    return { institutionId, aboveSats, approvals, inForceFrom };
  }
}
