import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, it } from 'vitest';

const home = mkdtempSync(path.join(tmpdir(), 'finality-key-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const make = (...args: readonly string[]): string =>
  execFileSync(process.execPath, [path.join(import.meta.dirname, 'key.mjs'), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

it('a key is written into a file of its owner’s, and what is printed tells it without its secret', async () => {
  const { parseApiKey } = await import('@finality/service');
  const file = path.join(home, 'key');
  const printed = make(file);
  const text = readFileSync(file, 'utf8').trim();
  const key = parseApiKey(text)!;
  const hash = Buffer.from(key.secretSha256);
  const known = { key_id: key.keyId, secret_sha256: hash.toString('base64'), secret_sha256_hex: hash.toString('hex') };
  expect(JSON.parse(printed)).toEqual(known);
  expect(printed).not.toContain(text.slice(-43));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(() => make(file)).toThrow(/EEXIST/);
  expect(readFileSync(file, 'utf8').trim()).toBe(text);
  expect(() => make()).toThrow(/npm run key/);
});
