import { type Descriptor, parseOutpointKey, parseTransaction, type PsbtPlan, type Txid } from '@finality/bitcoin';
import { assert, unwrap } from '@finality/kernel';
import type { DeclaredOutput, LineageInput, OfferedVersion, WalletPlace } from './lineage.ts';

interface Unsigned {
  readonly inputs: readonly LineageInput[];
  readonly outputs: readonly Pick<DeclaredOutput, 'valueSats' | 'destination' | 'role'>[];
  readonly locktime: number;
}

/** A version as whoever has the wallet's keys is to sign it: where each coin and the change is in his wallet. */
export function psbtPlan(
  { inputs, outputs, locktime }: Unsigned,
  descriptor: Descriptor,
  previous: ReadonlyMap<Txid, string> = new Map(),
): PsbtPlan {
  return {
    inputs: inputs.map(({ outpoint: key, valueSats, script, branch, index }) => {
      const outpoint = unwrap(parseOutpointKey(key));
      const previousTransaction = previous.get(outpoint.txid);
      const place = { descriptor, branch, index };
      return { outpoint, valueSats, script, place, ...(previousTransaction !== undefined && { previousTransaction }) };
    }),
    outputs: outputs.map(({ valueSats, role, destination }) => ({
      valueSats,
      script: destination.script,
      ...(role === 'change' && { place: { descriptor, ...placeIn(destination) } }),
    })),
    locktime,
  };
}

function placeIn(destination: DeclaredOutput['destination']): Pick<WalletPlace, 'branch' | 'index'> {
  assert('walletId' in destination, 'change goes to a wallet');
  const { branch, index } = destination;
  return { branch, index };
}

/** The plan of a version that was handed out: its PSBT is always the same. @param previous transactions that made its coins, hex, as far as they are there */
export function psbtPlanOf(
  { inputs, outputs, unsignedHex }: OfferedVersion,
  descriptor: Descriptor,
  previous?: ReadonlyMap<Txid, string>,
): PsbtPlan {
  const { locktime } = unwrap(parseTransaction(unsignedHex));
  return psbtPlan({ inputs, outputs, locktime }, descriptor, previous);
}
