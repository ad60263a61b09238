import { type AccountId, pledgeAccount, PLEDGES } from '@finality/ledger';
import { creditStream } from './credit-streams.ts';

/** What a batch has to be loaded with to decide what institutions may owe. */
export class CreditNeeds {
  /** Institutions whose terms and pledges are needed. */
  readonly #institutions = new Set<string>();

  /** Whether what somebody may owe may change in this batch. */
  get isNeeded(): boolean {
    return this.#institutions.size > 0;
  }

  add(institutionId: string): void {
    this.#institutions.add(institutionId);
  }

  streams(): readonly string[] {
    return [...this.#institutions].map((id) => `${creditStream.aggregate.name}/${id}`);
  }

  accounts(): readonly AccountId[] {
    return [...this.#institutions].flatMap((id) => PLEDGES.map((pledge) => pledgeAccount(pledge, id)));
  }
}
