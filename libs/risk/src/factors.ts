import type { Instant } from '@finality/kernel';
import { type AmountHistory, exceeds, floorOfMultiple, formatZ, zScore } from './amount-history.ts';
import { blacklistedDestination, type DestinationKnowledge, labelledDestination } from './destination-factors.ts';
import { BLACKLIST, type Label } from './label.ts';
import type { RiskRules } from './rules.ts';

export type FactorName =
  | 'amount_anomaly'
  | 'blacklisted_source'
  | 'labelled_source'
  | 'young_address'
  | 'busy_address'
  | 'blacklisted_destination'
  | 'labelled_destination';

export type FactorState = 'applied' | 'not_applicable' | 'failed';

/** One part of a score. */
export interface Factor {
  readonly name: FactorName;
  readonly points: number;
  /** `failed`: it couldn't be computed, which is no reason to let anything pass. */
  readonly state: FactorState;
  readonly detail: string;
  /** What the rule looked at, so that the decision can be made again. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** An external script whose deposit funds what is screened. */
export interface Source {
  /** scriptPubKey, hex; empty when nobody could tell. */
  readonly script: string;
  readonly address: string;
  readonly outpoint: string;
}

/** What is known about a source when it is screened. */
export interface SourceKnowledge {
  readonly source: Source;
  /** Missing: never seen before. */
  readonly firstSeenAt?: Instant;
  /** Its transactions within the rule's window, as far as they are counted. */
  readonly transactions: number;
  readonly labels: readonly Pick<Label, 'category' | 'label' | 'source' | 'list'>[];
}

/** All that a score depends on besides the rules. */
export interface FactorInputs {
  readonly amountSats: bigint;
  /** The payee's amounts so far; none for a deposit, which has no merchant. */
  readonly history?: AmountHistory;
  readonly sources: readonly SourceKnowledge[];
  /** Why there may be no sources: in words, for the record. */
  readonly sourcesNote: string;
  /** Of a settlement that pays an address outside. */
  readonly destination?: DestinationKnowledge;
  /** Lists that should be there and aren't: names. */
  readonly listsMissing: readonly string[];
  readonly at: Instant;
}

/** More sources than this aren't looked at one by one: somebody has to. */
export const SOURCES_MAX = 2_000;
/** So many are named in a detail; the count says how many there are. */
const NAMED_MAX = 5;

/** The factors of R1, then what is known about where the money goes, in a fixed order. */
export function factorsOf(inputs: FactorInputs, rules: RiskRules): readonly Factor[] {
  return [
    guarded('amount_anomaly', () => amountAnomaly(inputs, rules)),
    guarded('blacklisted_source', () => blacklistedSource(inputs, rules)),
    guarded('labelled_source', () => labelledSource(inputs, rules)),
    guarded('young_address', () => youngAddress(inputs, rules)),
    guarded('busy_address', () => busyAddress(inputs, rules)),
    guarded('blacklisted_destination', () => blacklistedDestination(inputs, rules)),
    guarded('labelled_destination', () => labelledDestination(inputs, rules)),
  ];
}

/** A rule that errs must not count as one that found nothing. */
export function guarded(name: FactorName, compute: () => Computed): Factor {
  try {
    return { name, ...compute() };
  } catch (error) {
    return { name, ...failed(error instanceof Error ? error.message : String(error)) };
  }
}

/** A factor without its name. */
export type Computed = Omit<Factor, 'name'>;

function amountAnomaly({ history, amountSats }: FactorInputs, rules: RiskRules): Computed {
  const rule = rules.amountAnomaly;
  if (history === undefined) return notApplicable('a deposit has no merchant');
  const inputs = {
    amount_sats: String(amountSats),
    observations: String(history.count),
    sum_sats: String(history.sum),
    sum_of_squares: String(history.sumOfSquares),
  };
  if (history.count < BigInt(rule.observationsMin)) {
    return notApplicable(`${history.count} observations, a z-score needs ${rule.observationsMin}`, inputs);
  }
  const z = zScore(history, amountSats);
  if (z === undefined) return notApplicable(`all ${history.count} amounts so far are the same`, inputs);
  const detail = `z ${formatZ(z)} over ${history.count} observations`;
  if (!exceeds(z, rule.zAboveHundredths)) return applied(0, detail, inputs);
  const points = floorOfMultiple(z, rule.pointsPerZ);
  return applied(points < BigInt(rule.pointsMax) ? Number(points) : rule.pointsMax, detail, inputs);
}

function blacklistedSource(given: FactorInputs, rules: RiskRules): Computed {
  return labelled(given, rules.blacklistedSource.points, (category) => category === BLACKLIST, 'blacklisted');
}

function labelledSource(given: FactorInputs, rules: RiskRules): Computed {
  const { points, categories } = rules.labelledSource;
  return labelled(given, points, (category) => categories.includes(category), `labelled ${categories.join(', ')}`);
}

function labelled(given: FactorInputs, points: number, counts: (category: string) => boolean, what: string): Computed {
  return overSources(given, (sources) => {
    if (given.listsMissing.length > 0) return failed(`label lists not loaded: ${given.listsMissing.join(', ')}`);
    const hits = sources.flatMap(({ source, labels }) =>
      labels
        .filter((label) => counts(label.category))
        .map((label) => `${nameOf(source)} ${label.category} (${label.list})`),
    );
    return hits.length > 0
      ? applied(points, `${what}: ${named(hits)}`, { hits: named(hits) })
      : applied(0, `none of ${sources.length} sources is ${what}`);
  });
}

function youngAddress(given: FactorInputs, rules: RiskRules): Computed {
  const { points, youngerThanMs } = rules.youngAddress;
  return overSources(given, (sources) => {
    const ages = sources.map(({ source, firstSeenAt = given.at }) => ({ source, firstSeenAt }));
    const youngest = Math.min(...ages.map(({ firstSeenAt }) => given.at - firstSeenAt));
    const inputs = { youngest_age_ms: String(youngest), younger_than_ms: String(youngerThanMs), at: String(given.at) };
    const young = ages
      .filter(({ firstSeenAt }) => given.at - firstSeenAt < youngerThanMs)
      .map(({ source }) => nameOf(source));
    return young.length > 0
      ? applied(points, `first seen less than ${days(youngerThanMs)} ago: ${named(young)}`, inputs)
      : applied(0, `all ${sources.length} sources were first seen at least ${days(youngerThanMs)} ago`, inputs);
  });
}

function busyAddress(given: FactorInputs, rules: RiskRules): Computed {
  const { points, transactionsAbove, windowMs } = rules.busyAddress;
  return overSources(given, (sources) => {
    const most = Math.max(...sources.map(({ transactions }) => transactions));
    const inputs = {
      most_transactions: String(most),
      transactions_above: String(transactionsAbove),
      window_ms: String(windowMs),
    };
    const busy = sources
      .filter(({ transactions }) => transactions > transactionsAbove)
      .map(({ source }) => nameOf(source));
    return busy.length > 0
      ? applied(points, `more than ${transactionsAbove} transactions in ${hours(windowMs)}: ${named(busy)}`, inputs)
      : applied(0, `no source has more than ${transactionsAbove} transactions in ${hours(windowMs)}`, inputs);
  });
}

/** What all rules about sources have in common: none is not applicable, and one that nobody knows can't be judged. */
function overSources(given: FactorInputs, judge: (sources: readonly SourceKnowledge[]) => Computed): Computed {
  const { sources } = given;
  if (sources.length === 0) return notApplicable(given.sourcesNote);
  if (sources.length > SOURCES_MAX)
    return failed(`${sources.length} sources, more than ${SOURCES_MAX} are not judged one by one`);
  const unknown = sources.filter(({ source }) => source.script === '').map(({ source }) => source.outpoint);
  const known = sources.filter(({ source }) => source.script !== '');
  if (known.length === 0) return failed(`the source of ${named(unknown)} is not known`);
  const judged = judge(known);
  if (unknown.length === 0) return judged;
  // What was found in the others still counts, but finding nothing means nothing.
  return { ...judged, state: 'failed', detail: `the source of ${named(unknown)} is not known; ${judged.detail}` };
}

const applied = (points: number, detail: string, inputs: Factor['inputs'] = {}): Computed => ({
  points,
  state: 'applied',
  detail,
  inputs,
});

const notApplicable = (detail: string, inputs: Factor['inputs'] = {}): Computed => ({
  points: 0,
  state: 'not_applicable',
  detail,
  inputs,
});

const failed = (detail: string): Computed => ({ points: 0, state: 'failed', detail, inputs: {} });

const nameOf = (source: Source): string => source.address || source.script;

const named = (names: readonly string[]): string =>
  names.length <= NAMED_MAX
    ? names.join(', ')
    : `${names.slice(0, NAMED_MAX).join(', ')} and ${names.length - NAMED_MAX} more`;

const days = (ms: number): string => `${ms / 86_400_000} days`;

const hours = (ms: number): string => `${ms / 3_600_000} hours`;
