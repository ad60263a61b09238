/** The category that the blacklist rule looks for; others (mixer, darknet, gambling, scam, exchange …) are names. */
export const BLACKLIST = 'blacklist';

/** What a list says about an address, with where it comes from: labels are data (R3). */
export interface Label {
  /** scriptPubKey of the address, hex: the same on every network, and without the pitfalls of letter case. */
  readonly script: string;
  /** As the list writes it. */
  readonly address: string;
  readonly category: string;
  readonly label: string;
  /** Who says so: a URL or a document. */
  readonly source: string;
  /** Day it was listed or last checked, YYYY-MM-DD, when the list says so. */
  readonly listedOn?: string;
  /** Name of the list. */
  readonly list: string;
}

/** A line that is no label. It isn't used, and it isn't forgotten. */
export interface Quarantined {
  /** From 1. */
  readonly line: number;
  readonly text: string;
  readonly reason: string;
}

export interface LabelList {
  readonly name: string;
  /** SHA-256 of the file, hex. */
  readonly version: string;
  readonly labels: readonly Label[];
  readonly quarantined: readonly Quarantined[];
}
