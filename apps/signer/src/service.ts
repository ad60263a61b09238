import { signingV1 } from '@finality/contracts';
import { createEventStore, type ServiceBlueprint } from '@finality/service';
import { createSigner } from './migrations/create-signer.migration.ts';
import { SIGNER_SCHEMA, type SignerEnv, SignerModule } from './signer.module.ts';
import { SIGNER_REBUILD } from './rebuilt.ts';
import { STREAMS } from './streams.ts';

/** The only holder of keys. Nothing of it is on the public port: other services of ours reach it through `INTERNAL_API` (a `SigningPort`). */
export const signerService: ServiceBlueprint<SignerEnv> = {
  name: 'signer',
  schema: SIGNER_SCHEMA,
  migrations: (roles) => [createEventStore(roles), createSigner(roles)],
  streams: STREAMS,
  rebuild: () => SIGNER_REBUILD,
  entities: [],
  topics: [],
  grpc: {},
  internal: {
    definition: signingV1.SigningServiceService,
    callers: {
      createAccount: ['address-issuer'],
      deriveScripts: ['address-issuer'],
      signTransaction: ['settlement'],
      recordHandOut: ['settlement'],
      listJournal: ['reconciliation', 'settlement'],
      listSigned: ['settlement'],
      raiseEpoch: ['settlement'],
      // Whoever asks for signatures doesn't get to say what may be paid.
      registerSignatory: ['address-issuer'],
      revokeSignatory: ['address-issuer'],
      requireApprovals: ['address-issuer'],
      checkApprovals: ['settlement'],
      checkDestinationRequest: ['address-issuer'],
      registerDestination: ['address-issuer'],
      removeDestination: ['address-issuer'],
      checkDestinations: ['settlement'],
      releaseCoins: ['settlement'],
      signLedgerHead: ['settlement'],
    },
  },
  module: (env) => SignerModule.register(env),
};
