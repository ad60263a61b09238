import { deriveScript } from '@finality/bitcoin';
import type { addressV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { AddressIssuerConfig } from '../config.ts';
import { challengeMessage } from '../messages.ts';
import type { Registration } from '../registration.ts';
import { AUTHENTICATOR, REGISTRATION } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { descriptorOf } from './descriptor-fields.ts';
import { Fields, requireActingFor } from './validation.ts';

/** The first step of registering a wallet by its descriptors: what its keys are to sign. */
@Controller()
export class RequestWalletChallengeRpc {
  readonly #registration: Registration;
  readonly #authenticator: Authenticator;
  readonly #env: ServiceEnv<AddressIssuerConfig>;

  constructor(
    @Inject(REGISTRATION) registration: Registration,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv<AddressIssuerConfig>,
  ) {
    this.#registration = registration;
    this.#authenticator = authenticator;
    this.#env = env;
  }

  @GrpcMethod('AddressService', 'requestWalletChallenge')
  async handle(
    request: addressV1.RequestWalletChallengeRequest,
    metadata: Metadata,
    call: object,
  ): Promise<addressV1.WalletChallenge> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const { idempotencyKey, institutionId, descriptors } = request;
    const { runtime, config } = this.#env;
    const fields = new Fields();
    fields.idempotencyKey(idempotencyKey);
    fields.id('institution_id', institutionId);
    const pair = descriptors ?? { external: '', internal: '', scriptType: 0 };
    const descriptor = descriptorOf(pair, config.BITCOIN_NETWORK, fields);
    fields.done();
    assert(descriptor !== undefined, 'a request without wrong fields has a descriptor');
    requireActingFor(principal, institutionId, ['operator']);
    const asked = askedBy(principal, 'RequestWalletChallenge', idempotencyKey, call, runtime);
    const challenge = await this.#registration.challenge(institutionId, descriptor, asked);
    return challengeMessage(challenge, deriveScript(descriptor, 0, 0).address);
  }
}
