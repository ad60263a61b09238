import type { addressV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Issuing } from '../issuing.ts';
import { addressMessage } from '../messages.ts';
import { AUTHENTICATOR, ISSUING } from '../tokens.ts';
import { askedBy } from './asked.ts';
import { depositPurpose, depositWallet } from './deposit-fields.ts';
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
    const { institutionId, label, walletId, externalId } = request;
    const fields = new Fields();
    fields.idempotencyKey(request.idempotencyKey);
    fields.id('institution_id', institutionId);
    fields.label(label);
    fields.id('wallet_id', walletId, 0);
    fields.id('external_id', externalId, 0);
    const purpose = depositPurpose(request, fields);
    fields.done();
    assert(purpose !== undefined, 'a request without wrong fields has a purpose');
    requireActingFor(principal, institutionId, ['operator']);
    const wanted = { purpose, label, externalId, institutionId, walletId: depositWallet(purpose, walletId) };
    const asked = askedBy(principal, 'IssueAddress', request.idempotencyKey, call, this.#env.runtime);
    return addressMessage(await this.#issuing.issue(wanted, asked));
  }
}
