import type { addressV1 } from '@finality/contracts';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { destinationMessage, statementOf } from '../destination-messages.ts';
import type { DestinationRegistry } from '../destination-registry.ts';
import { AUTHENTICATOR, DESTINATIONS } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { doerOf, Fields, requireActingFor } from './validation.ts';

/** The first of two people asks for an address outside to be paid at. */
@Controller()
export class RegisterDestinationRpc {
  readonly #registry: DestinationRegistry;
  readonly #authenticator: Authenticator;
  readonly #env: ServiceEnv;

  constructor(
    @Inject(DESTINATIONS) registry: DestinationRegistry,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#registry = registry;
    this.#authenticator = authenticator;
    this.#env = env;
  }

  @GrpcMethod('DestinationService', 'registerDestination')
  async handle(
    request: addressV1.RegisterDestinationRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.Destination> {
    const { runtime } = this.#env;
    const principal = await this.#authenticator.caller(metadata, 'institution');
    const { idempotencyKey, institutionId, address, walletId, label } = request;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('institution_id', institutionId);
    if (walletId === undefined) fields.id('address', address);
    else fields.id('wallet_id', walletId);
    if (walletId !== undefined && address !== '') fields.add('wallet_id', 'expected an address or a wallet, got both');
    fields.label(label);
    fields.statement('request', request.request);
    fields.done();
    requireActingFor(principal, institutionId, []);
    const asked = askedBy(principal, 'RegisterDestination', idempotencyKey, call, runtime);
    const place = walletId === undefined ? { address } : { walletId };
    const wanted = { institutionId, place, label, request: statementOf(request.request) };
    return destinationMessage(await this.#registry.request(wanted, doerOf(principal), asked), runtime.now());
  }
}
