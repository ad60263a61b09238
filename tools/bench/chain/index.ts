import type { Measured } from '../figures.ts';
import { benchAddresses } from './address.ts';
import { benchCatchup } from './catchup.ts';
import { benchDetect } from './detect.ts';
import { benchMatch } from './match.ts';
import { benchPayout } from './payout.ts';
import { benchSelect } from './select.ts';

const PARTS: readonly (() => Promise<Measured>)[] = [
  benchAddresses,
  benchSelect,
  benchPayout,
  benchMatch,
  benchDetect,
  benchCatchup,
];

/** What is on the chain and on its way there; one after the other, as each wants the processor to itself. */
export async function benchChain(): Promise<Measured> {
  const measured: Measured[] = [];
  for (const part of PARTS) measured.push(await part());
  return { figures: measured.flatMap(({ figures }) => figures), notes: measured.flatMap(({ notes }) => notes) };
}
