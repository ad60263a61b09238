import { BIP32Factory } from 'bip32';
import { initEccLib } from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';

// bitcoinjs-lib keeps the curve in a module variable; everything here that needs it imports this file.
initEccLib(ecc);

export { ecc };
export const bip32 = BIP32Factory(ecc);
