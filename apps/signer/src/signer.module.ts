import type { ServicePort, signingV1 } from '@finality/contracts';
import { EventReader, PostgresEventStore } from '@finality/event-store';
import { INTERNAL_API, SERVICE_ENV, type ServiceEnv, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import { allowListTermsOf, limitsOf, type SignerConfig } from './config.ts';
import { CheckApprovalsRpc } from './inbound/check-approvals.rpc.ts';
import { CheckDestinationRequestRpc } from './inbound/check-destination-request.rpc.ts';
import { CheckDestinationsRpc } from './inbound/check-destinations.rpc.ts';
import { CreateAccountRpc } from './inbound/create-account.rpc.ts';
import { DeriveScriptsRpc } from './inbound/derive-scripts.rpc.ts';
import { ListJournalRpc } from './inbound/list-journal.rpc.ts';
import { ListSignedRpc } from './inbound/list-signed.rpc.ts';
import { RaiseEpochRpc } from './inbound/raise-epoch.rpc.ts';
import { RecordHandOutRpc } from './inbound/record-hand-out.rpc.ts';
import { RegisterDestinationRpc } from './inbound/register-destination.rpc.ts';
import { RegisterSignatoryRpc } from './inbound/register-signatory.rpc.ts';
import { ReleaseCoinsRpc } from './inbound/release-coins.rpc.ts';
import { RemoveDestinationRpc } from './inbound/remove-destination.rpc.ts';
import { RequireApprovalsRpc } from './inbound/require-approvals.rpc.ts';
import { RevokeSignatoryRpc } from './inbound/revoke-signatory.rpc.ts';
import { SignLedgerHeadRpc } from './inbound/sign-ledger-head.rpc.ts';
import { SignTransactionRpc } from './inbound/sign-transaction.rpc.ts';
import { Keyring } from './keyring.ts';
import { openSeed } from './outbound/seed-vault.ts';
import { SignerHandler } from './signer.handler.ts';
import { KEYRING, SIGNER_READER, SIGNER_STORE, type SignerStore } from './tokens.ts';

export type SignerEnv = ServiceEnv<SignerConfig>;

/** Who asks the signer, and how. */
export type SigningPort = ServicePort<signingV1.SigningServiceServer>;

export const SIGNER_SCHEMA = 'signer';

const RPCS = [
  CreateAccountRpc,
  DeriveScriptsRpc,
  SignTransactionRpc,
  ListJournalRpc,
  ListSignedRpc,
  RaiseEpochRpc,
  RegisterSignatoryRpc,
  CheckDestinationRequestRpc,
  RegisterDestinationRpc,
  RemoveDestinationRpc,
  CheckDestinationsRpc,
  SignLedgerHeadRpc,
  ReleaseCoinsRpc,
  RevokeSignatoryRpc,
  RecordHandOutRpc,
  RequireApprovalsRpc,
  CheckApprovalsRpc,
];

@Module({})
export class SignerModule {
  static register(env: SignerEnv): DynamicModule {
    return {
      module: SignerModule,
      controllers: RPCS,
      providers: [
        // Controllers can't be injected: these are what INTERNAL_API is made of. They keep no state but caches.
        ...RPCS,
        { provide: SERVICE_ENV, useValue: env },
        { provide: KEYRING, useFactory: () => openKeyring(env) },
        { provide: SIGNER_STORE, useFactory: (keyring: Keyring) => openStore(env, keyring), inject: [KEYRING] },
        { provide: SIGNER_READER, useFactory: () => new EventReader({ pool: env.pool, schema: SIGNER_SCHEMA }) },
        { provide: INTERNAL_API, useFactory: portOf, inject: RPCS },
        { provide: WORKERS, useValue: [] },
      ],
      exports: [INTERNAL_API, WORKERS],
    };
  }
}

async function openKeyring(env: SignerEnv): Promise<Keyring> {
  return new Keyring(await openSeed(env), env.config.BITCOIN_NETWORK);
}

function openStore({ pool, runtime, config, writer }: SignerEnv, keyring: Keyring): SignerStore {
  const handler = new SignerHandler({ keyring, limits: limitsOf(config), allowList: allowListTermsOf(config) });
  const options = { pool, schema: SIGNER_SCHEMA, service: 'signer', handler, runtime };
  return new PostgresEventStore({ ...options, ...(writer && { writer }) });
}

function portOf(
  create: CreateAccountRpc,
  derive: DeriveScriptsRpc,
  sign: SignTransactionRpc,
  list: ListJournalRpc,
  ...more: readonly [
    ListSignedRpc,
    RaiseEpochRpc,
    RegisterSignatoryRpc,
    CheckDestinationRequestRpc,
    RegisterDestinationRpc,
    RemoveDestinationRpc,
    CheckDestinationsRpc,
    SignLedgerHeadRpc,
    ReleaseCoinsRpc,
    RevokeSignatoryRpc,
    RecordHandOutRpc,
    RequireApprovalsRpc,
    CheckApprovalsRpc,
  ]
): SigningPort {
  const [listSigned, raise, signatory, checkRequest, register, remove, check, head, release, revoke, ...newer] = more;
  const [handOut, requireApprovals, checkApprovals] = newer;
  return {
    createAccount: (request) => create.handle(request),
    deriveScripts: (request) => derive.handle(request),
    signTransaction: (request) => sign.handle(request),
    listJournal: (request) => list.handle(request),
    listSigned: (request) => listSigned.handle(request),
    raiseEpoch: (request) => raise.handle(request),
    registerSignatory: (request) => signatory.handle(request),
    checkDestinationRequest: (request) => checkRequest.handle(request),
    registerDestination: (request) => register.handle(request),
    removeDestination: (request) => remove.handle(request),
    checkDestinations: (request) => check.handle(request),
    signLedgerHead: (request) => head.handle(request),
    releaseCoins: (request) => release.handle(request),
    revokeSignatory: (request) => revoke.handle(request),
    recordHandOut: (request) => handOut.handle(request),
    requireApprovals: (request) => requireApprovals.handle(request),
    checkApprovals: (request) => checkApprovals.handle(request),
  };
}
