import {
  bytesFromHex,
  deriveScript,
  MasterKey,
  type OutpointKey,
  parseOutpointKey,
  type ParsedTransaction,
  type Prevout,
  preparePsbt,
  type PsbtPlan,
  collectSignatures,
  type ScriptHex,
  type SigningKey,
  signTransaction,
  unsignedPayout,
} from '@finality/bitcoin';
import { signPsbt } from '@finality/bitcoin/spec';
import { assert, type Sats, unwrap } from '@finality/kernel';
import { descriptorOf, keysOf, placeOfScript, walletCalled, type WorldOutput } from '@finality/settlement/spec';

/** Everybody who pays us, and whom we pay outside. */
const OUTSIDERS = new MasterKey(bytesFromHex('66'.repeat(32)), 'regtest').account('wpkh', 0);
const ROOT = 1;
const ELSEWHERE = 0;

/** Derived once for all seeds: their indices are the same. */
const FOREIGN = new Map<string, ScriptHex>();
const FOREIGN_KEYS = new Map<ScriptHex, { readonly branch: 0 | 1; readonly index: number }>();

function foreignScript(branch: 0 | 1, index: number): ScriptHex {
  const known = FOREIGN.get(`${branch} ${index}`);
  if (known !== undefined) return known;
  const { script } = deriveScript(OUTSIDERS.descriptor, branch, index);
  FOREIGN.set(`${branch} ${index}`, script);
  FOREIGN_KEYS.set(script, { branch, index });
  return script;
}

/** Of an outsider's old coin. */
export const rootScript = (index: number): ScriptHex => foreignScript(ROOT, index);
export const elsewhereScript = (index: number): ScriptHex => foreignScript(ELSEWHERE, index);

/** Whether whoever has this output may spend it without our having any part in it. */
export function isTheirs(script: ScriptHex): boolean {
  const place = placeOfScript(script);
  return FOREIGN_KEYS.has(script) || (place !== undefined && !walletCalled(place.walletId).custodial);
}

/** The one key that a script asks for; none where it asks for several, or nobody has it. */
function keyOf(script: ScriptHex): SigningKey | undefined {
  const foreign = FOREIGN_KEYS.get(script);
  if (foreign !== undefined) return OUTSIDERS.signingKey(foreign.branch, foreign.index);
  const place = placeOfScript(script);
  const [key, another] = place === undefined ? [] : keysOf(place.walletId);
  return another === undefined && place !== undefined ? key?.signingKey(place.branch, place.index) : undefined;
}

export interface Spending extends Prevout {
  readonly outpoint: OutpointKey;
}

/** A transaction by whoever has the keys, or has stolen them. */
export function signed(
  spends: readonly Spending[],
  outputs: readonly WorldOutput[],
  locktime: number,
): ParsedTransaction {
  const inputs = spends.map(({ outpoint, ...prevout }) => ({
    outpoint: unwrap(parseOutpointKey(outpoint)),
    ...prevout,
  }));
  const plan = { inputs, outputs: outputs.map((each) => ({ ...each, valueSats: each.valueSats as Sats })), locktime };
  if (spends.every(({ script }) => keyOf(script) !== undefined)) {
    const keyFor = (i: number): SigningKey | undefined => keyOf(spends[i]!.script);
    return unwrap(signTransaction({ unsigned: unsignedPayout(plan), prevouts: spends, keyFor }));
  }
  const place = placeOfScript(spends[0]!.script);
  assert(place !== undefined, 'nobody spends what nobody has keys for');
  const descriptor = descriptorOf(walletCalled(place.walletId));
  const owned = inputs.map((input) => ({ ...input, place: { ...place, descriptor } }));
  return ownersSigned({ ...plan, inputs: owned }, place.walletId);
}

/** With the signature of one of a wallet's owners more. */
export function cosigned(psbt: string, walletId: string, owner: number): string {
  return signPsbt(psbt, (branch, index) => keysOf(walletId)[owner]!.signingKey(branch, index));
}

/** By as many of a wallet's owners as it takes. */
export function ownersSigned(plan: PsbtPlan, walletId: string): ParsedTransaction {
  const { base64 } = unwrap(preparePsbt(plan));
  const owners = Array.from({ length: descriptorOf(walletCalled(walletId)).required }, (_, owner) => owner);
  const psbts = owners.map((owner) => cosigned(base64, walletId, owner));
  const { transaction } = unwrap(collectSignatures(plan, psbts));
  assert(transaction !== undefined, 'all that it takes have signed');
  return transaction;
}
