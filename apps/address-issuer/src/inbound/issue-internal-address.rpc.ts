import type { addressV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { DestinationRegistry } from '../destination-registry.ts';
import type { Issuing } from '../issuing.ts';
import { addressMessage, purposeOf } from '../messages.ts';
import { DESTINATIONS, ISSUING } from '../tokens.ts';
import { Fields } from './validation.ts';

/**
 * Change of a wallet, or where a settlement pays its payee. For our own services: what is under way goes on, so a frozen institution's
 * wallets get them too.
 */
@Controller()
export class IssueInternalAddressRpc {
  readonly #issuing: Issuing;
  readonly #destinations: DestinationRegistry;
  readonly #env: ServiceEnv;

  constructor(
    @Inject(ISSUING) issuing: Issuing,
    @Inject(DESTINATIONS) destinations: DestinationRegistry,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#issuing = issuing;
    this.#destinations = destinations;
    this.#env = env;
  }

  @GrpcMethod('InternalAddressService', 'issueInternalAddress')
  async handle(request: addressV1.IssueInternalAddressRequest): Promise<addressV1.Address> {
    const { idempotencyKey, walletId, label, destinationId } = request;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('wallet_id', walletId);
    fields.label(label);
    if (destinationId !== undefined) fields.id('destination_id', destinationId);
    const purpose = purposeOf(request.purpose);
    if (purpose !== 'change' && purpose !== 'settlement') {
      fields.add('purpose', 'expected ADDRESS_PURPOSE_CHANGE or ADDRESS_PURPOSE_SETTLEMENT');
    }
    fields.done();
    assert(purpose !== undefined, 'a request without wrong fields has a purpose');
    const { runtime } = this.#env;
    const actor = { kind: 'service', id: 'settlement' } as const;
    const cause = { actor, occurredAt: runtime.now(), correlationId: idempotencyKey, causationId: runtime.id() };
    const asked = { principal: 'service/settlement', rpc: 'IssueInternalAddress', idempotencyKey, cause };
    const address = await this.#issuing.issue({ purpose, label, walletId, externalId: '' }, asked);
    if (destinationId !== undefined) await this.#destinations.confirm(destinationId, address);
    return addressMessage(address);
  }
}
