import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readFirstKeys } from './first-keys.ts';

const home = mkdtempSync(path.join(tmpdir(), 'finality-first-keys-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

function written(content: unknown): string {
  const file = path.join(home, 'keys.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const KEY = { keyId: '0123456789abcdef', roles: ['operator'], label: 'first', secretSha256: 'ab'.repeat(32) };
const OTHER = { ...KEY, keyId: 'fedcba9876543210', roles: ['operator', 'compliance'] };

describe('the keys that exist from the start', () => {
  it('are read as they are', async () => {
    expect(await readFirstKeys(written([KEY, OTHER]))).toEqual([KEY, OTHER]);
  });

  it.each([
    ['a file that isn’t there', () => path.join(home, 'nothing'), /ENOENT/],
    ['no JSON', () => written('keys'), /JSON/],
    ['another role', () => written([{ ...KEY, roles: ['institution'] }]), /\[0\]\.roles/],
    ['one operator', () => written([KEY, { ...OTHER, roles: ['compliance'] }]), /2 operators/],
    ['one operator twice', () => written([KEY, KEY]), /2 operators/],
    ['a secret instead of its hash', () => written([{ ...KEY, secretSha256: 'secret' }]), /SHA-256 in hex/],
    ['a field that nobody knows', () => written([{ ...KEY, secret: 'x' }]), /secret/],
  ])('%s is refused, naming the variable and the place', async (_what, file, problem) => {
    const reading = readFirstKeys(file());
    await expect(reading).rejects.toThrow(/FIRST_KEYS_FILE/);
    await expect(readFirstKeys(file())).rejects.toThrow(problem);
  });
});
