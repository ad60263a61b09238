import { type Branch, deriveScript, type Network, parseDescriptor } from '@finality/bitcoin';
import type { Below } from '@finality/chain';
import { unwrap } from '@finality/kernel';
import type { CommandOf } from './commands.ts';

/** The scripts of a wallet from some indices on, below others. */
export function scriptsBetween(
  { external, internal }: { readonly external: string; readonly internal: string },
  from: Below,
  below: Below,
  network: Network,
): CommandOf<'store_scripts'>['scripts'] {
  const descriptor = unwrap(parseDescriptor([external, internal], network));
  const derive = (branch: Branch, first: number, end: number): CommandOf<'store_scripts'>['scripts'] =>
    Array.from({ length: Math.max(0, end - first) }, (_, i) => {
      const index = first + i;
      return { branch, index, script: deriveScript(descriptor, branch, index).script };
    });
  return [...derive(0, from.external, below.external), ...derive(1, from.internal, below.internal)];
}
