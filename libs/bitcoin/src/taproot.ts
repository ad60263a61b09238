import { assert } from '@finality/kernel';
import { crypto } from 'bitcoinjs-lib';
import { ecc } from './ecc.ts';

const NO_SCRIPTS = new Uint8Array(0);

/** BIP341's tweak of a 32-byte internal key; without a merkle root (as for all wallets here) nothing but the key can spend. */
export function taprootTweak(internalKey: Uint8Array, merkleRoot: Uint8Array = NO_SCRIPTS): Uint8Array {
  return crypto.taggedHash('TapTweak', Buffer.concat([internalKey, merkleRoot]));
}

/** The 32-byte output key (the program of the P2TR output) of a 32-byte internal key. */
export function taprootOutputKey(internalKey: Uint8Array, merkleRoot?: Uint8Array): Uint8Array {
  const tweaked = ecc.xOnlyPointAddTweak(internalKey, taprootTweak(internalKey, merkleRoot));
  assert(tweaked !== null, 'a tweaked key is a point (odds against it: 2^128)');
  return tweaked.xOnlyPubkey;
}
