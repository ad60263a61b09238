/**
 * Sidecar in Kubernetes of a service whose replicas stand by for one another: keeps the pod's label `finality/role` at what the process beside it
 * says, `leader` or `standby`. The Service that clients write through selects the leader by that label. Readiness can't say it: a standby is ready, and
 * a replica which never is would stop every rollout and every drain of a node. Runs as it is under Node, which strips the types.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';

type Role = 'leader' | 'standby';

const LABEL = 'finality/role';
const POLL_MS = 1_000;
const ASK_MS_MAX = 2_000;
const PATCH_MS_MAX = 5_000;
/** So often a label is set again that hasn't changed, in case somebody else did. */
const REPEAT_MS = 30_000;
/** A loop that hasn't come round for so long hangs. */
const STALLED_MS = 30_000;
const CREDENTIALS = '/var/run/secrets/kubernetes.io/serviceaccount';

const setting = (name: string, fallback?: string): string => {
  const value = process.env[name] ?? fallback;
  if (value === undefined) throw new Error(`${name} isn't set`);
  return value;
};

const pod = setting('POD_NAME');
const namespace = setting('POD_NAMESPACE');
/** Every pod that may have the label, this one among them. */
const pods = setting('PODS').split(',');
const readyz = setting('READYZ_URL', 'http://127.0.0.1:8080/readyz');
const credentials = setting('CREDENTIALS_DIRECTORY', CREDENTIALS);
const apiHost = setting('KUBERNETES_SERVICE_HOST');
const apiPort = Number(setting('KUBERNETES_SERVICE_PORT'));

const stopping = new AbortController();
let aliveAtMs = performance.now();

const log = (level: string, message: string, more: object = {}): void => {
  process.stderr.write(
    `${JSON.stringify({ level, time: Date.now(), service: 'leader-label', pod, message, ...more })}\n`,
  );
};

const health = createServer((_request, response) => {
  response.statusCode = performance.now() - aliveAtMs < STALLED_MS ? 200 : 503;
  response.end();
});
health.listen(Number(setting('HEALTH_PORT', '8090')), setting('HEALTH_HOST', '0.0.0.0'));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stopping.abort());

let labelled: { readonly role: Role; readonly atMs: number } | undefined;
while (!stopping.signal.aborted) {
  aliveAtMs = performance.now();
  const role = await roleNow();
  const isDue = labelled?.role !== role || performance.now() - labelled.atMs > REPEAT_MS;
  if (isDue && (await tell(role))) labelled = { role, atMs: performance.now() };
  await sleep(POLL_MS);
}
// Clients go elsewhere while the process beside this one drains.
await tell('standby');
health.close();

/** Only a process that says 200 without being asked whether it stands by is the one that writes. */
async function roleNow(): Promise<Role> {
  try {
    const response = await fetch(readyz, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    await response.arrayBuffer();
    return response.status === 200 ? 'leader' : 'standby';
  } catch {
    return 'standby';
  }
}

/** @returns whether the cluster knows; a new leader takes the label from the others first, whose sidecars may be gone with their nodes */
async function tell(role: Role): Promise<boolean> {
  try {
    if (role === 'leader' && labelled?.role !== 'leader') {
      for (const other of pods.filter((name) => name !== pod)) await patch(other, 'standby');
    }
    await patch(pod, role);
    if (labelled?.role !== role) log('info', `this pod is the ${role} from now on`);
    return true;
  } catch (error) {
    log('warn', 'the label could not be set', { error: error instanceof Error ? error.message : String(error) });
    return false;
  }
}

function patch(name: string, role: Role): Promise<void> {
  const body = JSON.stringify({ metadata: { labels: { [LABEL]: role } } });
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: apiHost,
        port: apiPort,
        method: 'PATCH',
        path: `/api/v1/namespaces/${namespace}/pods/${name}`,
        ca: readFileSync(`${credentials}/ca.crt`),
        // Read each time: the cluster replaces it while the pod runs.
        headers: {
          authorization: `Bearer ${readFileSync(`${credentials}/token`, 'utf8').trim()}`,
          'content-type': 'application/merge-patch+json',
          'content-length': Buffer.byteLength(body),
        },
        signal: AbortSignal.timeout(PATCH_MS_MAX),
      },
      (response) => {
        response.resume();
        response.once('end', () => {
          const status = response.statusCode ?? 0;
          // A pod that doesn't exist has no label.
          if (status < 300 || (status === 404 && name !== pod)) resolve();
          else reject(new Error(`the cluster answered ${status} to a change of ${name}`));
        });
      },
    );
    call.once('error', reject);
    call.end(body);
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      stopping.signal.removeEventListener('abort', done);
      resolve();
    }
    stopping.signal.addEventListener('abort', done);
  });
}
