import { createCipheriv, createDecipheriv, scryptSync } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Runtime } from '@finality/kernel';
import { errorCode, StartupError } from '@finality/service';
import type { Pool } from 'pg';
import type { SignerConfig } from '../config.ts';

const SEED_BYTES = 32;
const SALT_BYTES = 16;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const SCRYPT_R = 8;
const SCRYPT_P = 1;
const PASSPHRASE_BYTES = 32;
/** Others may neither read nor write it, the group not write. */
const FORBIDDEN_MODE = 0o027;

interface SeedRow {
  readonly network: string;
  readonly scrypt_log_n: number;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly ciphertext: Buffer;
}

export interface SeedVaultOptions {
  readonly pool: Pool;
  readonly runtime: Runtime;
  readonly config: Pick<SignerConfig, 'BITCOIN_NETWORK' | 'SIGNER_PASSPHRASE_FILE' | 'SIGNER_SCRYPT_LOG_N'>;
}

/**
 * The seed, which the database only ever sees as ciphertext: AES-256-GCM under a key that scrypt makes of a passphrase in a file. On regtest
 * both are made when absent; elsewhere both must be there.
 * @throws StartupError saying what is missing or doesn't fit
 */
export async function openSeed(options: SeedVaultOptions): Promise<Uint8Array> {
  const network = options.config.BITCOIN_NETWORK;
  const found = await readSeed(options.pool);
  if (found) return decrypt(found, await readPassphrase(options.config.SIGNER_PASSPHRASE_FILE), network);
  if (network !== 'regtest') {
    throw new StartupError(
      'SEED_MISSING',
      `the signer has no seed, and makes one by itself on regtest only, not on ${network}`,
      'Provision the seed first (provisionSeed), with a passphrase file that is backed up apart from the database',
    );
  }
  return provisionSeed(options);
}

/** Makes a seed and stores it encrypted, unless there is one; makes the passphrase file too where it is absent. Returns the seed in force. */
export async function provisionSeed(options: SeedVaultOptions): Promise<Uint8Array> {
  const { pool, runtime, config } = options;
  const passphrase = await readOrMakePassphrase(config.SIGNER_PASSPHRASE_FILE, runtime);
  const salt = runtime.randomBytes(SALT_BYTES);
  const nonce = runtime.randomBytes(NONCE_BYTES);
  const key = deriveKey(passphrase, salt, config.SIGNER_SCRYPT_LOG_N);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associatedData(config.BITCOIN_NETWORK));
  const sealed = [cipher.update(runtime.randomBytes(SEED_BYTES)), cipher.final(), cipher.getAuthTag()];
  await pool.query(
    `INSERT INTO seeds (network, scrypt_log_n, salt, nonce, ciphertext) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
    [config.BITCOIN_NETWORK, config.SIGNER_SCRYPT_LOG_N, salt, nonce, Buffer.concat(sealed)],
  );
  // Somebody else may have been faster: only what is stored counts.
  const stored = await readSeed(pool);
  if (!stored) throw new Error('a seed just stored is there');
  return decrypt(stored, passphrase, config.BITCOIN_NETWORK);
}

async function readSeed(pool: Pool): Promise<SeedRow | undefined> {
  const { rows } = await pool.query<SeedRow>('SELECT network, scrypt_log_n, salt, nonce, ciphertext FROM seeds');
  return rows[0];
}

function decrypt(row: SeedRow, passphrase: string, network: string): Uint8Array {
  if (row.network !== network) {
    throw new StartupError(
      'SEED_NETWORK',
      `the signer's seed is for ${row.network}, not for ${network}`,
      'Configure the network that the seed was made for',
    );
  }
  const tagAt = row.ciphertext.length - TAG_BYTES;
  try {
    const key = deriveKey(passphrase, row.salt, row.scrypt_log_n);
    const decipher = createDecipheriv('aes-256-gcm', key, row.nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associatedData(network)).setAuthTag(row.ciphertext.subarray(tagAt));
    return Buffer.concat([decipher.update(row.ciphertext.subarray(0, tagAt)), decipher.final()]);
  } catch (error) {
    throw new StartupError(
      'SEED_PASSPHRASE',
      "the signer's seed can't be decrypted: the passphrase is another one, or the ciphertext was changed",
      'Restore the passphrase file that the seed was encrypted with',
      { cause: error },
    );
  }
}

const associatedData = (network: string): Buffer => Buffer.from(`finality signer seed v1 ${network}`);

function deriveKey(passphrase: string, salt: Uint8Array, logN: number): Buffer {
  const N = 2 ** logN;
  return scryptSync(passphrase.normalize('NFKC'), salt, KEY_BYTES, {
    N,
    r: SCRYPT_R,
    p: SCRYPT_P,
    maxmem: 256 * N * SCRYPT_R,
  });
}

async function readPassphrase(path: string): Promise<string> {
  const passphrase = await passphraseIn(path);
  if (passphrase !== undefined && passphrase !== '') return passphrase;
  throw new StartupError(
    'PASSPHRASE_MISSING',
    `the passphrase file ${path} is ${passphrase === '' ? 'empty' : 'missing'}, and the signer's seed is encrypted with it`,
    'Restore the file from its backup; without it the seed is lost',
  );
}

/** Complete or not there: moved into place when written. Whoever is later uses what is there. */
async function readOrMakePassphrase(path: string, runtime: Runtime): Promise<string> {
  if ((await passphraseIn(path)) === undefined) {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const making = `${path}.${runtime.id()}`;
    const made = Buffer.from(runtime.randomBytes(PASSPHRASE_BYTES)).toString('hex');
    await writeFile(making, `${made}\n`, { mode: 0o600, flag: 'wx', flush: true });
    await link(making, path).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    await rm(making);
  }
  return readPassphrase(path);
}

async function passphraseIn(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & FORBIDDEN_MODE) !== 0) {
      throw new StartupError(
        'PASSPHRASE_EXPOSED',
        `the passphrase file ${path} has mode ${(mode & 0o777).toString(8)}: others can read or write it`,
        `chmod 600 ${path}; if others had access, treat the seed as known to them`,
      );
    }
    return (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
