import { messagingV1, type ServiceName, type ServicePort, topicNamed, TOPICS } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import type { OwnerMessages } from '@finality/messaging';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { ServiceBlueprint } from '../app/definition.ts';
import { connectService, type ServiceClient } from '../grpc/client.ts';
import { type MessagePort, ownersMessages } from '../internal/published-messages.ts';
import { channelCredentials } from '../internal/tls.ts';
import type { TlsIdentity } from '../internal/tls-identity.ts';
import { addressVariable, type ProcessConfig } from './config.ts';

const CALL_MS_MAX = 15_000;

/** Whom a service calls: those named, the owners of the topics it consumes, and whoever publishes API keys if it has an API. */
export function peersOf(
  { name, topics, grpc }: Pick<ServiceBlueprint, 'name' | 'topics' | 'grpc'>,
  calls: readonly ServiceName[],
): readonly ServiceName[] {
  const owners = topics.map(({ owner }) => owner);
  const keys = Object.keys(grpc).length > 0 ? [TOPICS.apiKey.owner] : [];
  return [...new Set([...calls, ...owners, ...keys])].filter((peer) => peer !== name).toSorted();
}

/** Connections to other services of ours, made when they are first needed. */
export class Peers {
  readonly #config: ProcessConfig;
  readonly #tls: TlsIdentity;
  readonly #runtime: Runtime;
  readonly #clients = new Map<string, ServiceClient<unknown>>();

  constructor(options: { readonly config: ProcessConfig; readonly tls: TlsIdentity; readonly runtime: Runtime }) {
    this.#config = options.config;
    this.#tls = options.tls;
    this.#runtime = options.runtime;
  }

  port<Server>(peer: ServiceName, definition: ServiceDefinition): ServicePort<Server> {
    const [path = ''] = Object.values(definition).map((method) => method.path);
    const service = `${peer}${path.slice(0, path.lastIndexOf('/'))}`;
    const known = this.#clients.get(service) as ServiceClient<Server> | undefined;
    if (known) return known.calls;
    const client = connectService<Server>(definition, {
      address: targetOf(this.#config[addressVariable(peer)]!),
      runtime: this.#runtime,
      credentials: channelCredentials(this.#tls, peer),
      serverName: peer,
      timeoutMs: CALL_MS_MAX,
    });
    this.#clients.set(service, client as ServiceClient<unknown>);
    return client.calls;
  }

  /** Topics' messages from their owners' logs. */
  messages(): OwnerMessages {
    return ownersMessages((topic): MessagePort =>
      this.port<messagingV1.MessageServiceServer>(topicNamed(topic).owner, messagingV1.MessageServiceService),
    );
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }
}

/** Several addresses are tried in turn (https://github.com/grpc/grpc/blob/master/doc/naming.md). */
const targetOf = (addresses: string): string => (addresses.includes(',') ? `ipv4:${addresses}` : addresses);
