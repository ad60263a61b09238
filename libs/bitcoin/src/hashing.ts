import { hash, createHmac } from 'node:crypto';

/** SHA-256 twice: transaction ids, block hashes, merkle nodes. Node's own, as it is twice as fast as one in JavaScript. */
export function sha256d(bytes: Uint8Array): Uint8Array {
  return hash('sha256', hash('sha256', bytes, 'buffer'), 'buffer');
}

export function hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array {
  return createHmac('sha512', key).update(data).digest();
}
