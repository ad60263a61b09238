import {
  addressOf,
  type Descriptor,
  deriveScript,
  MasterKey,
  parseDescriptor,
  type ScriptHex,
  type SigningKey,
  signMessage,
} from '@finality/bitcoin';
import { type KeyAt, signPsbt } from '@finality/bitcoin/spec';
import { unwrap } from '@finality/kernel';

export type OwnWalletType = 'wpkh' | 'tr' | 'wsh(sortedmulti)';

/** Of three signers two have to sign. */
export const signersOf = (type: OwnWalletType): number => (type === 'wsh(sortedmulti)' ? 3 : 1);

/** Keys that the platform never sees: of one signer, or of three of whom two have to sign. */
export class OwnWallet {
  readonly descriptor: Descriptor;
  /** One for each signer. */
  readonly signers: readonly KeyAt[];

  /** @param seeds one byte for each signer: others are other keys */
  constructor(type: OwnWalletType, seeds: readonly number[]) {
    const scriptType = type === 'tr' ? 'tr' : 'wpkh';
    const accounts = seeds.map((seed) =>
      new MasterKey(new Uint8Array(32).fill(seed), 'regtest').account(scriptType, 0),
    );
    const keys = accounts.map(({ xpub }) => `${xpub}/<0;1>/*`).join(',');
    this.descriptor =
      accounts.length === 1
        ? accounts[0]!.descriptor
        : unwrap(parseDescriptor(`wsh(sortedmulti(2,${keys}))`, 'regtest'));
    this.signers = accounts.map(
      (account): KeyAt =>
        (branch, index) =>
          account.signingKey(branch, index),
    );
  }

  script(branch: 0 | 1, index: number): ScriptHex {
    return deriveScript(this.descriptor, branch, index).script;
  }

  address(index: number): string {
    return addressOf(this.script(0, index), 'regtest')!;
  }

  keyOf(signer: number, index: number): SigningKey {
    return this.signers[signer]!(0, index);
  }

  /** What a signer's own software makes of it. */
  sign(psbt: string, signer = 0): string {
    return signPsbt(psbt, this.signers[signer]!);
  }

  /** That the keys are there, for whoever wants to register it. */
  prove(message: string): string {
    const keys = this.signers.slice(0, this.descriptor.required).map((keyAt) => keyAt(0, 0));
    return signMessage(message, this.descriptor, deriveScript(this.descriptor, 0, 0), keys);
  }
}
