import { assert, type Sats } from '@finality/kernel';
import { BTC, claimPath, clearingClaim, type Unit } from '@finality/ledger';
import type { Leg } from './unit-terms.ts';
import type { Netting } from './window.ts';

/** The most that an institution may have paid in one window more than it was paid there, in one unit, whatever its balance and its credit line; by {@link capKey}. */
export type DebitCaps = Readonly<Record<string, bigint>>;

/** Every batch that may settle reads all of them; one for everybody, of satoshi, is the policy's. */
export const DEBIT_CAPS_MAX = 1_000;

/** Clearing balances have caps: one for each unit. */
export const capKey = (institutionId: string, unit: Unit): string => claimPath(clearingClaim(institutionId, unit));

/** Its own, or else that of everybody, which is of satoshi; undefined: there is none. */
export const capOf = (
  { caps }: Pick<Netting, 'caps'>,
  institutionId: string,
  unit: Unit,
  everybodySats: Sats | undefined,
): bigint | undefined => caps[capKey(institutionId, unit)] ?? (unit === BTC ? everybodySats : undefined);

/** A window that is open, and a unit in which an institution may owe so much there. */
export interface CappedPlace {
  readonly windowId: string;
  readonly institutionId: string;
  readonly unit: Unit;
}

/** What an institution was paid in a window more than it paid, in the unit. */
export interface NetInWindow extends CappedPlace {
  readonly net: bigint;
}

/** Net positions of institutions with a cap, in the windows that their settlements may fall into, as a batch changes them. Nobody else's are known. */
export class CappedPositions {
  readonly #nets = new Map<string, bigint>();
  readonly #opened = new Set<string>();

  constructor(known: readonly NetInWindow[] = []) {
    for (const { net, ...place } of known) this.#nets.set(placeKey(place), net);
  }

  /** A new window: nobody has a position in it. */
  open(windowId: string): void {
    this.#opened.add(windowId);
  }

  /** One settlement has settled, with these legs. */
  add(windowId: string, legs: readonly Leg[]): void {
    for (const { from, to, money } of legs) {
      const { unit, amount } = money;
      this.#change({ windowId, institutionId: from, unit }, -amount);
      this.#change({ windowId, institutionId: to, unit }, amount);
    }
  }

  netOf(place: CappedPlace): bigint {
    const net = this.#nets.get(placeKey(place));
    assert(net !== undefined || this.#opened.has(place.windowId), `the position ${placeKey(place)} wasn't loaded`);
    return net ?? 0n;
  }

  #change(place: CappedPlace, by: bigint): void {
    const net = this.#nets.get(placeKey(place));
    if (net !== undefined || this.#opened.has(place.windowId)) this.#nets.set(placeKey(place), (net ?? 0n) + by);
  }
}

/** One for each place. */
export const placeKey = ({ windowId, institutionId, unit }: CappedPlace): string =>
  `${windowId} ${institutionId} ${unit}`;
