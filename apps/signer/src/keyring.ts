import { type AccountKey, type Branch, deriveScript, MasterKey, type Network, type ScriptHex } from '@finality/bitcoin';
import type { Account, CreateAccount } from '@finality/signing';

/** Accounts whose keys are kept derived; derived again when forgotten. */
const ACCOUNTS_MAX = 10_000;

type KeyPlace = Pick<Account, 'scriptType' | 'accountIndex'>;

/** All keys there are, behind the one thing that may be done with them: derive. What it holds is private to it (neither JSON nor a log sees it). */
export class Keyring {
  readonly network: Network;
  readonly #master: MasterKey;
  readonly #accounts = new Map<string, AccountKey>();

  constructor(seed: Uint8Array, network: Network) {
    this.network = network;
    this.#master = new MasterKey(seed, network);
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
