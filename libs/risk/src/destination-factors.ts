import { BLACKLIST, type Label } from './label.ts';
import type { Computed, FactorInputs } from './factors.ts';
import type { RiskRules } from './rules.ts';

/** Where the money would leave the platform to. */
export interface PaidOutside {
  /** scriptPubKey, hex. */
  readonly script: string;
  readonly address: string;
}

/** What is known about it when it is screened. Its age and its traffic say nothing: an address to be paid at is mostly a new one. */
export interface DestinationKnowledge extends PaidOutside {
  readonly labels: readonly Pick<Label, 'category' | 'label' | 'source' | 'list'>[];
}

/** Paying who is on the blacklist is what the list forbids: no other factor is needed. */
export const blacklistedDestination = (given: FactorInputs, rules: RiskRules): Computed =>
  labelled(given, rules.blacklistedDestination.points, (category) => category === BLACKLIST, 'blacklisted');

/** The categories of labelled sources, for the same points. */
export function labelledDestination(given: FactorInputs, rules: RiskRules): Computed {
  const { points, categories } = rules.labelledDestination;
  return labelled(given, points, (category) => categories.includes(category), `labelled ${categories.join(', ')}`);
}

function labelled(
  { destination, listsMissing }: FactorInputs,
  points: number,
  counts: (category: string) => boolean,
  what: string,
): Computed {
  if (destination === undefined)
    return { points: 0, state: 'not_applicable', detail: 'no address outside is paid', inputs: {} };
  const { address, script, labels } = destination;
  const inputs = { address, script };
  if (listsMissing.length > 0)
    return { points: 0, state: 'failed', detail: `label lists not loaded: ${listsMissing.join(', ')}`, inputs };
  const hits = labels.filter(({ category }) => counts(category)).map(({ category, list }) => `${category} (${list})`);
  if (hits.length === 0) return { points: 0, state: 'applied', detail: `${address} is not ${what}`, inputs };
  return { points, state: 'applied', detail: `${what}: ${address} ${hits.join(', ')}`, inputs };
}
