/** Every rule that can refuse a signature. Stable: recorded in the journal and told to the caller. */
export const SIGNING_RULES = {
  EPOCH_TOO_LOW: 'whoever asks works on an older copy of its store than one seen before',
  UNKNOWN_WALLET: 'the spending wallet has no account of the signer',
  WALLET_OF_SIGNER: 'a wallet whose keys are the signer’s: it signs, nobody else is handed anything',
  TRANSACTION_FORM: 'not an unsigned transaction of version 2 with nSequence fffffffd and nLockTime by height',
  OTHER_WALLET_IN_LINEAGE: 'the lineage spends from another wallet',
  OTHER_ANCHOR_IN_LINEAGE: 'the lineage has another anchor',
  ANCHOR_NOT_SPENT: "no input spends the lineage's anchor",
  VERSION_ALREADY_SIGNED: 'another transaction was signed for this version',
  INPUT_NOT_DECLARED: 'an input is not the declared one',
  COIN_OF_OTHER_LINEAGE: 'a coin was offered to another lineage before',
  COIN_RELEASED: 'a coin was released by the lineage, for another one',
  COIN_VALUE_DIFFERS: 'the journal knows another value of a coin',
  COIN_SCRIPT_DIFFERS: 'the journal knows another script of a coin',
  OUTPUT_NOT_DECLARED: 'an output is not a declared one',
  OUTPUT_SCRIPT_DIFFERS: "an output doesn't pay the script of its declared destination",
  OUTPUT_VALUE_DIFFERS: "an output's value is not the declared one",
  CHANGE_NOT_OURS: "change doesn't go to the internal branch of the spending wallet",
  SEVERAL_CHANGE_OUTPUTS: 'more than one change output',
  SEVERAL_ANCHOR_OUTPUTS: 'more than one anchor output',
  UNKNOWN_PAYEE: "the payee's wallet is not known under that institution",
  PAYEE_BRANCH: "the payee's script is not on its external branch",
  UNKNOWN_DESTINATION: 'the destination is not registered under that institution, or as that wallet',
  DESTINATION_COOLING: 'the destination was registered too short a time ago',
  DESTINATION_SIGNATORY_REVOKED: 'a signatory of the destination was revoked before it was usable',
  DESTINATION_REMOVED: 'the destination was removed',
  INDEX_TOO_FAR: "an address further along its branch than the wallet's keys are searched for",
  NOT_AUTHORISED: 'a payout without authorisation, or an authorisation without payout',
  APPROVALS_MISSING: "a payout above the institution's limit without enough of its signatories' approvals",
  AUTHORISED_NETWORK_DIFFERS: 'a payout authorised for another network',
  AUTHORISED_AMOUNT_DIFFERS:
    'a payout of another amount than the authorised one, less what the payee may bear of the fee',
  PAYEES_BEAR_MORE_THAN_FEE: 'payees get less than their amounts by more than the fee',
  AUTHORISED_PAYEE_DIFFERS: 'a payout to another institution than the authorised one',
  AUTHORISED_PAYER_DIFFERS:
    'a payout from another institution than the authorised one; the pool pays each institution its own',
  SETTLEMENT_PAID_TWICE: 'a settlement is paid by two outputs',
  PAYOUT_DIFFERS: 'an earlier version pays the settlement otherwise',
  SETTLEMENT_OF_OTHER_LINEAGE: 'a settlement was offered to another lineage before, which this one does not exclude',
  OUTPUTS_EXCEED_INPUTS: 'more goes out than comes in',
  FEE_TOO_HIGH: 'the fee is above the cap',
  FEE_RATE_TOO_HIGH: 'the feerate is above the cap',
  HEAD_ANCHOR_FORM:
    'a transaction that anchors a head has one output for it, one for change, and nothing else; it pays nobody',
  HEAD_ANCHORS_OFF: 'heads aren’t to be anchored',
  HEAD_ANCHOR_WALLET: 'a head is anchored at the expense of another wallet than the platform’s',
  HEAD_NOT_SIGNED: 'the head is none that the signer has signed',
  HEAD_OF_LINEAGE: 'the lineage began with another head, or with something else',
  HEAD_ANCHORED_BEFORE: 'a later head, or this one, is anchored by another lineage',
  HEAD_ANCHOR_TOO_SOON: 'another head was anchored too short a time ago',
  HEAD_ANCHOR_FEE_TOO_HIGH: 'the fee is above the cap for anchoring heads',
  ROLLING_LIMIT: "too much would leave the institution's wallets within the window",
} as const;

export type SigningRule = keyof typeof SIGNING_RULES;

export interface Refused {
  readonly rule: SigningRule;
  /** What was expected and what was found. */
  readonly message: string;
}

export const refusedBy = (rule: SigningRule, message: string): Refused => ({ rule, message });
