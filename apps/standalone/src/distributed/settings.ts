import type { ServiceName } from '@finality/contracts';
import { defineConfig, kafkaSettings, setting } from '@finality/service';
import type { z } from 'zod';

export type Environment = Readonly<Record<string, string | undefined>>;

const port = (service: ServiceName) =>
  setting.port().optional().describe(`Port of the gRPC API of ${service} itself on 127.0.0.1; default: any free one.`);

/** What `npm run start:distributed` can be told beyond what `npm start` can. */
export const distributedSettings = defineConfig({
  DATABASE_ADMIN_URL: setting.secret(
    setting
      .url('postgres', 'postgresql')
      .optional()
      .describe('A Postgres server of your own, with a role that may create roles and databases; else one is started.'),
  ),
  ...kafkaSettings.shape,
  KAFKA_BROKERS: setting
    .text()
    .optional()
    .describe('Kafka brokers of your own (host:port, separated by commas); else one is started.'),
  SETTLEMENT_GRPC_PORT: port('settlement'),
  ADDRESS_ISSUER_GRPC_PORT: port('address-issuer'),
  RISK_GRPC_PORT: port('risk'),
  AML_GRPC_PORT: port('aml'),
  RECONCILIATION_GRPC_PORT: port('reconciliation'),
});

export type DistributedSettings = z.output<typeof distributedSettings>;

export const grpcPortsOf = (
  settings: DistributedSettings,
): Readonly<Partial<Record<ServiceName, number | undefined>>> => ({
  settlement: settings.SETTLEMENT_GRPC_PORT,
  'address-issuer': settings.ADDRESS_ISSUER_GRPC_PORT,
  risk: settings.RISK_GRPC_PORT,
  aml: settings.AML_GRPC_PORT,
  reconciliation: settings.RECONCILIATION_GRPC_PORT,
});
