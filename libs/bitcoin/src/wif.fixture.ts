import { bytesFromHex } from './hex.ts';
import { SigningKey } from './keys.ts';

const BASE_58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** The key of a vector in wallet import format: version, 32 bytes, 01 for a compressed public key, checksum. */
export function keyOfWif(wif: string): SigningKey {
  const value = [...wif].reduce((sum, character) => sum * 58n + BigInt(BASE_58.indexOf(character)), 0n);
  return new SigningKey(bytesFromHex(value.toString(16).padStart(76, '0').slice(2, 66)));
}
