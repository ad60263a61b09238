import { type Descriptor, type Network, parseDescriptor, type ScriptHex } from '@finality/bitcoin';
import { err, fieldError, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { scriptOfAddress, type StatementSubject } from './statement.ts';

/** Where an institution asks to be paid: at an address, or at fresh addresses of a wallet whose keys are its own. */
export type WantedPlace =
  | { readonly address: string }
  /** Canonical, both branches in one (BIP389). */
  | { readonly walletId: string; readonly descriptor: string };

/** As it is kept. */
export type Place =
  | { readonly kind: 'script'; readonly address: string; readonly script: ScriptHex }
  | { readonly kind: 'wallet'; readonly walletId: string; readonly descriptor: Descriptor };

/**
 * What is asked for, understood. A descriptor is expected in its one spelling, as an address is: what is signed is one text.
 * @returns as scriptOfAddress, or what is wrong with the descriptor (BAD_CHECKSUM, WRONG_NETWORK, PRIVATE_KEY, …), or NOT_CANONICAL
 */
export function placeOf(wanted: WantedPlace, network: Network): Result<Place, Refusal> {
  if ('address' in wanted) {
    const { address } = wanted;
    const script = scriptOfAddress(address, network, 'address');
    return script.ok ? ok({ kind: 'script', address, script: script.value }) : script;
  }
  const { walletId, descriptor: text } = wanted;
  const descriptor = parseDescriptor(text, network);
  if (!descriptor.ok) return wrongDescriptor(descriptor.error.reason, descriptor.error.message);
  if (descriptor.value.text === text) return ok({ kind: 'wallet', walletId, descriptor: descriptor.value });
  return wrongDescriptor('NOT_CANONICAL', `expected ${descriptor.value.text}, got another spelling`);
}

/** Only the external branch is ever paid: that is what is signed for. */
export const subjectOf = (place: Place): StatementSubject =>
  place.kind === 'script' ? { address: place.address } : { descriptor: place.descriptor.external };

/** For people. */
export const placeText = (place: Place): string =>
  place.kind === 'script' ? place.address : `wallet ${place.walletId} (${place.descriptor.external})`;

export function samePlace(one: Place, other: Place): boolean {
  if (one.kind === 'script') return other.kind === 'script' && one.script === other.script;
  return other.kind === 'wallet' && one.walletId === other.walletId && one.descriptor.text === other.descriptor.text;
}

const wrongDescriptor = (reason: string, message: string): Result<never, Refusal> =>
  err(refusal('invalid_argument', reason, message, { fields: [fieldError('descriptor', message)] }));
