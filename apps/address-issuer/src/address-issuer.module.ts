import type { addressV1, ServicePort } from '@finality/contracts';
import { EventReader, PostgresEventStore } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import { Authenticator, INTERNAL_API, SERVICE_ENV, type ServiceEnv, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import type { IssuerStore } from './commands.ts';
import type { AddressIssuerConfig } from './config.ts';
import { Derivations } from './derivations.ts';
import { DestinationRegistry } from './destination-registry.ts';
import { ApproveDestinationRpc } from './inbound/approve-destination.rpc.ts';
import { ChainFactMessages } from './inbound/chain-facts.messages.ts';
import { GetGapReportRpc } from './inbound/get-gap-report.rpc.ts';
import { InstitutionMessages } from './inbound/institution.messages.ts';
import { IssueAddressRpc } from './inbound/issue-address.rpc.ts';
import { IssueAddressesRpc } from './inbound/issue-addresses.rpc.ts';
import { SkipIndicesRpc } from './inbound/skip-indices.rpc.ts';
import { IssueInternalAddressRpc } from './inbound/issue-internal-address.rpc.ts';
import { ListAddressesRpc } from './inbound/list-addresses.rpc.ts';
import { ListDestinationsRpc } from './inbound/list-destinations.rpc.ts';
import { ListSignatoriesRpc } from './inbound/list-signatories.rpc.ts';
import { ListWalletsRpc } from './inbound/list-wallets.rpc.ts';
import { RegisterDestinationRpc } from './inbound/register-destination.rpc.ts';
import { RegisterSignatoryRpc } from './inbound/register-signatory.rpc.ts';
import { RequireApprovalsRpc } from './inbound/require-approvals.rpc.ts';
import { RevokeSignatoryRpc } from './inbound/revoke-signatory.rpc.ts';
import { RegisterWalletRpc } from './inbound/register-wallet.rpc.ts';
import { RequestWalletChallengeRpc } from './inbound/request-wallet-challenge.rpc.ts';
import { RemoveDestinationRpc } from './inbound/remove-destination.rpc.ts';
import { ReviewDestinationRpc } from './inbound/review-destination.rpc.ts';
import { WatchMessages } from './inbound/watch.messages.ts';
import { IssuerHandler } from './issuer.handler.ts';
import { Issuing } from './issuing.ts';
import { Registration, type SignerOfAccounts } from './registration.ts';
import {
  AUTHENTICATOR,
  DERIVATIONS,
  DESTINATIONS,
  ISSUER_READER,
  ISSUER_STORE,
  ISSUING,
  REGISTRATION,
} from './tokens.ts';
import { DerivationWorker } from './workers/derivation.worker.ts';
import { WalletKeysWorker } from './workers/wallet-keys.worker.ts';

export const ADDRESS_ISSUER_SCHEMA = 'address_issuer';

const SERVICE = 'address-issuer';
const CLOSER = Symbol('Closer');

export interface AddressIssuerEnv extends ServiceEnv<AddressIssuerConfig> {
  readonly signer: SignerOfAccounts;
}

/** Who asks for change and payees' addresses, and how. */
export type AddressingPort = ServicePort<addressV1.InternalAddressServiceServer>;

const DESTINATION_RPCS = [
  RegisterSignatoryRpc,
  RevokeSignatoryRpc,
  RequireApprovalsRpc,
  ListSignatoriesRpc,
  RegisterDestinationRpc,
  ApproveDestinationRpc,
  ReviewDestinationRpc,
  RemoveDestinationRpc,
  ListDestinationsRpc,
];

@Module({})
export class AddressIssuerModule {
  static register(env: AddressIssuerEnv): DynamicModule {
    const { pool } = env;
    return {
      module: AddressIssuerModule,
      controllers: [
        RegisterWalletRpc,
        RequestWalletChallengeRpc,
        IssueAddressRpc,
        IssueAddressesRpc,
        ListAddressesRpc,
        ListWalletsRpc,
        GetGapReportRpc,
        ...DESTINATION_RPCS,
        IssueInternalAddressRpc,
        SkipIndicesRpc,
        InstitutionMessages,
        WatchMessages,
        ChainFactMessages,
      ],
      providers: [
        { provide: SERVICE_ENV, useValue: env },
        { provide: AUTHENTICATOR, useFactory: () => new Authenticator(SERVICE, env.driver) },
        // Lets go of the keys' consumer when the app closes.
        {
          provide: CLOSER,
          useFactory: (authenticator: Authenticator) => ({ onModuleDestroy: () => authenticator.close() }),
          inject: [AUTHENTICATOR],
        },
        { provide: DERIVATIONS, useFactory: () => new Derivations(env.config.BITCOIN_NETWORK) },
        {
          provide: ISSUER_STORE,
          useFactory: (derivations: Derivations) => openStore(env, derivations),
          inject: [DERIVATIONS],
        },
        { provide: ISSUER_READER, useFactory: () => new EventReader({ pool, schema: ADDRESS_ISSUER_SCHEMA }) },
        { provide: ISSUING, useFactory: (store: IssuerStore) => openIssuing(env, store), inject: [ISSUER_STORE] },
        {
          provide: REGISTRATION,
          useFactory: (store: IssuerStore, reader: EventReader) => openRegistration(env, store, reader),
          inject: [ISSUER_STORE, ISSUER_READER],
        },
        {
          provide: DESTINATIONS,
          useFactory: (store: IssuerStore, reader: EventReader) => openDestinations(env, store, reader),
          inject: [ISSUER_STORE, ISSUER_READER],
        },
        // Controllers can't be injected: these are what INTERNAL_API is made of. They keep no state.
        IssueInternalAddressRpc,
        SkipIndicesRpc,
        { provide: INTERNAL_API, useFactory: portOf, inject: [IssueInternalAddressRpc, SkipIndicesRpc] },
        {
          provide: WORKERS,
          useFactory: (
            authenticator: Authenticator,
            registration: Registration,
            store: IssuerStore,
            derivations: Derivations,
          ) => [authenticator.worker, ...workersOf(env, registration, store, derivations)],
          inject: [AUTHENTICATOR, REGISTRATION, ISSUER_STORE, DERIVATIONS],
        },
      ],
      exports: [INTERNAL_API, WORKERS],
    };
  }
}

function openStore({ pool, runtime, config, writer }: AddressIssuerEnv, derivations: Derivations): IssuerStore {
  const handler = new IssuerHandler(config.BITCOIN_NETWORK, derivations);
  const options = { pool, schema: ADDRESS_ISSUER_SCHEMA, service: SERVICE, handler, runtime };
  return new PostgresEventStore({ ...options, ...(writer && { writer }) });
}

function openIssuing({ pool, runtime, config, faults }: AddressIssuerEnv, store: IssuerStore): Issuing {
  return new Issuing({ store, pool, runtime, waitMs: config.ADDRESS_WAIT_MS, ...(faults && { faults }) });
}

function openRegistration(
  { signer, runtime, config }: AddressIssuerEnv,
  store: IssuerStore,
  reader: EventReader,
): Registration {
  const { BITCOIN_NETWORK: network, ADDRESS_WAIT_MS: waitMs } = config;
  const proofs = { proofDomain: config.WALLET_PROOF_DOMAIN, proofMs: config.WALLET_PROOF_MS };
  return new Registration({ store, reader, signer, runtime, network, waitMs, ...proofs });
}

function openDestinations(
  { signer, runtime, config, pool }: AddressIssuerEnv,
  store: IssuerStore,
  reader: EventReader,
): DestinationRegistry {
  const { BITCOIN_NETWORK: network, ADDRESS_WAIT_MS: waitMs } = config;
  return new DestinationRegistry({ store, reader, signer, runtime, network, waitMs, pool });
}

function workersOf(
  { pool, runtime, config, signer }: AddressIssuerEnv,
  registration: Registration,
  store: IssuerStore,
  derivations: Derivations,
): readonly Worker[] {
  const { ADDRESS_POOL_SCRIPT_TYPE: poolScriptType } = config;
  return [
    new WalletKeysWorker({ registration, pool, runtime, poolScriptType }),
    new DerivationWorker({ store, pool, signer, runtime, derivations }),
  ];
}

function portOf(issue: IssueInternalAddressRpc, skip: SkipIndicesRpc): AddressingPort {
  return { issueInternalAddress: (request) => issue.handle(request), skipIndices: (request) => skip.handle(request) };
}
