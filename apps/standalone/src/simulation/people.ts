import { addressV1, fromTimestamp, toTimestamp } from '@finality/contracts';
import { assert, type Instant } from '@finality/kernel';
import type { StatementPurpose, StatementSubject } from '@finality/signing';
import { TestSignatory } from '@finality/signing/spec';
import type { SeededRandom } from '@finality/testing/simulation';
import type { Caller, Client, Clients } from './clients.ts';
import { askOf, type Errand } from './errand.ts';

/** Longer than a run lasts, and less than a statement may be good for. */
const VALID_MS = 5 * 86_400_000;
const SECOND_MS = 1_000;
const PERSONS = 2;
const FIRST_SIGNATORIES = 2;

/** Those of an institution who do something beside its own service. */
export interface Party {
  readonly client: Client;
  /** Each with an API key of their own. */
  readonly persons: readonly Caller[];
  /** Who sign for it, as far as the clients know. */
  readonly signatories: TestSignatory[];
}

/** People of institutions: with API keys, or with keys that they sign statements with. */
export class People {
  readonly parties: Party[] = [];
  readonly #clients: Clients;
  readonly #random: SeededRandom;
  #signatories = 0;

  constructor(clients: Clients, random: SeededRandom) {
    this.#clients = clients;
    this.#random = random;
  }

  /** Every institution gets two persons, and two who sign. */
  async enlist(work: () => Promise<void>): Promise<void> {
    for (const client of this.#clients.institutions) {
      const persons: Caller[] = [];
      for (let i = 0; i < PERSONS; i++) {
        persons.push({ apiKey: await this.#clients.issueKey(client.institutionId, work) });
      }
      const party: Party = { client, persons, signatories: [] };
      this.parties.push(party);
      for (let i = 0; i < FIRST_SIGNATORIES; i++) {
        const signatory = this.newcomer();
        await this.#clients.must(askOf(this.#clients, this.joining(party, signatory)), work);
        party.signatories.push(signatory);
      }
    }
  }

  newcomer(): TestSignatory {
    return new TestSignatory(++this.#signatories, 'regtest', this.#signatories % 2 === 0 ? 'tr' : 'wpkh');
  }

  /** Of one whom the institution hasn't got yet; the first two nobody endorses. */
  joining(party: Party, signatory: TestSignatory, endorsedBy?: TestSignatory): Errand {
    const { institutionId } = party.client;
    const { address } = signatory;
    const about = { address };
    const proof = this.sign(party, signatory, 'register signatory', about);
    const endorsement = endorsedBy && this.sign(party, endorsedBy, 'endorse signatory', about);
    const request = { institutionId, address, proof, endorsement };
    const { operator } = this.#clients;
    return this.errand('registerSignatory', request, operator, `signatory of ${institutionId}`);
  }

  errand(method: string, request: object, caller: Caller, what: string): Errand {
    const mayBe = ['not_found', 'permission_denied', 'already_exists'] as const;
    return { service: 'address-issuer', api: 'DestinationService', method, request, caller, mayBe, what };
  }

  sign(
    { client: { institutionId } }: Party,
    signatory: TestSignatory,
    purpose: StatementPurpose,
    about: StatementSubject,
  ): addressV1.StatementSignature {
    const until = Math.floor(fromTimestamp(this.#clients.in(VALID_MS)) / SECOND_MS) * SECOND_MS;
    const statement = { purpose, domain: 'finality', institutionId, network: 'regtest', ...about } as const;
    const signed = signatory.sign(statement, until as Instant, this.#clients.newKey());
    return { ...signed, validUntil: toTimestamp(signed.validUntil) };
  }

  partyOf(institutionId: string): Party {
    const party = this.parties.find(({ client }) => client.institutionId === institutionId);
    assert(party, `${institutionId} has people`);
    return party;
  }

  anybody(): Party {
    return this.#random.pick(this.parties);
  }
}
