import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync, copyFileSync } from 'node:fs';
import { createServer as createHttp, type Server as HttpServer } from 'node:http';
import { createServer as createHttps, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensureCertificates } from '@finality/tools/certificates/certificates.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const WAIT_MS_MAX = 20_000;
const POLL_MS = 50;

interface Patch {
  readonly path: string;
  readonly role: string;
  readonly authorization: string | undefined;
}

/** The process beside the sidecar, and the cluster's API, as far as the sidecar has to do with them. */
class Surroundings {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'finality-label-'));
  readonly patches: Patch[] = [];
  readyzStatus = 503;
  apiStatus = 200;
  #readyz!: HttpServer;
  #api!: HttpsServer;
  #child: ChildProcess | undefined;
  healthPort = 0;

  async open(): Promise<void> {
    const files = (await ensureCertificates(path.join(this.directory, 'tls'), ['api'])).get('api')!;
    copyFileSync(files.ca, path.join(this.directory, 'ca.crt'));
    this.writeToken('token-1');
    this.#readyz = createHttp((request, response) => {
      expect(request.url).toBe('/readyz');
      response.writeHead(this.readyzStatus).end('{}');
    });
    this.#api = createHttps(
      { cert: readFileSync(files.certificate), key: readFileSync(files.key) },
      (request, response) => {
        let body = '';
        request.setEncoding('utf8').on('data', (text: string) => (body += text));
        request.once('end', () => {
          const { metadata } = JSON.parse(body) as { metadata: { labels: Record<string, string> } };
          const known = { path: request.url ?? '', role: metadata.labels['finality/role']! };
          if (this.apiStatus < 300) this.patches.push({ ...known, authorization: request.headers.authorization });
          response.writeHead(request.url?.endsWith('settlement-2') ? 404 : this.apiStatus).end('{}');
        });
      },
    );
    await Promise.all(
      [this.#readyz, this.#api].map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))),
    );
    const spare = createHttp();
    await new Promise<void>((done) => spare.listen(0, '127.0.0.1', done));
    this.healthPort = (spare.address() as AddressInfo).port;
    await new Promise((done) => spare.close(done));
  }

  writeToken(token: string): void {
    writeFileSync(path.join(this.directory, 'token'), `${token}\n`);
  }

  start(): ChildProcess {
    const port = (server: HttpServer | HttpsServer): number => (server.address() as AddressInfo).port;
    this.#child = spawn(process.execPath, [path.join(import.meta.dirname, 'leader-label.ts')], {
      stdio: 'ignore',
      env: {
        POD_NAME: 'settlement-0',
        POD_NAMESPACE: 'finality',
        PODS: 'settlement-0,settlement-1,settlement-2',
        READYZ_URL: `http://127.0.0.1:${port(this.#readyz)}/readyz`,
        CREDENTIALS_DIRECTORY: this.directory,
        KUBERNETES_SERVICE_HOST: '127.0.0.1',
        KUBERNETES_SERVICE_PORT: String(port(this.#api)),
        HEALTH_HOST: '127.0.0.1',
        HEALTH_PORT: String(this.healthPort),
      },
    });
    return this.#child;
  }

  /** Until so many changes have been made. */
  async made(count: number): Promise<readonly Patch[]> {
    for (let waited = 0; this.patches.length < count; waited += POLL_MS) {
      if (waited > WAIT_MS_MAX) throw new Error(`${this.patches.length} changes were made, expected ${count}`);
      await sleep(POLL_MS);
    }
    return this.patches;
  }

  /** SIGTERM. @returns the exit code */
  async end(): Promise<number | null> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const ended = new Promise<number | null>((done) => child.once('exit', done));
    child.kill('SIGTERM');
    return ended;
  }

  async close(): Promise<void> {
    await this.end();
    for (const server of [this.#readyz, this.#api]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const podPath = (name: string): string => `/api/v1/namespaces/finality/pods/${name}`;

let outside: Surroundings;

beforeEach(async () => {
  outside = new Surroundings();
  await outside.open();
});

afterEach(() => outside.close());

describe('the sidecar that labels the leader', () => {
  it('says what the process beside it is, and takes the label from the others when it begins to lead', async () => {
    outside.start();
    const standby = { path: podPath('settlement-0'), role: 'standby', authorization: 'Bearer token-1' };
    expect(await outside.made(1)).toEqual([standby]);

    outside.writeToken('token-2');
    outside.readyzStatus = 200;
    const leading = (await outside.made(4)).slice(1);
    expect(leading).toEqual([
      { path: podPath('settlement-1'), role: 'standby', authorization: 'Bearer token-2' },
      { path: podPath('settlement-2'), role: 'standby', authorization: 'Bearer token-2' },
      { path: podPath('settlement-0'), role: 'leader', authorization: 'Bearer token-2' },
    ]);
    expect((await fetch(`http://127.0.0.1:${outside.healthPort}/healthz`)).status).toBe(200);
  });

  it('says that it stands by when the process doesn’t answer, and when it ends', async () => {
    outside.readyzStatus = 200;
    outside.start();
    await outside.made(3);
    outside.readyzStatus = 500;
    expect((await outside.made(4)).at(-1)).toMatchObject({ path: podPath('settlement-0'), role: 'standby' });

    outside.readyzStatus = 200;
    expect((await outside.made(7)).at(-1)).toMatchObject({ role: 'leader' });
    expect(await outside.end()).toBe(0);
    expect(outside.patches.at(-1)).toMatchObject({ path: podPath('settlement-0'), role: 'standby' });
  });

  it('tries again while the cluster refuses', async () => {
    outside.apiStatus = 500;
    const child = outside.start();
    await sleep(2_500);
    expect(outside.patches).toEqual([]);
    expect(child.exitCode).toBeNull();
    outside.apiStatus = 200;
    expect((await outside.made(1))[0]).toMatchObject({ role: 'standby' });
  });
});
