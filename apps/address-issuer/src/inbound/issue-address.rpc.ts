import { POOL_WALLET_ID } from '@finality/address';
import type { addressV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Issuing } from '../issuing.ts';
import { addressMessage, purposeOf } from '../messages.ts';
import { AUTHENTICATOR, ISSUING } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { Fields, requireActingFor } from './validation.ts';

/** A fresh address for deposits: to the institution's clearing balance (on the pool wallet), or to a wallet of its own. */
@Controller()
export class IssueAddressRpc {
  readonly #issuing: Issuing;
  readonly #authenticator: Authenticator;
  readonly #env: ServiceEnv;

  constructor(
    @Inject(ISSUING) issuing: Issuing,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#issuing = issuing;
    this.#authenticator = authenticator;
    this.#env = env;
  }

  @GrpcMethod('AddressService', 'issueAddress')
  async handle(request: addressV1.IssueAddressRequest, metadata: Metadata, call: object): Promise<addressV1.Address> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const { institutionId, label, walletId } = request;
    const fields = new Fields();
    fields.idempotencyKey(request.idempotencyKey);
    fields.id('institution_id', institutionId);
    fields.label(label);
    fields.id('wallet_id', walletId, 0);
    const purpose = purposeOf(request.purpose);
    if (purpose !== 'clearing' && purpose !== 'wallet') {
      fields.add('purpose', 'expected ADDRESS_PURPOSE_CLEARING or ADDRESS_PURPOSE_WALLET');
    }
    if (purpose === 'clearing' && walletId !== '')
      fields.add('wallet_id', 'expected none: clearing has the pool wallet');
    if (purpose === 'wallet' && walletId === POOL_WALLET_ID)
      fields.add('wallet_id', 'expected a wallet of the institution');
    fields.done();
    assert(purpose !== undefined, 'a request without wrong fields has a purpose');
    requireActingFor(principal, institutionId, ['operator']);
    const wanted = { purpose, label, institutionId, walletId: purpose === 'clearing' ? POOL_WALLET_ID : walletId };
    const asked = askedBy(principal, 'IssueAddress', request.idempotencyKey, call, this.#env.runtime);
    return addressMessage(await this.#issuing.issue(wanted, asked));
  }
}
