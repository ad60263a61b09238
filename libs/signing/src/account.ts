import type { CustodialScriptType } from '@finality/bitcoin';
import { accept, assert, type Aggregate, type Decision, refusal, refuse, type Refusal } from '@finality/kernel';

/** Keys of one wallet: an account of the signer's seed (BIP84 for `wpkh`, BIP86 for `tr`). Says where keys are, holds none. */
export interface Account {
  readonly walletId: string;
  readonly institutionId: string;
  readonly scriptType: CustodialScriptType;
  /** `account'` of the derivation path; never used for two wallets, whatever their script type. */
  readonly accountIndex: number;
  /** Descriptors with origin and checksum. */
  readonly external: string;
  readonly internal: string;
}

export interface AccountState {
  readonly account: Account | null;
}

export interface AccountCreated {
  readonly type: 'account_created';
  readonly account: Account;
}

export type AccountEvent = AccountCreated;

/** The signer's registry: one stream per wallet. */
export const accountAggregate: Aggregate<AccountState, AccountEvent> = {
  name: 'account',
  initialState: { account: null },
  evolve: (state, event) => {
    assert(event.type === 'account_created', `${event.type as string} isn't an event of an account`);
    assert(state.account === null, `wallet ${event.account.walletId} has one account`);
    return { account: event.account };
  },
};

export interface CreateAccount {
  readonly walletId: string;
  readonly institutionId: string;
  readonly scriptType: CustodialScriptType;
}

/**
 * A new account, or the one that the wallet has already: asking again is no error, asking for something else is.
 * `open` makes the account at the next free index.
 */
export function decideCreateAccount(
  command: CreateAccount,
  state: AccountState,
  open: () => Account,
): Decision<AccountEvent, Refusal> {
  const { account } = state;
  if (!account) return accept<AccountEvent>({ type: 'account_created', account: open() });
  if (account.institutionId === command.institutionId && account.scriptType === command.scriptType) return accept();
  const found = `${account.scriptType} of ${account.institutionId}`;
  const asked = `${command.scriptType} of ${command.institutionId}`;
  return refuse(
    refusal(
      'already_exists',
      'ACCOUNT_DIFFERS',
      `wallet ${command.walletId} has an account already: ${found}, not ${asked}`,
    ),
  );
}
