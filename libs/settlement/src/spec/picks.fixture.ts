/** One of them, by any number. */
export const pick = <T>(list: readonly T[], number: number): T | undefined => list[number % Math.max(1, list.length)];
export const bit = (number: number, which: number): boolean => ((number >> which) & 1) === 1;
