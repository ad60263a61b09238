import type { AddressPurpose, Challenge, IssuedAddress, WalletKind } from '@finality/address';
import type { CustodialScriptType, WalletScriptType } from '@finality/bitcoin';
import { addressV1, toTimestamp } from '@finality/contracts';
import type { WalletInUse } from './commands.ts';

// Between the domain's words and those of the contract.

const { AddressPurpose: Purpose, ScriptType, WalletKind: Kind } = addressV1;

const PURPOSES: Readonly<Record<AddressPurpose, addressV1.AddressPurpose>> = {
  clearing: Purpose.ADDRESS_PURPOSE_CLEARING,
  wallet: Purpose.ADDRESS_PURPOSE_WALLET,
  change: Purpose.ADDRESS_PURPOSE_CHANGE,
  settlement: Purpose.ADDRESS_PURPOSE_SETTLEMENT,
};

const KINDS: Readonly<Record<WalletKind, addressV1.WalletKind>> = {
  custodial: Kind.WALLET_KIND_CUSTODIAL,
  non_custodial: Kind.WALLET_KIND_NON_CUSTODIAL,
};

const SCRIPT_TYPES: Readonly<Record<WalletScriptType, addressV1.ScriptType>> = {
  pkh: ScriptType.SCRIPT_TYPE_PKH,
  'sh-wpkh': ScriptType.SCRIPT_TYPE_SH_WPKH,
  wpkh: ScriptType.SCRIPT_TYPE_WPKH,
  tr: ScriptType.SCRIPT_TYPE_TR,
  'wsh-sortedmulti': ScriptType.SCRIPT_TYPE_WSH_SORTEDMULTI,
  'sh-wsh-sortedmulti': ScriptType.SCRIPT_TYPE_SH_WSH_SORTEDMULTI,
};

export function walletMessage({ wallet, scanning }: WalletInUse): addressV1.Wallet {
  return {
    walletId: wallet.walletId,
    institutionId: wallet.institutionId,
    kind: KINDS[wallet.kind],
    scriptType: SCRIPT_TYPES[wallet.scriptType],
    externalDescriptor: wallet.external,
    internalDescriptor: wallet.internal,
    birthdayHeight: wallet.birthdayHeight,
    createdAt: toTimestamp(wallet.createdAt),
    scanning,
  };
}

/** `address`: the first external one, which signs. */
export function challengeMessage(challenge: Challenge, address: string): addressV1.WalletChallenge {
  const { challengeId, message, descriptor, expiresAt } = challenge;
  return { challengeId, message, address, descriptor, expiresAt: toTimestamp(expiresAt) };
}

export function addressMessage(issued: IssuedAddress): addressV1.Address {
  const { address, script, walletId, institutionId, purpose, label, externalId, branch, index, issuedAt } = issued;
  return {
    address,
    script,
    walletId,
    institutionId,
    purpose: PURPOSES[purpose],
    label,
    branch,
    index,
    issuedAt: toTimestamp(issuedAt),
    externalId,
  };
}

/** undefined for UNSPECIFIED and what this release doesn't know. */
export function purposeOf(purpose: addressV1.AddressPurpose): AddressPurpose | undefined {
  return (Object.keys(PURPOSES) as AddressPurpose[]).find((each) => PURPOSES[each] === purpose);
}

/** wpkh where nothing is said; undefined for what the signer has no wallets of. */
export function custodialScriptTypeOf(type: addressV1.ScriptType): CustodialScriptType | undefined {
  const named = type === ScriptType.SCRIPT_TYPE_UNSPECIFIED ? 'wpkh' : scriptTypeOf(type);
  return named === 'wpkh' || named === 'tr' ? named : undefined;
}

/** undefined for UNSPECIFIED and what this release doesn't know. */
export function scriptTypeOf(type: addressV1.ScriptType): WalletScriptType | undefined {
  return (Object.keys(SCRIPT_TYPES) as WalletScriptType[]).find((each) => SCRIPT_TYPES[each] === type);
}
