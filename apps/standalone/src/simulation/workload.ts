import { addressV1, settlementV1 } from '@finality/contracts';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import {
  type Agreed,
  type Answer,
  type Ask,
  type Client,
  type Clients,
  lineOf,
  MODES,
  modeName,
  PURPOSES,
} from './clients.ts';
import type { Credit } from './credit.ts';
import type { Dealings } from './dealings.ts';
import type { Destinations } from './destinations.ts';
import type { Outside } from './outside.ts';
import type { Owners } from './owners.ts';
import type { Profile } from './profile.ts';
import type { Rules } from './rules.ts';
import { LARGE_DEPOSIT_SATS, LARGE_SETTLEMENT_SATS } from './settings.ts';
import type { Staff } from './staff.ts';

const { REVIEW_DECISION_APPROVE, REVIEW_DECISION_REJECT } = settlementV1.ReviewDecision;

/** Amounts, satoshi: now and then one for the AML service, and one that nobody has. */
const AMOUNT_MIN = 1_000;
const AMOUNT_MAX = 900_000;
const FORTUNE_SATS = 50_000_000_000n;
const DEPOSIT_MIN = 150_000;
const DEPOSIT_MAX = 2_500_000;
const DUST_SATS = 200n;
/** Issued at once. */
const MANY_ADDRESSES = 3;
/** Satoshi per 1,000 virtual bytes. */
const FEE_RATE_MIN = 1_000;
const FEE_RATE_MAX = 60_000;

const { FEE_PAYER_PAYER, FEE_PAYER_PAYEE, FEE_PAYER_SHARED } = settlementV1.FeePayer;
const FEE_PAYERS = [FEE_PAYER_PAYER, FEE_PAYER_PAYEE, FEE_PAYER_SHARED];
/** Until a settlement is to begin, and from then until it is to be paid: within what a run goes through. */
const SOON_MS = 5_000;
const LATER_MS = 300_000;

/** What an action did, in a line. */
export type Done = string;

/** Whose actions these are, beside the clients' own. */
export interface Others {
  readonly clients: Clients;
  readonly outside: Outside;
  readonly owners: Owners;
  readonly dealings: Dealings;
  readonly credit: Credit;
  readonly rules: Rules;
  readonly destinations: Destinations;
  readonly staff: Staff;
}

type Weights = Pick<Profile, 'dealings' | 'credit' | 'rules'>;

/** What the outside does: institutions, staff, and whoever pays in. Each action is one call or one transaction. */
export class Workload {
  readonly #clients: Clients;
  readonly #outside: Outside;
  readonly #owners: Owners;
  readonly #dealings: Dealings;
  readonly #credit: Credit;
  readonly #rules: Rules;
  readonly #destinations: Destinations;
  readonly #staff: Staff;
  readonly #profile: Weights;
  readonly #random: SeededRandom;
  readonly #large: string[] = [];
  readonly #revoking: { readonly ask: Ask; readonly apiKey: string }[] = [];

  constructor(others: Others, profile: Weights, random: SeededRandom) {
    this.#clients = others.clients;
    this.#outside = others.outside;
    this.#owners = others.owners;
    this.#dealings = others.dealings;
    this.#credit = others.credit;
    this.#rules = others.rules;
    this.#destinations = others.destinations;
    this.#staff = others.staff;
    this.#profile = profile;
    this.#random = random;
  }

  /** Something at random. `fault` strikes the service that is called. */
  act(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const action = pickWeighted(this.#random, [
      { weight: 34, value: () => this.#submit(ask) },
      { weight: 14, value: () => this.#payIn() },
      { weight: 8, value: () => this.retry(ask) },
      { weight: 6, value: () => this.#repeat(ask) },
      { weight: 3, value: () => this.#repeatChanged() },
      { weight: 5, value: () => this.#cancel(ask) },
      { weight: 4, value: () => this.#reverse(ask) },
      { weight: 4, value: () => this.#bumpFee(ask) },
      { weight: 6, value: () => this.reviewOne(ask) },
      { weight: 8, value: () => this.#look() },
      { weight: 5, value: () => this.#newAddress(ask) },
      { weight: 6, value: () => this.#badRequest() },
      { weight: 3, value: () => this.#takeBack() },
      { weight: 2, value: () => this.#rotateKey(ask) },
      { weight: 2, value: () => this.#newWallet(ask) },
      { weight: 3, value: () => this.#reviewDeposit(ask) },
      { weight: 8, value: () => this.#owners.prepare(ask) },
      { weight: 10, value: () => this.#owners.give(ask) },
      { weight: 7, value: () => this.#staff.act(ask) },
      { weight: this.#profile.dealings, value: () => this.#dealings.act(ask) },
      { weight: this.#profile.credit, value: () => this.#credit.act(ask) },
      { weight: this.#profile.rules * 0.6, value: () => this.#rules.act(ask) },
      { weight: this.#profile.rules * 0.4, value: () => this.#destinations.act(ask) },
    ]);
    return action();
  }

  /** What nobody has answered is asked again, with the same key. */
  async retry(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const { unanswered } = this.#clients;
    if (unanswered.length === 0) return 'retry: nothing is open';
    const again = this.#random.pick(unanswered);
    return lineOf(again, await ask(again), 'retry');
  }

  /** The compliance officer looks at a settlement that waits for a person, as far as the clients know of one. */
  async reviewOne(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const waiting = this.#waiting();
    const settlementId = waiting.length > 0 ? this.#random.pick(waiting) : this.#known();
    if (settlementId === undefined) return 'review: nothing to review';
    const review = this.#review(settlementId);
    return lineOf(review, await ask(review), settlementId);
  }

  /** One for each settlement that clients know to be under review. */
  reviewsDue(): readonly Ask[] {
    return this.#waiting().map((settlementId) => this.#review(settlementId));
  }

  #waiting(): readonly string[] {
    return this.#clients.lastTold(settlementV1.SettlementStatus.SETTLEMENT_STATUS_UNDER_REVIEW);
  }

  #review(settlementId: string): Ask {
    const decision = this.#random.chance(0.7) ? REVIEW_DECISION_APPROVE : REVIEW_DECISION_REJECT;
    const request = { idempotencyKey: this.#clients.newKey(), settlementId, decision, reason: 'looked at' };
    return this.#clients.settlements('reviewSettlement', request, this.#clients.compliance, ['failed_precondition']);
  }

  async #submit(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const mode = this.#random.pick(MODES);
    const [from, to] = this.#pairFor(mode);
    const amountSats = this.#amount();
    const agreed = this.#agreed(mode);
    const submission = this.#clients.submission(from, to.institutionId, mode, amountSats, agreed);
    const what = `${from.institutionId} to ${to.institutionId} ${amountSats} ${modeName(mode)}`;
    return lineOf(submission, await ask(submission), what);
  }

  /** Who bears the network's fee, and when it is to be paid: mostly what is said by saying nothing. */
  #agreed(mode: settlementV1.SettlementMode): Agreed {
    const isOnChain = mode !== settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
    const feePayer = isOnChain && this.#random.chance(0.4) ? this.#random.pick(FEE_PAYERS) : undefined;
    const beginsInMs = this.#random.chance(0.1) ? this.#random.between(SOON_MS, LATER_MS) : 0;
    const endsInMs = this.#random.chance(0.1) ? beginsInMs + this.#random.between(SOON_MS, LATER_MS) : 0;
    return {
      ...(feePayer !== undefined && { feePayer }),
      ...(beginsInMs > 0 && { executeAt: this.#clients.in(beginsInMs) }),
      ...(endsInMs > 0 && { expiresAt: this.#clients.in(endsInMs) }),
    };
  }

  /** Operators may have any paid back, all of it or a part. */
  async #reverse(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const settled = this.#clients.lastTold(settlementV1.SettlementStatus.SETTLEMENT_STATUS_SETTLED);
    const settlementId = settled.length > 0 ? this.#random.pick(settled) : this.#known();
    if (settlementId === undefined) return 'reverse: no settlement yet';
    const amountSats = this.#random.chance(0.5) ? 0n : BigInt(this.#random.between(AMOUNT_MIN, AMOUNT_MAX));
    const request = settlementV1.ReverseSettlementRequest.fromPartial({
      idempotencyKey: this.#clients.newKey(),
      settlementId,
      amountSats,
    });
    const mayBe = ['failed_precondition', 'not_found', 'invalid_argument'] as const;
    const reverse = this.#clients.settlements('reverseSettlement', request, this.#clients.operator, mayBe);
    return lineOf(reverse, await ask(reverse), settlementId);
  }

  #payIn(): Promise<Done> {
    const client = this.#random.pick(this.#clients.institutions);
    const script = this.#random.pick(client.scripts);
    const valueSats = this.#deposit();
    const txid = this.#outside.deposit(script, valueSats);
    if (txid !== undefined && valueSats >= LARGE_DEPOSIT_SATS) this.#large.push(`${txid}:0`);
    return Promise.resolve(`pay in ${valueSats} for ${client.institutionId}: ${txid?.slice(0, 12) ?? 'not taken'}`);
  }

  #deposit(): bigint {
    if (this.#random.chance(0.04)) return DUST_SATS;
    if (this.#random.chance(0.08)) return LARGE_DEPOSIT_SATS;
    return BigInt(this.#random.between(DEPOSIT_MIN, DEPOSIT_MAX));
  }

  /** A new key, by two operators, then the old one's end, by one. After an answer that is lost, the old one is kept. */
  async #rotateKey(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const client = this.#random.pick(this.#clients.institutions);
    const { institutionId, apiKey } = client;
    const made = this.#clients.newApiKey(institutionId);
    if (!(await this.#clients.askBoth(made.change, ask))) return `rotate key of ${institutionId}: unanswered`;
    client.apiKey = made.apiKey;
    const [, keyId] = apiKey.split('_');
    const request = { idempotencyKey: this.#clients.newKey(), keyId, reason: 'rotated' };
    const revoke = this.#clients.operators('revokeApiKey', request);
    const revoked = await ask(revoke);
    this.#revoking.push({ ask: revoke, apiKey });
    return lineOf(revoke, revoked, institutionId);
  }

  /** Keys that must not be of use any more. */
  keysRevoked(): readonly string[] {
    return this.#revoking.filter(({ ask }) => this.#clients.answered.includes(ask)).map(({ apiKey }) => apiKey);
  }

  async #newWallet(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const client = this.#random.pick(this.#clients.institutions.filter(({ own }) => own === undefined));
    const [, walletId] = client.wallets;
    if (walletId !== undefined) {
      const issue = this.#clients.addressAsk(client, addressV1.AddressPurpose.ADDRESS_PURPOSE_WALLET, walletId);
      const answer = await ask(issue);
      if (answer.kind === 'answered') this.#clients.learn(client, answer.response as addressV1.Address);
      return lineOf(issue, answer, `second wallet of ${client.institutionId}`);
    }
    const register = this.#clients.walletAsk(client);
    const answer = await ask(register);
    if (answer.kind === 'answered') client.wallets.push((answer.response as addressV1.Wallet).walletId);
    return lineOf(register, answer, client.institutionId);
  }

  async #reviewDeposit(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const outpoint = this.#large.shift();
    if (outpoint === undefined) return 'review deposit: nothing is large';
    const decision = this.#random.chance(0.7) ? REVIEW_DECISION_APPROVE : REVIEW_DECISION_REJECT;
    const request = { idempotencyKey: this.#clients.newKey(), outpoint, decision, reason: 'looked at' };
    const mayBe = ['failed_precondition', 'not_found'] as const;
    const review = this.#clients.settlements('reviewDeposit', request, this.#clients.compliance, mayBe);
    const answer = await ask(review);
    // Not held yet: looked at again later.
    if (answer.kind === 'refused' && answer.reason !== 'NOT_HELD') return lineOf(review, answer, outpoint);
    if (answer.kind === 'refused') this.#large.push(outpoint);
    return lineOf(review, answer, outpoint);
  }

  #takeBack(): Promise<Done> {
    const txid = this.#outside.replaceDeposit(this.#random);
    return Promise.resolve(`take back ${txid?.slice(0, 12) ?? 'nothing'}`);
  }

  async #repeat(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const { answered } = this.#clients;
    if (answered.length === 0) return 'repeat: nothing was answered yet';
    const again = this.#random.pick(answered);
    return lineOf(again, await ask(again), 'repeat');
  }

  /** The same key with another amount is refused, naming the field. */
  async #repeatChanged(): Promise<Done> {
    const submissions = this.#clients.answered.filter(({ method }) => method === 'submitSettlement');
    if (submissions.length === 0) return 'repeat, changed: nothing was answered yet';
    const { request, ...ask } = this.#random.pick(submissions);
    const { amountSats } = request as settlementV1.SubmitSettlementRequest;
    const changed = { ...request, amountSats: amountSats + 1n };
    return this.#refused({
      ...ask,
      request: changed,
      mayBe: ['already_exists', 'failed_precondition', 'invalid_argument'],
    });
  }

  async #cancel(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const settlementId = this.#known();
    if (settlementId === undefined) return 'cancel: no settlement yet';
    const from = this.#random.pick(this.#clients.institutions);
    const request = { idempotencyKey: this.#clients.newKey(), settlementId, reason: 'changed our mind' };
    const cancel = this.#clients.settlements('cancelSettlement', request, from, [
      'failed_precondition',
      'permission_denied',
      'not_found',
    ]);
    return lineOf(cancel, await ask(cancel), settlementId);
  }

  async #bumpFee(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    // Mostly one that wasn't final when somebody heard of it last; the operator may ask for any.
    const open = this.#clients.lastTold(settlementV1.SettlementStatus.SETTLEMENT_STATUS_EXECUTING);
    const settlementId = open.length > 0 ? this.#random.pick(open) : this.#known();
    if (settlementId === undefined) return 'bump: no settlement yet';
    const from = this.#random.pick([this.#clients.operator, ...this.#clients.institutions]);
    const feeRateSatsPerKvb = BigInt(this.#random.between(FEE_RATE_MIN, FEE_RATE_MAX));
    const request = { idempotencyKey: this.#clients.newKey(), settlementId, feeRateSatsPerKvb };
    const mayBe = ['failed_precondition', 'permission_denied', 'not_found'] as const;
    const bump = this.#clients.settlements('bumpFee', request, from, mayBe);
    return lineOf(bump, await ask(bump), settlementId);
  }

  async #look(): Promise<Done> {
    const settlementId = this.#known();
    if (settlementId === undefined) return 'look: no settlement yet';
    const settlement = await this.#clients.read(settlementId);
    return `look at ${settlementId}: ${settlement ? `status ${settlement.status}` : 'unanswered'}`;
  }

  async #newAddress(ask: (ask: Ask) => Promise<Answer>): Promise<Done> {
    const client = this.#random.pick(this.#clients.institutions);
    const one = this.#clients.addressAsk(client, this.#random.pick(PURPOSES));
    const issue = this.#random.chance(0.4) ? this.#manyLike(one) : one;
    const answer = await ask(issue);
    if (answer.kind === 'answered')
      for (const address of [answer.response].flat()) this.#clients.learn(client, address as addressV1.Address);
    return lineOf(issue, answer, client.institutionId);
  }

  /** Each by its own id: asked for again, they are the same. */
  #manyLike({ request, ...ask }: Ask): Ask {
    const { idempotencyKey } = request;
    const addresses = Array.from({ length: MANY_ADDRESSES }, (_, i) => ({
      externalId: `${idempotencyKey}-${i}`,
      label: 'many',
    }));
    const many: Ask['request'] & Pick<addressV1.IssueAddressesRequest, 'addresses'> = { ...request, addresses };
    return { ...ask, method: 'issueAddresses', request: many };
  }

  async #badRequest(): Promise<Done> {
    const [from, to] = this.#pair();
    const good = this.#clients.submission(from, to.institutionId, this.#random.pick(MODES), 10_000n);
    const { request } = good;
    const wrong: readonly Partial<settlementV1.SubmitSettlementRequest>[] = [
      { amountSats: 0n },
      { amountSats: -5n },
      { amountSats: 2_100_000_000_000_001n },
      { toInstitution: from.institutionId },
      { toInstitution: 'nobody-knows' },
      { fromInstitution: to.institutionId },
      { settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_UNSPECIFIED },
      { idempotencyKey: '' },
      { callbackUrl: 'ftp://nowhere' },
    ];
    const bad = { ...good, request: { ...request, ...this.#random.pick(wrong) } };
    return this.#refused({
      ...bad,
      mayBe: ['invalid_argument', 'not_found', 'permission_denied', 'failed_precondition'],
    });
  }

  async #refused(ask: Ask): Promise<Done> {
    return lineOf(ask, await this.#clients.mustRefuse(ask), 'bad request');
  }

  /** Whoever has the keys itself is paid on-chain by its like: seldom do others try. */
  #pairFor(mode: settlementV1.SettlementMode): readonly [Client, Client] {
    const [from, to] = this.#pair();
    const isOnChain = mode !== settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
    const isPayable = !isOnChain || to.own === undefined || from.own !== undefined || this.#random.chance(0.1);
    if (isPayable) return [from, to];
    return [from, this.#random.pick(this.#clients.institutions.filter((each) => !each.own && each !== from))];
  }

  #pair(): readonly [Client, Client] {
    const from = this.#random.pick(this.#clients.institutions);
    return [from, this.#random.pick(this.#clients.institutions.filter((client) => client !== from))];
  }

  #amount(): bigint {
    if (this.#random.chance(0.06)) return FORTUNE_SATS;
    if (this.#random.chance(0.1)) return LARGE_SETTLEMENT_SATS + BigInt(this.#random.below(AMOUNT_MAX));
    return BigInt(this.#random.between(AMOUNT_MIN, AMOUNT_MAX));
  }

  #known(): string | undefined {
    const ids = [...this.#clients.told.keys()];
    return ids.length === 0 ? undefined : this.#random.pick(ids);
  }
}
