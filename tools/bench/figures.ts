/** One figure and the bound for it that was measured in the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
  /** value / limit. */
  readonly ratio: number;
  /** What the limit is. */
  readonly bound: string;
}

export interface Measured {
  readonly figures: readonly Figure[];
  /** For people. */
  readonly notes: readonly string[];
}

export function figure(name: string, value: number, unit: string, limit: number, bound: string): Figure {
  return { name, value: rounded(value), unit, limit: rounded(limit), ratio: rounded(value / limit), bound };
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) throw new Error('nothing has no median');
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The smallest value that at least this share of all are not above (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  if (sorted.length === 0) throw new Error('nothing has no percentile');
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, limit, ratio, bound }) => [
    name,
    `${value} ${unit}`,
    `${limit} ${unit}`,
    `${ratio}`,
    bound,
  ]);
  const all = [['', 'value', 'limit', 'ratio', 'the limit is'], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Three digits that mean something. */
const rounded = (value: number): number => Number(value.toPrecision(3));
