import { addressV1, TOPICS } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { ADDRESS_ISSUER_SCHEMA, type AddressIssuerEnv, AddressIssuerModule } from './address-issuer.module.ts';
import { createAddresses } from './migrations/create-addresses.migration.ts';
import { addressEntity } from './projections/addresses.projection.ts';
import { addressRebuild } from './projections/rebuilt.ts';
import { walletEntity } from './projections/wallets.projection.ts';
import { STREAMS } from './streams.ts';

/** Wallets' descriptors in, addresses out. Other services of ours reach it through `INTERNAL_API` (an `AddressingPort`). */
export const addressIssuerService: ServiceBlueprint<AddressIssuerEnv> = {
  name: 'address-issuer',
  schema: ADDRESS_ISSUER_SCHEMA,
  migrations: (roles) => [createEventStore(roles), createAddresses(roles)],
  streams: STREAMS,
  rebuild: addressRebuild,
  entities: [walletEntity, addressEntity],
  topics: [TOPICS.institution, TOPICS.watch, TOPICS.chainFact],
  grpc: {
    'finality.address.v1.AddressService': addressV1.AddressServiceService,
    'finality.address.v1.DestinationService': addressV1.DestinationServiceService,
  },
  internal: {
    definition: addressV1.InternalAddressServiceService,
    callers: { issueInternalAddress: ['settlement'], skipIndices: ['settlement'] },
  },
  module: (env) => AddressIssuerModule.register(env),
};
