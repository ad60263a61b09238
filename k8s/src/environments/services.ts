import type { ServiceName } from '@finality/contracts';
import type { SecretNames, ServiceSettings } from '../environment.ts';
import { SERVICES } from '../services.ts';

/** Names of a service's Secrets: the same everywhere. */
export const secretsOf = (name: ServiceName): SecretNames => ({
  credentials: `${name}-credentials`,
  migration: `${name}-migration`,
  tls: `${name}-tls`,
});

/** The same function for each service. */
export function eachService(make: (name: ServiceName) => ServiceSettings): Record<ServiceName, ServiceSettings> {
  return Object.fromEntries(SERVICES.map(({ name }) => [name, make(name)])) as Record<ServiceName, ServiceSettings>;
}
