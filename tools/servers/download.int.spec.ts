import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { downloadAll } from './download.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('downloadAll', () => {
  let server: Server;
  let base: string;
  let asked: string[];
  let directory: string;
  /** How often a path fails before it doesn't. */
  let failures: Map<string, number>;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const url = request.url!;
      asked.push(url);
      const left = failures.get(url) ?? 0;
      failures.set(url, left - 1);
      if (left > 0) response.writeHead(503).end();
      else response.end(`content of ${url}`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());
  beforeEach(() => {
    asked = [];
    failures = new Map();
    directory = mkdtempSync(path.join(tmpdir(), 'finality-download-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const options = { progressed: () => undefined, env: {}, attemptPauseMs: 1 };
  const wanted = (name: string, content = `content of /${name}`) => ({
    url: `${base}/${name}`,
    sha256: sha256(content),
    file: path.join(directory, name),
  });

  it('fetches each once, and tells how far it is', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `jar-${i}`);
    const counts: number[] = [];
    await downloadAll(
      names.map((name) => wanted(name)),
      { ...options, progressed: (count) => counts.push(count) },
    );
    expect(asked.toSorted()).toEqual(names.map((name) => `/${name}`).toSorted());
    expect(readFileSync(path.join(directory, 'jar-7'), 'utf8')).toBe('content of /jar-7');
    expect(counts.toSorted((a, b) => a - b)).toEqual(names.map((_, i) => i + 1));
  });

  it('tries again a few times, then says what it can’t get and why', async () => {
    failures.set('/late', 2).set('/never', 1_000);
    await downloadAll([wanted('late')], options);
    expect(asked).toHaveLength(3);
    await expect(downloadAll([wanted('never')], options)).rejects.toMatchObject({
      reason: 'NOT_FETCHED',
      message: expect.stringMatching(/\/never: HTTP status 503/) as string,
    });
    expect(asked).toHaveLength(3 + 4);
  });

  it('keeps nothing that isn’t what was expected', async () => {
    await expect(downloadAll([wanted('jar', 'other')], options)).rejects.toMatchObject({
      reason: 'NOT_FETCHED',
      message: expect.stringContaining(sha256('other')) as string,
    });
    expect(readdirSync(directory)).toEqual([]);
  });

  it('goes through the proxy that the environment names', async () => {
    const url = 'http://maven.invalid/jar';
    const jar = { url, sha256: sha256(`content of ${url}`), file: path.join(directory, 'jar') };
    await downloadAll([jar], { ...options, env: { HTTP_PROXY: base } });
    expect(asked).toEqual(['http://maven.invalid/jar']);
  });
});
