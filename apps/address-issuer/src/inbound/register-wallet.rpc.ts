import type { Network } from '@finality/bitcoin';
import type { addressV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { AddressIssuerConfig } from '../config.ts';
import { custodialScriptTypeOf, walletMessage } from '../messages.ts';
import type { Registration, WalletWanted } from '../registration.ts';
import { AUTHENTICATOR, REGISTRATION } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { descriptorOf } from './descriptor-fields.ts';
import { Fields, requireActingFor } from './validation.ts';

const HEIGHT_MAX = 10_000_000;

/** A wallet of an institution: with keys of the signer, or followed by the descriptors of the institution's own keys. */
@Controller()
export class RegisterWalletRpc {
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

  @GrpcMethod('AddressService', 'registerWallet')
  async handle(request: addressV1.RegisterWalletRequest, metadata: Metadata, call: object): Promise<addressV1.Wallet> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const fields = new Fields();
    fields.idempotencyKey(request.idempotencyKey);
    fields.id('institution_id', request.institutionId);
    const wanted = wantedOf(request, this.#env.config.BITCOIN_NETWORK, fields);
    fields.done();
    assert(wanted !== undefined, 'a request without wrong fields says what it wants');
    requireActingFor(principal, request.institutionId, ['operator']);
    const asked = askedBy(principal, 'RegisterWallet', request.idempotencyKey, call, this.#env.runtime);
    return walletMessage(await this.#registration.register(wanted, asked));
  }
}

function wantedOf(
  request: addressV1.RegisterWalletRequest,
  network: Network,
  fields: Fields,
): WalletWanted | undefined {
  const { institutionId, birthdayHeight, custodial, descriptors, proof } = request;
  if (birthdayHeight < 0 || birthdayHeight > HEIGHT_MAX) {
    fields.add('birthday_height', `expected 0 (the present tip) to ${HEIGHT_MAX}, got ${birthdayHeight}`);
  }
  if (custodial) {
    if (proof) fields.add('proof', 'expected none: the signer has the keys');
    const scriptType = custodialScriptTypeOf(custodial.scriptType);
    if (scriptType) return { kind: 'custodial', institutionId, birthdayHeight, scriptType };
    fields.add('custodial.script_type', 'expected SCRIPT_TYPE_WPKH or SCRIPT_TYPE_TR');
    return undefined;
  }
  if (descriptors) {
    const descriptor = descriptorOf(descriptors, network, fields);
    const { challengeId = '', signature = '' } = proof ?? {};
    fields.id('proof.challenge_id', challengeId);
    if (signature === '') fields.add('proof.signature', 'expected the challenge’s message, signed (BIP322)');
    return (
      descriptor && {
        kind: 'non_custodial',
        institutionId,
        birthdayHeight,
        descriptor,
        proof: { challengeId, signature },
      }
    );
  }
  fields.add('keys', 'expected either custodial or descriptors');
  return undefined;
}
