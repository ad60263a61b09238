import { EventReader, PostgresEventStore } from '@finality/event-store';
import { Authenticator, SERVICE_ENV, type ServiceEnv, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import { AmlHandler } from './aml.handler.ts';
import type { AmlBody, AmlReply } from './commands.ts';
import type { AmlConfig } from './config.ts';
import { DepositMessages } from './inbound/deposit.messages.ts';
import { GetVerdictRpc } from './inbound/get-verdict.rpc.ts';
import { ScreeningMessages } from './inbound/screening.messages.ts';
import { AML_READER, AML_STORE, type AmlStore, AUTHENTICATOR } from './tokens.ts';

export type AmlEnv = ServiceEnv<AmlConfig>;

export const AML_SCHEMA = 'aml';

@Module({})
export class AmlModule {
  static register(env: AmlEnv): DynamicModule {
    return {
      module: AmlModule,
      controllers: [ScreeningMessages, DepositMessages, GetVerdictRpc],
      providers: [
        { provide: SERVICE_ENV, useValue: env },
        { provide: AML_STORE, useFactory: () => openStore(env) },
        { provide: AML_READER, useFactory: () => new EventReader({ pool: env.pool, schema: AML_SCHEMA }) },
        { provide: AUTHENTICATOR, useFactory: () => new Authenticator('aml', env.driver) },
        {
          provide: WORKERS,
          useFactory: (authenticator: Authenticator) => [authenticator.worker],
          inject: [AUTHENTICATOR],
        },
      ],
      exports: [WORKERS],
    };
  }
}

function openStore({ pool, runtime, config, writer }: AmlEnv): AmlStore {
  const options = {
    pool,
    schema: AML_SCHEMA,
    service: 'aml',
    handler: new AmlHandler(config.rules),
    runtime,
    ...(writer && { writer }),
  };
  return new PostgresEventStore<AmlBody, undefined, AmlReply>(options);
}
