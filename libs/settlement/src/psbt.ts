import { type Descriptor, parseOutpointKey, parseTransaction, type PsbtPlan } from '@finality/bitcoin';
import { assert, unwrap } from '@finality/kernel';
import type { DeclaredOutput, Destination, LineageInput, OfferedVersion, WalletPlace } from './lineage.ts';

interface Unsigned {
  readonly inputs: readonly LineageInput[];
  readonly outputs: readonly Pick<DeclaredOutput, 'valueSats' | 'destination' | 'role'>[];
  readonly locktime: number;
}

/** A version as whoever has the wallet's keys is to sign it: where each coin and the change is in his wallet. */
export function psbtPlan({ inputs, outputs, locktime }: Unsigned, descriptor: Descriptor): PsbtPlan {
  return {
    inputs: inputs.map(({ outpoint, valueSats, script, branch, index }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats,
      script,
      place: { descriptor, branch, index },
    })),
    outputs: outputs.map(({ valueSats, role, destination }) => ({
      valueSats,
      script: destination.script,
      ...(role === 'change' && { place: { descriptor, ...placeIn(destination) } }),
    })),
    locktime,
  };
}

function placeIn(destination: Destination): Pick<WalletPlace, 'branch' | 'index'> {
  assert('walletId' in destination, 'change goes to a wallet');
  const { branch, index } = destination;
  return { branch, index };
}

/** The plan of a version that was handed out: its PSBT is always the same. */
export function psbtPlanOf({ inputs, outputs, unsignedHex }: OfferedVersion, descriptor: Descriptor): PsbtPlan {
  const { locktime } = unwrap(parseTransaction(unsignedHex));
  return psbtPlan({ inputs, outputs, locktime }, descriptor);
}
