import { deriveScript, MasterKey } from '@finality/bitcoin';
import { addressV1, settlementV1 } from '@finality/contracts';
import type { StatementPurpose, StatementSubject } from '@finality/signing';
import type { TestSignatory } from '@finality/signing/spec';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Ask, Caller, Clients } from './clients.ts';
import { type Asking, askOf, type Errand, nonsense, run } from './errand.ts';
import type { Party, People } from './people.ts';

const AMOUNT_MIN = 20_000;
const AMOUNT_MAX = 600_000;

const { SETTLEMENT_MODE_BILATERAL, SETTLEMENT_MODE_BLOCKCHAIN } = settlementV1.SettlementMode;
const { DESTINATION_DECISION_APPROVE, DESTINATION_DECISION_REJECT } = addressV1.DestinationDecision;

const outside = new MasterKey(new Uint8Array(32).fill(77), 'regtest').account('wpkh', 0).descriptor;

interface Known {
  readonly party: Party;
  readonly destinationId: string;
  /** What its signatories sign for. */
  readonly subject: StatementSubject;
  readonly requestedBy: Caller;
}

/** Where institutions want to be paid outside the platform, or at wallets of their own keys: two persons and two signatures each. */
export class Destinations {
  readonly #clients: Clients;
  readonly #people: People;
  readonly #random: SeededRandom;
  readonly #known: Known[] = [];
  #addresses = 0;

  constructor(clients: Clients, people: People, random: SeededRandom) {
    this.#clients = clients;
    this.#people = people;
    this.#random = random;
  }

  /** Before anything goes wrong: who has keys of its own is paid at its wallet, another at an address outside; both cool still. */
  async settle(work: () => Promise<void>): Promise<void> {
    for (const party of this.#people.parties.filter(() => this.#random.chance(0.6))) {
      const asked = await this.#request(party, party.client.own !== undefined, party.persons[0]!);
      const response = await this.#clients.must(askOf(this.#clients, asked.errand), work);
      const known = this.#learn(party, asked, response as addressV1.Destination);
      await this.#clients.must(askOf(this.#clients, this.#approval(known, party.persons[1]!, 1)), work);
    }
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 5, value: () => this.#register(ask) },
      { weight: 6, value: () => this.#approve(ask) },
      { weight: 1, value: () => this.#review(ask) },
      { weight: 2, value: () => this.#remove(ask) },
      { weight: 14, value: () => this.#pay(ask) },
      { weight: 3, value: () => this.#replaceSignatory(ask) },
      { weight: 3, value: () => this.#nonsense() },
    ]);
    return action();
  }

  async #register(ask: Asking): Promise<string> {
    const party = this.#people.anybody();
    const isWallet = party.client.own !== undefined && this.#random.chance(0.4);
    const asked = await this.#request(party, isWallet, this.#random.pick(party.persons));
    return run(this.#clients, ask, asked.errand, (response) =>
      this.#learn(party, asked, response as addressV1.Destination),
    );
  }

  /** By the other person and the other signatory, mostly. */
  #approve(ask: Asking): Promise<string> {
    if (this.#known.length === 0) return Promise.resolve('approve destination: there is none');
    const known = this.#random.pick(this.#known);
    const others = known.party.persons.filter((person) => person !== known.requestedBy);
    const by = this.#random.chance(0.8) ? others[0]! : known.requestedBy;
    return run(this.#clients, ask, this.#approval(known, by, this.#random.chance(0.8) ? 1 : 0));
  }

  #review(ask: Asking): Promise<string> {
    if (this.#known.length === 0) return Promise.resolve('review destination: there is none');
    const { destinationId } = this.#random.pick(this.#known);
    const decision = this.#random.pick([DESTINATION_DECISION_APPROVE, DESTINATION_DECISION_REJECT]);
    const request = { destinationId, decision, reason: 'looked at' };
    const errand = this.#people.errand('reviewDestination', request, this.#clients.compliance, destinationId);
    return run(this.#clients, ask, errand);
  }

  #remove(ask: Asking): Promise<string> {
    if (this.#known.length === 0) return Promise.resolve('remove destination: there is none');
    const { destinationId, party } = this.#random.pick(this.#known);
    const caller = this.#random.pick([party.client, this.#clients.operator, this.#clients.compliance]);
    return run(this.#clients, ask, this.#people.errand('removeDestination', { destinationId }, caller, destinationId));
  }

  /** Whatever has become of it: cooling, removed, usable. */
  #pay(ask: Asking): Promise<string> {
    if (this.#known.length === 0) return Promise.resolve('pay destination: there is none');
    const { party, destinationId } = this.#random.pick(this.#known);
    const { institutionId } = party.client;
    const payers = this.#clients.institutions.filter((each) => each !== party.client);
    const custodial = payers.filter(({ own }) => own === undefined);
    const from = this.#random.pick(this.#random.chance(0.8) && custodial.length > 0 ? custodial : payers);
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      fromInstitution: from.institutionId,
      toInstitution: institutionId,
      amountSats: BigInt(this.#random.between(AMOUNT_MIN, AMOUNT_MAX)),
      settlementMode: this.#random.pick([SETTLEMENT_MODE_BILATERAL, SETTLEMENT_MODE_BLOCKCHAIN]),
      referenceId: 'simulation',
      destinationId,
    });
    const errand = { api: 'SettlementService', method: 'submitSettlement', request, caller: from } as const;
    const mayBe = ['not_found', 'invalid_argument'] as const;
    return run(this.#clients, ask, { ...errand, mayBe, what: `destination ${destinationId} of ${institutionId}` });
  }

  /** Somebody new is endorsed; or somebody goes, as long as one remains. */
  #replaceSignatory(ask: Asking): Promise<string> {
    const party = this.#people.anybody();
    const { signatories } = party;
    const [first, second] = signatories;
    if (second === undefined || this.#random.chance(0.6)) {
      const newcomer = this.#people.newcomer();
      const joining = this.#people.joining(party, newcomer, first);
      return run(this.#clients, ask, joining, () => signatories.push(newcomer));
    }
    return run(this.#clients, ask, this.#revocation(party, first!, second));
  }

  /** When all is over: of somebody, wherever one remains. */
  lastRevocations(): readonly Ask[] {
    const parties = this.#people.parties.filter(({ signatories }) => signatories.length > 1);
    return parties
      .slice(0, 1)
      .map((party) => askOf(this.#clients, this.#revocation(party, party.signatories[0]!, party.signatories[1]!)));
  }

  #revocation(party: Party, { address }: TestSignatory, by: TestSignatory): Errand {
    const { institutionId } = party.client;
    const revocation = this.#people.sign(party, by, 'revoke signatory', { address });
    // It may be gone whatever is answered.
    party.signatories.shift();
    const request = { institutionId, address, revocation };
    return this.#people.errand('revokeSignatory', request, party.client, institutionId);
  }

  /** What nobody may ask for. */
  async #nonsense(): Promise<string> {
    const [party, other] = [this.#people.anybody(), this.#people.anybody()];
    const stranger = this.#people.newcomer();
    const { errand } = await this.#request(party, false, party.persons[0]!);
    const { address } = errand.request as addressV1.RegisterDestinationRequest;
    const bySomebody = this.#people.sign(party, stranger, 'register destination', { address });
    const approval = this.#people.sign(party, stranger, 'approve destination', { address });
    const { operator } = this.#clients;
    const wrong: readonly Errand[] = [
      { ...errand, request: { ...errand.request, request: bySomebody } },
      { ...errand, request: { ...errand.request, address: `${address}q` } },
      { ...errand, caller: operator },
      this.#people.errand('approveDestination', { destinationId: 'none', approval }, other.persons[0]!, 'nonsense'),
      this.#people.joining(party, stranger),
      this.#people.joining(party, stranger, stranger),
    ];
    const mayBe = ['invalid_argument', 'permission_denied', 'not_found', 'already_exists'] as const;
    return nonsense(this.#clients, { ...this.#random.pick(wrong), mayBe, what: 'nonsense' });
  }

  async #request(party: Party, isWallet: boolean, by: Caller): Promise<Requested> {
    const { institutionId } = party.client;
    const [walletId] = party.client.wallets;
    const subject = isWallet
      ? { descriptor: await this.#externalOf(party) }
      : { address: deriveScript(outside, 0, ++this.#addresses).address };
    const request = {
      institutionId,
      address: 'address' in subject ? subject.address : '',
      label: 'outside',
      request: this.#sign(party, 'register destination', subject, 0),
      walletId: isWallet ? walletId : undefined,
    };
    const errand = this.#people.errand('registerDestination', request, by, institutionId);
    return { errand, subject, by };
  }

  /** As the platform shows it: what its owner compares and signs for. */
  async #externalOf({ client }: Party): Promise<string> {
    const [walletId] = client.wallets;
    const request = { institutionId: client.institutionId, pageSize: 0, pageToken: '' };
    const listed = await this.#clients.look<addressV1.ListWalletsResponse>(
      'AddressService',
      'listWallets',
      request,
      client,
      'address-issuer',
    );
    return listed?.wallets.find((each) => each.walletId === walletId)?.externalDescriptor ?? '';
  }

  #learn(party: Party, { subject, by }: Requested, { destinationId }: addressV1.Destination): Known {
    const known = { party, destinationId, subject, requestedBy: by };
    this.#known.push(known);
    return known;
  }

  #approval({ party, destinationId, subject }: Known, by: Caller, signatory: number): Errand {
    const approval = this.#sign(party, 'approve destination', subject, signatory);
    return this.#people.errand('approveDestination', { destinationId, approval }, by, destinationId);
  }

  /** The first or the second of those who are there. */
  #sign(
    party: Party,
    purpose: StatementPurpose,
    subject: StatementSubject,
    place: number,
  ): addressV1.StatementSignature {
    const signatory = party.signatories[place] ?? party.signatories[0]!;
    return this.#people.sign(party, signatory, purpose, subject);
  }
}

interface Requested {
  readonly errand: Errand;
  readonly subject: StatementSubject;
  readonly by: Caller;
}
