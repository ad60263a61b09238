import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '@finality/service';
import { testDatabase, type TestDatabase, TestRuntime } from '@finality/testing';
import type { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { signerConfig } from '../config.ts';
import { seedsDdl } from '../migrations/create-signer.migration.ts';
import { openSeed, provisionSeed, type SeedVaultOptions } from './seed-vault.ts';

let database: TestDatabase;
let home: string;
let pool: Pool;

beforeAll(async () => {
  const ddl = ({
    schema,
    serviceRole,
  }: {
    readonly schema: string;
    readonly serviceRole: string;
  }): readonly string[] => [seedsDdl(schema), `GRANT SELECT, INSERT ON ${schema}.seeds TO ${serviceRole}`];
  database = await testDatabase(['signer'], { ddl });
  ({ pool } = database.service('signer'));
});

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'finality-seed-'));
  await database.service('signer').owner.query('DELETE FROM seeds');
});

afterEach(() => rm(home, { recursive: true }));

afterAll(() => database.close());

function options(file = 'passphrase', network = 'regtest'): SeedVaultOptions {
  const env = { SIGNER_PASSPHRASE_FILE: join(home, file), SIGNER_SCRYPT_LOG_N: '10', BITCOIN_NETWORK: network };
  return { pool, runtime: new TestRuntime(), config: readConfig(env, signerConfig) };
}

describe('the seed', () => {
  it('is made on regtest, once, under a passphrase that only its user can read', async () => {
    const [seed, ...others] = await Promise.all([openSeed(options()), openSeed(options()), openSeed(options())]);
    for (const other of others) expect(other).toEqual(seed);
    expect(seed).toHaveLength(32);
    expect((await stat(join(home, 'passphrase'))).mode & 0o777).toBe(0o600);
    const { rows } = await pool.query<{ ciphertext: Buffer }>('SELECT ciphertext FROM seeds');
    expect(rows).toHaveLength(1);
    expect(rows[0]!.ciphertext.includes(Buffer.from(seed!))).toBe(false);
    expect(await openSeed(options())).toEqual(seed);
  });

  it.each([
    ['a missing passphrase', 'PASSPHRASE_MISSING', 'missing', undefined],
    ['an empty passphrase', 'PASSPHRASE_MISSING', 'empty', ''],
    ['another passphrase', 'SEED_PASSPHRASE', 'other', 'wrong'],
    ['a passphrase that others can read', 'PASSPHRASE_EXPOSED', 'exposed', 'wrong'],
  ])('can’t be opened with %s', async (_what, code, name, content) => {
    await openSeed(options());
    if (content !== undefined) await writeFile(join(home, name), content, { mode: name === 'exposed' ? 0o644 : 0o600 });
    await expect(openSeed(options(name))).rejects.toMatchObject({ code });
    expect(await readFile(join(home, name), 'utf8').catch(() => undefined)).toBe(content);
  });

  it('can’t be opened once a byte of its ciphertext has changed', async () => {
    await openSeed(options());
    const { owner } = database.service('signer');
    await owner.query('UPDATE seeds SET ciphertext = set_byte(ciphertext, 3, get_byte(ciphertext, 3) # 1)');
    await expect(openSeed(options())).rejects.toMatchObject({ code: 'SEED_PASSPHRASE' });
  });

  it('isn’t used on another network than it was made for', async () => {
    await openSeed(options());
    await expect(openSeed(options('passphrase', 'signet'))).rejects.toMatchObject({ code: 'SEED_NETWORK' });
  });

  it('has to be provisioned on other networks', async () => {
    await expect(openSeed(options('passphrase', 'mainnet'))).rejects.toMatchObject({ code: 'SEED_MISSING' });
    await expect(stat(join(home, 'passphrase'))).rejects.toMatchObject({ code: 'ENOENT' });
    const seed = await provisionSeed(options('passphrase', 'mainnet'));
    expect(await openSeed(options('passphrase', 'mainnet'))).toEqual(seed);
  });
});
