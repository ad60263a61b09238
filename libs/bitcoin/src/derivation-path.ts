import { assert } from '@finality/kernel';

/** First hardened index (BIP32). */
export const HARDENED = 0x8000_0000;
const STEPS_MAX = 20;

/** Indices of a BIP32 path such as `m/84'/0h/0`, hardened ones with 2^31 added; undefined where it isn't one. */
export function parsePath(text: string): readonly number[] | undefined {
  const steps = text.split('/').filter((step, i) => i > 0 || (step !== 'm' && step !== ''));
  if (steps.length > STEPS_MAX) return undefined;
  const indices = steps.map(parseStep);
  return indices.every((index) => index !== undefined) ? indices : undefined;
}

/** `84h/0h/0`: without `m`, `h` for hardened, as descriptors have it. */
export function formatPath(path: readonly number[]): string {
  return path.map((index) => (index >= HARDENED ? `${index - HARDENED}h` : `${index}`)).join('/');
}

/** An index of BIP32's unhardened half; anything else is a bug. */
export function assertIndex(index: number): void {
  assert(Number.isInteger(index) && index >= 0 && index < HARDENED, `${index} is not an index of 0 to 2^31 - 1`);
}

function parseStep(step: string): number | undefined {
  const match = /^(0|[1-9][0-9]{0,9})(['h]?)$/.exec(step);
  const index = Number(match?.[1]);
  if (!match || index >= HARDENED) return undefined;
  return match[2] === '' ? index : index + HARDENED;
}
