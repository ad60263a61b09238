import {
  type Branch,
  type DerivedScript,
  deriveScript,
  type Descriptor,
  type Network,
  parseAddress,
  parseDescriptor,
} from '@finality/bitcoin';
import { assert, unwrap } from '@finality/kernel';

/** Wallets whose parsed descriptors are kept. */
const DESCRIPTORS_MAX = 10_000;
/** Scripts kept from when they are derived ahead until they are issued: more than one wallet's at the largest watch ahead. */
const SCRIPTS_MAX = 25_000;

export interface WalletKeysOf {
  readonly walletId: string;
  readonly external: string;
  readonly internal: string;
}

export type Derived = Pick<DerivedScript, 'script' | 'address'>;

/**
 * Derives scripts, and keeps those derived ahead: whoever issues does so while it holds the store's lock, and is to find them made. What was
 * forgotten is derived again.
 */
export class Derivations {
  readonly #network: Network;
  /** A wallet's keys never change. */
  readonly #descriptors = new Map<string, Descriptor>();
  /** The oldest first. */
  readonly #scripts = new Map<string, Derived>();

  constructor(network: Network) {
    this.#network = network;
  }

  descriptor({ walletId, external, internal }: WalletKeysOf): Descriptor {
    const known = this.#descriptors.get(walletId);
    if (known) return known;
    if (this.#descriptors.size >= DESCRIPTORS_MAX) this.#descriptors.clear();
    const descriptor = unwrap(parseDescriptor([external, internal], this.#network));
    this.#descriptors.set(walletId, descriptor);
    return descriptor;
  }

  derive(wallet: WalletKeysOf, branch: Branch, index: number): Derived {
    return this.#scripts.get(placeOf(wallet, branch, index)) ?? this.#make(wallet, branch, index);
  }

  /** Derives what will be issued next, and keeps it. */
  ahead(wallet: WalletKeysOf, branch: Branch, indices: readonly number[]): readonly Derived[] {
    return indices.map((index) => {
      const derived = this.#make(wallet, branch, index);
      const [oldest] = this.#scripts.keys();
      if (oldest !== undefined && this.#scripts.size >= SCRIPTS_MAX) this.#scripts.delete(oldest);
      this.#scripts.set(placeOf(wallet, branch, index), derived);
      return derived;
    });
  }

  #make(wallet: WalletKeysOf, branch: Branch, index: number): Derived {
    const { script, address } = deriveScript(this.descriptor(wallet), branch, index);
    const read = parseAddress(address, this.#network);
    assert(read.ok && read.value === script, `address ${address} pays the script it was made of`);
    return { script, address };
  }
}

const placeOf = ({ walletId }: WalletKeysOf, branch: Branch, index: number): string => `${walletId}/${branch}/${index}`;
