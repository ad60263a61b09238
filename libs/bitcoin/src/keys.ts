import { assert } from '@finality/kernel';
import type { BIP32Interface } from 'bip32';
import type { ECPairInterface } from 'ecpair';
import type { WalletScriptType } from './address.ts';
import { assertIndex, formatPath, HARDENED } from './derivation-path.ts';
import { type Branch, type Descriptor, descriptorFor } from './descriptor.ts';
import { bip32, ecpair } from './ecc.ts';
import { hexFromBytes } from './hex.ts';
import { bitcoinjsNetwork, type Network, networkParams } from './network.ts';
import { taprootTweak } from './taproot.ts';

// Private keys: the signer (and tests) alone use this file. What holds one keeps it in a #private field, which neither JSON nor a log sees.

/** BIP43 purposes: BIP84 for P2WPKH, BIP86 for P2TR by key. */
const PURPOSE: { readonly [T in WalletScriptType]: number } = { wpkh: 84, tr: 86 };

const SEED_BYTES_MIN = 16;
const SEED_BYTES_MAX = 64;

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

  /** The account `m/purpose'/coin'/account'`, purpose by script type (84 or 86), coin by network. */
  account(scriptType: WalletScriptType, accountIndex: number): AccountKey {
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
  readonly scriptType: WalletScriptType;
  readonly fingerprint: string;
  readonly path: string;
}

/** One private key. Signatures are deterministic: the same key and hash always give the same bytes. */
export class SigningKey {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array;
  readonly #pair: ECPairInterface;

  constructor(privateKey: Uint8Array) {
    this.#pair = ecpair.fromPrivateKey(privateKey);
    this.publicKey = this.#pair.publicKey;
  }

  /** ECDSA as 64 bytes R‖S: RFC 6979 nonce, low S (BIP146), and low R, which makes it 71 bytes with its sighash byte in DER. */
  signEcdsa(hash: Uint8Array): Uint8Array {
    return this.#pair.sign(hash, true);
  }

  /** Schnorr signature (BIP340) by the key path of the P2TR output whose internal key this is (BIP341), with auxiliary data of zeros. */
  signTaproot(hash: Uint8Array, merkleRoot?: Uint8Array): Uint8Array {
    return this.#pair.tweak(taprootTweak(this.publicKey.subarray(1), merkleRoot)).signSchnorr(hash);
  }
}
