import { assert } from '@finality/kernel';
import type { BIP32Interface } from 'bip32';
import type { SingleKeyScriptType } from './address.ts';
import { assertIndex, formatPath, HARDENED } from './derivation-path.ts';
import type { Branch } from './derivation.ts';
import { type Descriptor, descriptorFor } from './descriptor.ts';
import { bip32, ecc } from './ecc.ts';
import { hexFromBytes } from './hex.ts';
import { bitcoinjsNetwork, type Network, networkParams } from './network.ts';
import { taprootTweak } from './taproot.ts';

// Private keys: the signer (and tests) alone use this file. What holds one keeps it in a #private field, which neither JSON nor a log sees.

/** BIP43 purposes: BIP44, BIP49, BIP84, BIP86. */
const PURPOSE: { readonly [T in SingleKeyScriptType]: number } = { pkh: 44, 'sh-wpkh': 49, wpkh: 84, tr: 86 };

const SEED_BYTES_MIN = 16;
const SEED_BYTES_MAX = 64;
/** Half of all nonces have a low R: past this something is wrong, and a high one is valid too. */
const LOW_R_ATTEMPTS_MAX = 100;
const NO_AUXILIARY_DATA = new Uint8Array(32);

/** A BIP32 master key on one network. */
export class MasterKey {
  readonly network: Network;
  /** 8 hex digits: what key origins start with. */
  readonly fingerprint: string;
  readonly #node: BIP32Interface;

  /** From a seed of 16 to 64 bytes (BIP32; BIP39 makes 64 from a mnemonic). */
  constructor(seed: Uint8Array, network: Network) {
    assert(seed.length >= SEED_BYTES_MIN && seed.length <= SEED_BYTES_MAX, 'a seed has 16 to 64 bytes');
    this.network = network;
    this.#node = bip32.fromSeed(seed, bitcoinjsNetwork(network));
    this.fingerprint = hexFromBytes(this.#node.fingerprint);
  }

  /** The account `m/purpose'/coin'/account'`, purpose by script type, coin by network. */
  account(scriptType: SingleKeyScriptType, accountIndex: number): AccountKey {
    assertIndex(accountIndex);
    const indices = [PURPOSE[scriptType], networkParams(this.network).coinType, accountIndex];
    const node = indices.reduce((parent, index) => parent.deriveHardened(index), this.#node);
    const path = formatPath(indices.map((index) => index + HARDENED));
    return new AccountKey(node, { network: this.network, scriptType, fingerprint: this.fingerprint, path });
  }
}

/** An account's private key. Its public side is {@link AccountKey.descriptor}. */
export class AccountKey {
  readonly descriptor: Descriptor;
  readonly #node: BIP32Interface;
  readonly #branches: readonly [BIP32Interface, BIP32Interface];

  constructor(node: BIP32Interface, origin: AccountOrigin) {
    this.#node = node;
    this.#branches = [node.derive(0), node.derive(1)];
    const { network, scriptType, fingerprint, path } = origin;
    this.descriptor = descriptorFor({ network, scriptType, fingerprint, accountPath: path, accountXpub: this.xpub });
  }

  /** The account's extended public key (`xpub…`, `tpub…`). */
  get xpub(): string {
    return this.#node.neutered().toBase58();
  }

  /** The key behind the script that `deriveScript(descriptor, branch, index)` gives. */
  signingKey(branch: Branch, index: number): SigningKey {
    assertIndex(index);
    const { privateKey } = this.#branches[branch].derive(index);
    assert(privateKey, 'an account key of ours is private');
    return new SigningKey(privateKey);
  }
}

export interface AccountOrigin {
  readonly network: Network;
  readonly scriptType: SingleKeyScriptType;
  readonly fingerprint: string;
  readonly path: string;
}

/** One private key. Signatures are deterministic: the same key and hash always give the same bytes. */
export class SigningKey {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: Uint8Array;

  /** From 32 bytes; anything that isn't a private key is a bug. */
  constructor(privateKey: Uint8Array) {
    const publicKey = ecc.isPrivate(privateKey) ? ecc.pointFromScalar(privateKey, true) : null;
    assert(publicKey, 'a private key is a number from 1 to the order of the curve');
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
  }

  /** ECDSA as 64 bytes R‖S: RFC 6979 nonce, low S (BIP146), and low R as Bitcoin Core's wallet has it: one byte less on the chain. */
  signEcdsa(hash: Uint8Array): Uint8Array {
    let signature = ecc.sign(hash, this.#privateKey);
    for (let attempt = 1; signature[0]! >= 0x80 && attempt <= LOW_R_ATTEMPTS_MAX; attempt++) {
      const extraEntropy = new Uint8Array(32);
      new DataView(extraEntropy.buffer).setUint32(0, attempt, true);
      signature = ecc.sign(hash, this.#privateKey, extraEntropy);
    }
    return signature;
  }

  /** Schnorr signature (BIP340) by the key path of the P2TR output whose internal key this is (BIP341), with auxiliary data of zeros. */
  signTaproot(hash: Uint8Array, merkleRoot?: Uint8Array): Uint8Array {
    const hasOddY = this.publicKey[0] === 0x03;
    const internal = hasOddY ? ecc.privateNegate(this.#privateKey) : this.#privateKey;
    const tweaked = ecc.privateAdd(internal, taprootTweak(this.publicKey.subarray(1), merkleRoot));
    assert(tweaked !== null, 'a tweaked key is a key (odds against it: 2^128)');
    return ecc.signSchnorr(hash, tweaked, NO_AUXILIARY_DATA);
  }
}
