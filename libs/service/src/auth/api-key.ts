import { hash, timingSafeEqual } from 'node:crypto';
import type { Principal, Role, Runtime } from '@finality/kernel';

const KEY_ID_BYTES = 8;
const SECRET_BYTES = 32;
const FORMAT = /^fin_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** What is kept of a key. The secret has 256 bits of randomness, so a plain SHA-256 of it can't be searched. */
export interface ApiKeyRecord {
  readonly keyId: string;
  readonly secretSha256: Uint8Array;
  readonly roles: readonly Role[];
  /** For the institution role only. */
  readonly institutionId?: string;
  readonly revoked: boolean;
}

/** Where callers' keys are looked up: a table, or a map kept up to date from the topic of keys. */
export interface KeyDirectory {
  find(keyId: string): ApiKeyRecord | undefined;
}

/** A new key: `apiKey` (`fin_<key id>_<secret>`) is shown once, `secretSha256` is kept. */
export function makeApiKey(runtime: Runtime): { keyId: string; apiKey: string; secretSha256: Uint8Array } {
  const keyId = Buffer.from(runtime.randomBytes(KEY_ID_BYTES)).toString('hex');
  const secret = Buffer.from(runtime.randomBytes(SECRET_BYTES)).toString('base64url');
  return { keyId, apiKey: `fin_${keyId}_${secret}`, secretSha256: sha256(secret) };
}

export function parseApiKey(text: string): { keyId: string; secretSha256: Uint8Array } | undefined {
  const [, keyId, secret] = FORMAT.exec(text) ?? [];
  return keyId === undefined || secret === undefined ? undefined : { keyId, secretSha256: sha256(secret) };
}

/** Takes the same time whatever differs. */
export function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

export function principalOf(record: ApiKeyRecord): Principal {
  const { keyId, roles, institutionId } = record;
  return { keyId, roles, ...(institutionId !== undefined && { institutionId }) };
}

/** A directory in memory, fed by whoever follows the keys. */
export class KeyMap implements KeyDirectory {
  readonly #records = new Map<string, ApiKeyRecord>();

  find(keyId: string): ApiKeyRecord | undefined {
    return this.#records.get(keyId);
  }

  put(record: ApiKeyRecord): void {
    this.#records.set(record.keyId, record);
  }
}

function sha256(text: string): Uint8Array {
  return hash('sha256', text, 'buffer');
}
