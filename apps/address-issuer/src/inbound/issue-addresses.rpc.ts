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

const ADDRESSES_MAX = 10_000;
/** Of a field's faults, so that ten thousand of a kind don't make an answer too large to send. */
const FAULTS_SHOWN_MAX = 20;

/** Many fresh addresses for deposits, each by what the institution calls it. */
@Controller()
export class IssueAddressesRpc {
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

  @GrpcMethod('AddressService', 'issueAddresses')
  async *handle(
    request: addressV1.IssueAddressesRequest,
    metadata: Metadata,
    call: object,
  ): AsyncGenerator<addressV1.Address, void, undefined> {
    const principal = await this.#authenticator.caller(metadata, 'institution', 'operator');
    const { institutionId, walletId, addresses } = request;
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    const purpose = depositPurpose(request, fields);
    checkWanted(addresses, fields);
    fields.done();
    assert(purpose !== undefined, 'a request without wrong fields has a purpose');
    requireActingFor(principal, institutionId, ['operator']);
    const common = { purpose, institutionId, walletId: depositWallet(purpose, walletId) };
    const wanted = addresses.map(({ externalId, label }) => ({ ...common, externalId, label }));
    const asked = askedBy(principal, 'IssueAddresses', '', call, this.#env.runtime);
    for await (const issued of this.#issuing.issueMany(wanted, asked)) yield addressMessage(issued);
  }
}

function checkWanted(addresses: readonly addressV1.AddressWanted[], fields: Fields): void {
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX) {
    fields.add('addresses', `expected 1 to ${ADDRESSES_MAX}, got ${addresses.length}`);
    return;
  }
  const seen = new Set<string>();
  for (const [i, { externalId, label }] of addresses.entries()) {
    if (fields.errors.length >= FAULTS_SHOWN_MAX) return;
    fields.id(`addresses[${i}].external_id`, externalId);
    fields.label(label, `addresses[${i}].label`);
    if (seen.has(externalId)) fields.add(`addresses[${i}].external_id`, 'expected each external id once');
    seen.add(externalId);
  }
}
