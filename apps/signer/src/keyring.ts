import { type AccountKey, type Branch, deriveScript, MasterKey, type Network, type ScriptHex } from '@finality/bitcoin';
import { createPrivateKey, createPublicKey, hkdfSync, type KeyObject, sign } from 'node:crypto';
import { headBytes, type LedgerHead } from '@finality/ledger';
import type { Account, CreateAccount } from '@finality/signing';

/** Accounts whose keys are kept derived; derived again when forgotten. */
const ACCOUNTS_MAX = 10_000;

/** DER of a PrivateKeyInfo for Ed25519 (RFC 8410), up to the key's 32 bytes. */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const ED25519_KEY_BYTES = 32;

/** Of its own, though from the same seed: HKDF (RFC 5869) keeps it apart from every key of a wallet. */
function headKeyOf(seed: Uint8Array, network: Network): KeyObject {
  const key = hkdfSync('sha256', seed, Buffer.alloc(0), `finality.ledger-head.v1 ${network}`, ED25519_KEY_BYTES);
  return createPrivateKey({ key: Buffer.concat([ED25519_PKCS8, Buffer.from(key)]), format: 'der', type: 'pkcs8' });
}

type KeyPlace = Pick<Account, 'scriptType' | 'accountIndex'>;

/** All keys there are, behind the one thing that may be done with them: derive. What it holds is private to it (neither JSON nor a log sees it). */
export class Keyring {
  readonly network: Network;
  readonly #master: MasterKey;
  readonly #headKey: KeyObject;
  readonly #accounts = new Map<string, AccountKey>();

  constructor(seed: Uint8Array, network: Network) {
    this.network = network;
    this.#master = new MasterKey(seed, network);
    this.#headKey = headKeyOf(seed, network);
  }

  /** Hex. */
  signHead(head: LedgerHead): { readonly signature: string; readonly publicKey: string } {
    const spki = createPublicKey(this.#headKey).export({ format: 'der', type: 'spki' });
    return {
      signature: sign(undefined, headBytes(head), this.#headKey).toString('hex'),
      publicKey: spki.subarray(-ED25519_KEY_BYTES).toString('hex'),
    };
  }

  /** The account that a wallet gets at this index. */
  open(command: CreateAccount, accountIndex: number): Account {
    const { external, internal } = this.key({ scriptType: command.scriptType, accountIndex }).descriptor;
    return { ...command, accountIndex, external, internal };
  }

  key({ scriptType, accountIndex }: KeyPlace): AccountKey {
    const name = `${scriptType}/${accountIndex}`;
    const known = this.#accounts.get(name);
    if (known) return known;
    const key = this.#master.account(scriptType, accountIndex);
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#accounts.clear();
    this.#accounts.set(name, key);
    return key;
  }

  /** Derived from the seed, not from a stored descriptor. */
  scriptOf(place: KeyPlace, branch: Branch, index: number): ScriptHex {
    return deriveScript(this.key(place).descriptor, branch, index).script;
  }
}
