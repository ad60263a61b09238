import { deriveScript, type ScriptHex } from '@finality/bitcoin';
import type { WalletRecord } from '../coin.ts';
import { sha } from './world-chain.fixture.ts';

/** Derived once for all histories: their indices are the same. */
const OWN_SCRIPTS = new Map<string, ScriptHex>();

export function scriptOf({ scriptType, descriptor, walletId }: WalletRecord, branch: 0 | 1, index: number): ScriptHex {
  const key = `${walletId} ${branch} ${index}`;
  const hash = sha(key);
  if (descriptor === undefined)
    return (scriptType === 'wpkh' ? `0014${hash.slice(0, 40)}` : `5120${hash}`) as ScriptHex;
  const script = OWN_SCRIPTS.get(key) ?? deriveScript(descriptor, branch, index).script;
  OWN_SCRIPTS.set(key, script);
  return script;
}

/** Of a head of the ledger, in a world that seals nothing. */
export const headHashOf = (segment: number): string => segment.toString(16).padStart(64, '0');
