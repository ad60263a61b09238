import { k8s } from 'cdk8s-plus-33';
import { Construct } from 'constructs';
import type { Destination, Resources } from '../environment.ts';
import { PART_OF, fromSecret, POD_DEFAULTS, resourcesOf, value } from './pod.ts';

const DISK_SIZE = '10Gi';
const STOP_SECONDS = 60;
/** Any: the log directory belongs to it for good. */
const KAFKA_CLUSTER_ID = '5L6g3nShT-eMCtK--X86sw';
const RESOURCES: Resources = { cpuRequest: '100m', cpuLimit: '2', memoryRequest: '512Mi', memoryLimit: '1Gi' };
export const LOCAL_SERVERS_SECRET = 'local-servers';

interface LocalServer {
  readonly name: string;
  readonly image: string;
  readonly userId: number;
  readonly port: number;
  readonly command?: string[];
  readonly args?: string[];
  readonly env?: k8s.EnvVar[];
  readonly dataPath: string;
  /** Where else it writes; undefined: its image writes into its own folders when it starts. */
  readonly writes: readonly string[] | undefined;
  readonly ready: string[];
}

/** What the services live on where nobody else runs it: a database, a broker and a node, each one pod with a disk. For trying out only. */
export const LOCAL_SERVERS: readonly LocalServer[] = [
  {
    name: 'postgres',
    image: 'postgres:18.4-bookworm',
    userId: 999,
    port: 5_432,
    env: [
      fromSecret('POSTGRES_PASSWORD', LOCAL_SERVERS_SECRET, 'postgres-password'),
      value('PGDATA', '/var/lib/postgresql/18/docker'),
    ],
    dataPath: '/var/lib/postgresql',
    writes: ['/var/run/postgresql', '/tmp'],
    ready: ['pg_isready', '--username=postgres', '--host=127.0.0.1'],
  },
  {
    name: 'kafka',
    image: 'apache/kafka:4.3.1',
    userId: 1_000,
    port: 9_092,
    env: Object.entries({
      CLUSTER_ID: KAFKA_CLUSTER_ID,
      KAFKA_NODE_ID: '1',
      KAFKA_PROCESS_ROLES: 'broker,controller',
      KAFKA_LISTENERS: 'PLAINTEXT://:9092,CONTROLLER://:9093',
      KAFKA_ADVERTISED_LISTENERS: 'PLAINTEXT://kafka:9092',
      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
      KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
      KAFKA_INTER_BROKER_LISTENER_NAME: 'PLAINTEXT',
      KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_LOG_DIRS: '/var/lib/kafka/data/log',
      KAFKA_HEAP_OPTS: '-Xmx512m -Xms512m',
    }).map(([name, text]) => value(name, text)),
    dataPath: '/var/lib/kafka/data',
    writes: undefined,
    ready: ['/opt/kafka/bin/kafka-broker-api-versions.sh', '--bootstrap-server=127.0.0.1:9092'],
  },
  {
    name: 'bitcoin',
    image: 'bitcoin/bitcoin:31.1',
    userId: 101,
    port: 18_443,
    // Not its entrypoint, which wants to be root in order to become somebody else.
    command: ['bitcoind'],
    args: [
      '-regtest',
      '-datadir=/home/bitcoin/.bitcoin',
      '-printtoconsole',
      '-txindex',
      '-fallbackfee=0.0001',
      '-rpcbind=0.0.0.0',
      '-rpcallowip=0.0.0.0/0',
      '-rpcauth=$(BITCOIN_RPC_AUTH)',
    ],
    env: [fromSecret('BITCOIN_RPC_AUTH', LOCAL_SERVERS_SECRET, 'bitcoin-rpc-auth')],
    dataPath: '/home/bitcoin/.bitcoin',
    writes: ['/tmp'],
    ready: ['bitcoin-cli', '-regtest', '-datadir=/home/bitcoin/.bitcoin', 'getblockcount'],
  },
];

export class LocalServers extends Construct {
  constructor(scope: Construct, id: string, { callers }: { callers: readonly k8s.NetworkPolicyPeer[] }) {
    super(scope, id);
    for (const server of LOCAL_SERVERS) {
      const labels = { 'app.kubernetes.io/name': server.name, 'app.kubernetes.io/part-of': PART_OF };
      const target: Destination = { kind: 'pods', name: server.name, ports: [server.port] };
      this.#policy(server, labels, callers, target.ports);
      new k8s.KubeService(this, `${server.name}-service`, {
        metadata: { name: server.name },
        spec: {
          selector: labels,
          ports: [{ name: server.name, port: server.port, targetPort: k8s.IntOrString.fromNumber(server.port) }],
        },
      });
      new k8s.KubeStatefulSet(this, server.name, {
        metadata: { name: server.name },
        spec: {
          serviceName: server.name,
          replicas: 1,
          selector: { matchLabels: labels },
          template: { metadata: { labels }, spec: podOf(server) },
          volumeClaimTemplates: [
            {
              metadata: { name: 'data' },
              spec: {
                accessModes: ['ReadWriteOnce'],
                resources: { requests: { storage: k8s.Quantity.fromString(DISK_SIZE) } },
              },
            },
          ],
        },
      });
    }
  }

  #policy(
    { name }: LocalServer,
    matchLabels: Record<string, string>,
    from: readonly k8s.NetworkPolicyPeer[],
    ports: readonly number[],
  ): void {
    new k8s.KubeNetworkPolicy(this, `${name}-policy`, {
      metadata: { name },
      spec: {
        podSelector: { matchLabels },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [...from], ports: ports.map((port) => ({ port: k8s.IntOrString.fromNumber(port) })) }],
      },
    });
  }
}

function podOf(server: LocalServer): k8s.PodSpec {
  const { name, image, userId, port, command, args, env, dataPath, writes, ready } = server;
  const scratch = (writes ?? []).map((mountPath, i) => ({ name: `scratch-${i}`, mountPath }));
  return {
    ...POD_DEFAULTS,
    securityContext: { ...POD_DEFAULTS.securityContext, runAsUser: userId, runAsGroup: userId, fsGroup: userId },
    terminationGracePeriodSeconds: STOP_SECONDS,
    containers: [
      {
        name,
        image,
        ...(command && { command }),
        ...(args && { args }),
        ...(env && { env }),
        ports: [{ name, containerPort: port }],
        livenessProbe: { tcpSocket: { port: k8s.IntOrString.fromString(name) }, initialDelaySeconds: 60 },
        readinessProbe: { exec: { command: ready }, periodSeconds: 10, timeoutSeconds: 10 },
        resources: resourcesOf(RESOURCES),
        securityContext: {
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'] },
          readOnlyRootFilesystem: writes !== undefined,
          runAsNonRoot: true,
        },
        volumeMounts: [{ name: 'data', mountPath: dataPath }, ...scratch],
      },
    ],
    volumes: scratch.map((each) => ({ name: each.name, emptyDir: {} })),
  };
}
