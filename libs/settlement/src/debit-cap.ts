import { assert, type Sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import type { Leg } from './unit-terms.ts';
import type { Netting } from './window.ts';

/** The most that an institution may have paid in one window more than it was paid there, in satoshi, whatever its balance and its credit line; by institution. */
export type DebitCaps = Readonly<Record<string, Sats>>;

/** Every batch that may settle reads all of them; one for everybody is the policy's. */
export const DEBIT_CAPS_MAX = 1_000;

/** Its own, or else that of everybody; undefined: there is none. */
export const capOf = (
  { caps }: Pick<Netting, 'caps'>,
  institutionId: string,
  everybodySats: Sats | undefined,
): Sats | undefined => caps[institutionId] ?? everybodySats;

/** What an institution was paid in a window more than it paid, in satoshi. */
export interface NetInWindow {
  readonly windowId: string;
  readonly institutionId: string;
  readonly netSats: bigint;
}

/** Net positions of institutions with a cap, in the windows that their settlements may fall into, as a batch changes them. Nobody else's are known. */
export class CappedPositions {
  readonly #nets = new Map<string, bigint>();
  readonly #opened = new Set<string>();

  constructor(known: readonly NetInWindow[] = []) {
    for (const { windowId, institutionId, netSats } of known) this.#nets.set(keyOf(windowId, institutionId), netSats);
  }

  /** A new window: nobody has a position in it. */
  open(windowId: string): void {
    this.#opened.add(windowId);
  }

  /** One settlement has settled, with these legs: of satoshi there are caps. */
  add(windowId: string, legs: readonly Leg[]): void {
    for (const { from, to, money } of legs) {
      if (money.unit !== BTC) continue;
      this.#change(windowId, from, -money.amount);
      this.#change(windowId, to, money.amount);
    }
  }

  netOf(windowId: string, institutionId: string): bigint {
    const netSats = this.#nets.get(keyOf(windowId, institutionId));
    assert(
      netSats !== undefined || this.#opened.has(windowId),
      `the position of ${institutionId} in window ${windowId} wasn't loaded`,
    );
    return netSats ?? 0n;
  }

  #change(windowId: string, institutionId: string, bySats: bigint): void {
    const key = keyOf(windowId, institutionId);
    const netSats = this.#nets.get(key);
    if (netSats !== undefined || this.#opened.has(windowId)) this.#nets.set(key, (netSats ?? 0n) + bySats);
  }
}

const keyOf = (windowId: string, institutionId: string): string => `${windowId} ${institutionId}`;
