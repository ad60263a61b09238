import { EventReader, PostgresEventStore } from '@finality/event-store';
import { Authenticator, SERVICE_ENV, type ServiceEnv, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import type { RiskBody, RiskReply } from './commands.ts';
import type { RiskConfig } from './config.ts';
import { ChainFactMessages } from './inbound/chain-fact.messages.ts';
import { DepositMessages } from './inbound/deposit.messages.ts';
import { GetVerdictRpc } from './inbound/get-verdict.rpc.ts';
import { ApprovalMessages } from './inbound/approval.messages.ts';
import { ScreeningMessages } from './inbound/screening.messages.ts';
import { LabelLoader } from './outbound/label-loader.ts';
import { RiskHandler, type RiskWorld } from './risk.handler.ts';
import { AUTHENTICATOR, LABEL_LOADER, RISK_READER, RISK_STORE, type RiskStore } from './tokens.ts';
import { LabelWorker } from './workers/label.worker.ts';

export type RiskEnv = ServiceEnv<RiskConfig>;

export const RISK_SCHEMA = 'risk';

@Module({})
export class RiskModule {
  static register(env: RiskEnv): DynamicModule {
    return {
      module: RiskModule,
      controllers: [ScreeningMessages, ApprovalMessages, DepositMessages, ChainFactMessages, GetVerdictRpc],
      providers: [
        { provide: SERVICE_ENV, useValue: env },
        { provide: RISK_STORE, useFactory: () => openStore(env) },
        { provide: RISK_READER, useFactory: () => new EventReader({ pool: env.pool, schema: RISK_SCHEMA }) },
        { provide: AUTHENTICATOR, useFactory: () => new Authenticator('risk', env.driver) },
        { provide: LABEL_LOADER, useFactory: (store: RiskStore) => loadLabels(env, store), inject: [RISK_STORE] },
        { provide: WORKERS, useFactory: workersOf, inject: [AUTHENTICATOR, LABEL_LOADER] },
      ],
      exports: [WORKERS],
    };
  }
}

function openStore({ pool, runtime, config, writer }: RiskEnv): RiskStore {
  const { rules, labelLists } = config;
  const handler = new RiskHandler({ rules, labelLists: labelLists.map(({ name }) => name) });
  const options = { pool, schema: RISK_SCHEMA, service: 'risk', handler, runtime, ...(writer && { writer }) };
  return new PostgresEventStore<RiskBody, RiskWorld, RiskReply>(options);
}

/** Before anything is screened. A list that can't be loaded doesn't stop the service: the worker goes on trying, and screening fails closed. */
async function loadLabels({ config, runtime }: RiskEnv, store: RiskStore): Promise<LabelLoader> {
  const loader = new LabelLoader(config.labelLists, store, runtime);
  await loader.load();
  return loader;
}

function workersOf(authenticator: Authenticator, loader: LabelLoader) {
  return [authenticator.worker, new LabelWorker(loader)];
}
