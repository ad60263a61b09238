import { settlementV1 } from '@finality/contracts';
import { type Sats } from '@finality/kernel';
import type { TestSignatory } from '@finality/signing/spec';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Answer, Caller, Client, Clients } from './clients.ts';
import { lineOf } from './clients.ts';
import type { Dealings } from './dealings.ts';
import { type Asking, askOf, type Errand, nonsense, run } from './errand.ts';
import type { Party, People } from './people.ts';

/** From which amounts on persons have to approve, satoshi: of 1,000 to 900,000. */
const ABOVE_SATS = [150_000n, 500_000n];
/** How many tiers an institution has. */
const TIERS = [0, 1, 1, 2];

const { SETTLEMENT_STATUS_UNDER_REVIEW } = settlementV1.SettlementStatus;
const { SETTLEMENT_MODE_BILATERAL } = settlementV1.SettlementMode;
const { REVIEW_DECISION_APPROVE, REVIEW_DECISION_REJECT } = settlementV1.ReviewDecision;

type Settlement = settlementV1.Settlement;

/** What institutions bind themselves to: whom they pay, and whose approval what is above an amount needs. */
export class Rules {
  readonly #clients: Clients;
  readonly #people: People;
  readonly #dealings: Dealings;
  readonly #random: SeededRandom;

  constructor(clients: Clients, { people, dealings }: { people: People; dealings: Dealings }, random: SeededRandom) {
    this.#clients = clients;
    this.#people = people;
    this.#dealings = dealings;
    this.#random = random;
  }

  /** Before anything goes wrong: some have lists, some need approvals, and of those some tell the signer. */
  async settle(work: () => Promise<void>): Promise<void> {
    const must = (errand: Errand): Promise<unknown> => this.#clients.must(askOf(this.#clients, errand), work);
    for (const party of this.#people.parties) {
      const { client } = party;
      const tiers = this.#tiers(this.#random.pick(TIERS), client.own === undefined && this.#random.chance(0.6));
      const [lowest] = tiers;
      if (lowest !== undefined) await must(this.#setPolicy(client, tiers, client));
      if (lowest?.signed === true) await must(this.#requireApprovals(party, lowest));
      if (!this.#random.chance(0.4)) continue;
      for (const other of this.#others(client).filter(() => this.#random.chance(0.6)))
        await must(this.#counterparty('allowCounterparty', client, other));
      await must(this.#restrict(client, true, client));
    }
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 5, value: () => this.#run(ask, this.#list('allowCounterparty')) },
      { weight: 3, value: () => this.#run(ask, this.#list('removeCounterparty')) },
      { weight: 4, value: () => this.#restrictAnybody(ask) },
      { weight: 4, value: () => this.#changePolicy(ask) },
      { weight: 3, value: () => this.#dealings.decideProposal(ask) },
      { weight: 14, value: () => this.#approve(ask) },
      { weight: 4, value: () => this.#approveOwn(ask) },
      { weight: 4, value: () => this.#nonsense() },
    ]);
    return action();
  }

  /** Whatever waits for persons alone gets what it waits for; what nobody is there for is turned down. */
  async approveAll(): Promise<void> {
    if (this.#people.parties.length === 0) return;
    for (const settlementId of this.#clients.lastTold(SETTLEMENT_STATUS_UNDER_REVIEW)) {
      const settlement = await this.#clients.read(settlementId);
      const missing = (settlement?.approvalsRequired ?? 0) - (settlement?.approvals.length ?? 0);
      for (let i = 0; i < missing; i++) {
        const now = await this.#clients.read(settlementId);
        if (now?.status !== SETTLEMENT_STATUS_UNDER_REVIEW) break;
        await this.#clients.ask(this.#clients.settlements(...this.#review(now, true)));
      }
    }
  }

  /** One person more, mostly where one is missing: with a signature where it takes one. */
  async #approve(ask: Asking): Promise<string> {
    const settlement = await this.#underReview();
    if (settlement === undefined) return 'approve: nothing waits for a person';
    return this.#put(ask, settlement, this.#review(settlement, this.#random.chance(0.9)));
  }

  /** Nobody's own approval counts, nor does the payee's. */
  async #approveOwn(ask: Asking): Promise<string> {
    const settlement = await this.#underReview();
    if (settlement === undefined) return 'approve one’s own: nothing waits for a person';
    const { fromInstitution, toInstitution } = settlement;
    const ofPayee = this.#random.chance(0.3);
    const { client, persons } = this.#people.partyOf(ofPayee ? toInstitution : fromInstitution);
    const caller = ofPayee ? persons[0]! : client;
    return this.#put(ask, settlement, this.#review(settlement, true, caller));
  }

  async #put(ask: Asking, { settlementId }: Settlement, review: ReviewAsk): Promise<string> {
    const asked = this.#clients.settlements(...review);
    const answer: Answer = await ask(asked);
    return lineOf(asked, answer, `approval of ${settlementId}`);
  }

  #review(settlement: Settlement, isInOrder: boolean, caller?: Caller): ReviewAsk {
    const { settlementId, approvals, approvalsSigned, fromInstitution } = settlement;
    const { persons, signatories } = this.#people.partyOf(fromInstitution);
    const isDone = (person: Caller): boolean =>
      approvals.some(({ approvedBy }) => person.apiKey.split('_')[1] === approvedBy);
    const left = persons.filter((person) => !isDone(person));
    const by = caller ?? this.#random.pick(left.length > 0 && isInOrder ? left : persons);
    const unused = signatories.filter(({ address }) => approvals.every(({ signatory }) => signatory !== address));
    const isHopeless = left.length === 0 || (approvalsSigned && unused.length === 0);
    const decision = isHopeless || this.#random.chance(0.08) ? REVIEW_DECISION_REJECT : REVIEW_DECISION_APPROVE;
    const signs = approvalsSigned && decision === REVIEW_DECISION_APPROVE && (isInOrder || this.#random.chance(0.6));
    const signedApproval = signs ? this.#sign(settlement, isInOrder ? unused[0]! : this.#people.newcomer()) : undefined;
    const request = { idempotencyKey: this.#clients.newKey(), settlementId, decision, reason: 'seen', signedApproval };
    return ['reviewSettlement', request, by, ['failed_precondition', 'permission_denied', 'already_exists']];
  }

  #sign(settlement: Settlement, signatory: TestSignatory): settlementV1.SignedApproval {
    const { settlementId, amountSats, toInstitution, settlementMode, destinationAddress, destinationId } = settlement;
    const payout = {
      settlementId,
      mode: settlementMode === SETTLEMENT_MODE_BILATERAL ? 'bilateral' : 'blockchain',
      amountSats: amountSats as Sats,
      payeeInstitutionId: toInstitution,
      walletId: settlement.payerWalletId ?? '',
      to: destinationAddress === undefined ? `wallet ${settlement.payeeWalletId}` : `destination ${destinationId}`,
    };
    const party = this.#people.partyOf(settlement.fromInstitution);
    return this.#people.sign(party, signatory, 'approve payout', { payout });
  }

  /** One that waits for persons, as far as clients know; read anew. */
  async #underReview(): Promise<Settlement | undefined> {
    for (const settlementId of this.#clients.lastTold(SETTLEMENT_STATUS_UNDER_REVIEW)) {
      const settlement = await this.#clients.read(settlementId);
      if (settlement?.status === SETTLEMENT_STATUS_UNDER_REVIEW && settlement.approvalsRequired > 0) return settlement;
    }
    return undefined;
  }

  #restrictAnybody(ask: Asking): Promise<string> {
    const { client } = this.#people.anybody();
    const restricted = this.#random.chance(0.5);
    const errand = this.#restrict(client, restricted, client);
    if (this.#random.chance(0.6)) return this.#run(ask, { ...errand, mayBe: ['permission_denied'] });
    const restrictCounterparties = settlementV1.RestrictCounterpartiesRequest.fromPartial(errand.request);
    return this.#dealings.agree(ask, errand.api, errand.method, { restrictCounterparties });
  }

  #changePolicy(ask: Asking): Promise<string> {
    const { client } = this.#people.anybody();
    const tiers = this.#tiers(this.#random.pick(TIERS), false);
    const errand = this.#setPolicy(client, tiers, client);
    if (this.#random.chance(0.5)) return this.#run(ask, { ...errand, mayBe: ['permission_denied'] });
    const setApprovalPolicy = settlementV1.SetApprovalPolicyRequest.fromPartial(errand.request);
    return this.#dealings.agree(ask, errand.api, errand.method, { setApprovalPolicy });
  }

  /** What nobody may ask for. */
  #nonsense(): Promise<string> {
    const { client } = this.#people.anybody();
    const [other] = this.#others(client);
    const { operator } = this.#clients;
    const [tier] = this.#tiers(1, false);
    const stranger = { ...this.#counterparty('allowCounterparty', client, client), caller: operator };
    const wrong: readonly Errand[] = [
      this.#restrict(client, true, other!),
      this.#setPolicy(client, [tier!], other!),
      this.#setPolicy(client, [{ ...tier!, approvals: 0 }], operator),
      this.#setPolicy(client, [tier!, tier!], operator),
      { ...stranger, request: { ...stranger.request, counterpartyId: 'nobody-knows' } },
      { ...this.#counterparty('removeCounterparty', client, other!), caller: other! },
    ];
    const mayBe = ['invalid_argument', 'permission_denied', 'not_found'] as const;
    return nonsense(this.#clients, { ...this.#random.pick(wrong), mayBe, what: 'nonsense' });
  }

  #tiers(count: number, signed: boolean): settlementV1.ApprovalTier[] {
    return ABOVE_SATS.slice(0, count).map((aboveSats, i) => ({ aboveSats, approvals: i + 1, signed }));
  }

  #setPolicy({ institutionId }: Client, tiers: readonly settlementV1.ApprovalTier[], caller: Caller): Errand {
    const request = { institutionId, tiers, reason: 'as agreed' };
    return { api: 'PolicyService', method: 'setApprovalPolicy', request, caller, what: institutionId };
  }

  /** The signer is to ask for what the policy does. */
  #requireApprovals(party: Party, { aboveSats, approvals }: settlementV1.ApprovalTier): Errand {
    const { institutionId } = party.client;
    const required = { aboveSats: aboveSats as Sats, approvals };
    const [one, other] = party.signatories;
    const request = {
      institutionId,
      ...required,
      request: this.#people.sign(party, one!, 'require approvals', { required }),
      approval: this.#people.sign(party, other!, 'agree to approvals', { required }),
    };
    return this.#people.errand('requireApprovals', request, party.client, institutionId);
  }

  #list(method: 'allowCounterparty' | 'removeCounterparty'): Errand {
    const { client } = this.#people.anybody();
    const errand = this.#counterparty(method, client, this.#random.pick(this.#others(client)));
    return { ...errand, mayBe: ['not_found'] };
  }

  #counterparty(method: 'allowCounterparty' | 'removeCounterparty', client: Client, other: Client): Errand {
    const { institutionId } = client;
    const request = { institutionId, counterpartyId: other.institutionId };
    return {
      api: 'PolicyService',
      method,
      request,
      caller: client,
      what: `${other.institutionId} by ${institutionId}`,
    };
  }

  #restrict({ institutionId }: Client, restricted: boolean, caller: Caller): Errand {
    const request = { institutionId, restricted, reason: 'as agreed' };
    return { api: 'PolicyService', method: 'restrictCounterparties', request, caller, what: institutionId };
  }

  #run(ask: Asking, errand: Errand): Promise<string> {
    return run(this.#clients, ask, errand);
  }

  #others(client: Client): readonly Client[] {
    return this.#clients.institutions.filter((each) => each !== client);
  }
}

type ReviewAsk = Parameters<Clients['settlements']>;
