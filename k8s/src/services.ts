import type { ServiceName } from '@finality/contracts';

/** What a service is like wherever it runs. What it is told differs by environment. */
export interface ServiceTraits {
  readonly name: ServiceName;
  /** The API for institutions, with API keys; undefined for a service that has none. */
  readonly grpcPort: number | undefined;
  /** The API for our other services, with mutual TLS. */
  readonly internalPort: number;
  /** Whose internal API it calls: for its own questions, and to fill gaps in the messages it consumes. */
  readonly peers: readonly ServiceName[];
  /** Whether it talks to a Bitcoin node. */
  readonly talksToNode: boolean;
}

/** All services; tests compare this with what their programs declare. */
export const SERVICES: readonly ServiceTraits[] = [
  {
    name: 'settlement',
    grpcPort: 50_051,
    internalPort: 50_061,
    peers: ['address-issuer', 'signer', 'risk', 'aml', 'chain-watcher', 'reconciliation'],
    talksToNode: false,
  },
  {
    name: 'address-issuer',
    grpcPort: 50_052,
    internalPort: 50_062,
    peers: ['signer', 'settlement', 'chain-watcher'],
    talksToNode: false,
  },
  {
    name: 'chain-watcher',
    grpcPort: undefined,
    internalPort: 50_066,
    peers: ['address-issuer', 'settlement'],
    talksToNode: true,
  },
  { name: 'risk', grpcPort: 50_053, internalPort: 50_063, peers: ['settlement', 'chain-watcher'], talksToNode: false },
  { name: 'aml', grpcPort: 50_054, internalPort: 50_064, peers: ['settlement'], talksToNode: false },
  { name: 'signer', grpcPort: undefined, internalPort: 50_067, peers: [], talksToNode: false },
  {
    name: 'reconciliation',
    grpcPort: 50_055,
    internalPort: 50_065,
    peers: ['settlement', 'signer', 'address-issuer'],
    talksToNode: true,
  },
];

export const HTTP_PORT = 8_080;
/** Of the sidecar that labels the leader. */
export const LABEL_HEALTH_PORT = 8_090;
/** Its replicas stand by for one another, each under a name of its own; the others have one replica. */
export const STANDBY_SERVICE: ServiceName = 'settlement';
export const STANDBY_REPLICAS_MAX = 3;

export function traitsOf(name: ServiceName): ServiceTraits {
  const found = SERVICES.find((service) => service.name === name);
  if (!found) throw new Error(`there is no service ${name}`);
  return found;
}

/** The names of the pods that a service with a standby has. */
export const podNames = (name: ServiceName, replicas: number): readonly string[] =>
  Array.from({ length: replicas }, (_, i) => `${name}-${i}`);

/** The Service through which each replica of such a service has a name. */
export const readServiceOf = (name: ServiceName): string => `${name}-read`;

/** What `<PEER>_ADDRESS` is set to; of a service with a standby, every replica. */
export function addressesOf(peer: ServiceName, replicas: number): string {
  const { internalPort } = traitsOf(peer);
  if (peer !== STANDBY_SERVICE) return `${peer}:${internalPort}`;
  return podNames(peer, replicas)
    .map((pod) => `${pod}.${readServiceOf(peer)}:${internalPort}`)
    .join(',');
}

/** `address-issuer` → `ADDRESS_ISSUER_ADDRESS`. */
export const addressVariable = (peer: ServiceName): string => `${peer.toUpperCase().replaceAll('-', '_')}_ADDRESS`;
