import { exchangeV1, liquidityV1, type proposalV1, settlementV1 } from '@finality/contracts';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Ask, Caller, Client, Clients } from './clients.ts';
import { type Asking, askOf, nonsense, run } from './errand.ts';
import { Violation } from './violation.ts';

const UNIT = 'USD';
/** Of the unit's smallest part: cents. */
const CASH_MAX = 400_000;
/** Satoshi, or cents. */
const LINE_MAX = 600_000;
const LIMIT_MIN = 400_000;
const LIMIT_MAX = 4_000_000;
const FLOOR_MAX = 3_000_000;
const CAP_MAX = 2_000_000;
const LIMIT_SECONDS = [600, 3_600, 86_400];
/** Until rates, lines and quotes end: some of them within a run. */
const SOON_MS = 60_000;
const LATER_MS = 3_600_000;
/** Longer than a run lasts; the longest is seven days. */
const REFERENCE_MS = 6 * 86_400_000;
const QUOTE_SECONDS = 300;
const WINDOWS_MAX = 1_000;

const { SETTLEMENT_MODE_CENTRALIZED } = settlementV1.SettlementMode;
const { WINDOW_STATUS_OPEN, WINDOW_STATUS_SETTLED } = settlementV1.WindowStatus;
const { WINDOW_PAYOUT_RULE_NOTHING, WINDOW_PAYOUT_RULE_NET_CREDIT, WINDOW_PAYOUT_RULE_ABOVE_FLOOR } =
  settlementV1.WindowPayoutRule;

/** What a maker gives for what. */
interface RateKnown {
  readonly maker: Client;
  readonly base: string;
  readonly counter: string;
}

interface QuoteKnown {
  readonly owner: Client;
  readonly quoteId: string;
}

/** What institutions and operators agree beside single payments: windows, limits, credit lines, money at banks, rates, and exchanges at quotes. */
export class Dealings {
  readonly #clients: Clients;
  readonly #random: SeededRandom;
  readonly #bookings: string[] = [];
  readonly #proposals: string[] = [];
  readonly #rates: RateKnown[] = [];
  readonly #quotes: QuoteKnown[] = [];
  #lines = 0;

  constructor(clients: Clients, random: SeededRandom) {
    this.#clients = clients;
    this.#random = random;
  }

  /** Before anything goes wrong: the unit is worth something, everybody has some of it at a bank, and some may owe some. */
  async settle(work: () => Promise<void>): Promise<void> {
    const { operator, secondOperator, institutions } = this.#clients;
    const must = (method: string, request: object, caller: Caller): Promise<unknown> =>
      this.#clients.must(askOf(this.#clients, { api: 'CashService', method, request, caller, what: '' }), work);
    const publishRate = exchangeV1.PublishRateRequest.fromPartial({
      ...{ makerInstitution: 'platform', baseUnit: UNIT, counterUnit: 'BTC' },
      price: { numerator: 1_000n, denominator: 65n },
      validUntil: this.#clients.in(REFERENCE_MS),
    });
    await this.#clients.agree({ publishRate }, work);
    for (const { institutionId } of institutions) {
      const request = exchangeV1.ProposeBankBookingRequest.fromPartial({
        ...{ direction: exchangeV1.BankDirection.BANK_DIRECTION_IN, institutionId, reason: 'as on the statement' },
        ...{ amount: { unit: UNIT, amount: this.#sats(1, CASH_MAX) }, statementLine: `first of ${institutionId}` },
      });
      const { bookingId } = (await must('proposeBankBooking', request, operator)) as exchangeV1.BankBooking;
      await must('confirmBankBooking', { bookingId, reason: 'seen' }, secondOperator);
    }
    for (const { institutionId } of institutions.filter(() => this.#random.chance(0.6))) {
      const limit = { unit: UNIT, amount: this.#sats(1, LINE_MAX) };
      const setCreditLine = liquidityV1.SetCreditLineRequest.fromPartial({ institutionId, limit });
      await this.#clients.agree({ setCreditLine }, work);
    }
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 3, value: () => this.#openWindow(ask) },
      { weight: 5, value: () => this.closeWindow(ask) },
      { weight: 3, value: () => this.#netApart(ask) },
      { weight: 4, value: () => this.#choosePayout(ask) },
      { weight: 2, value: () => this.#setLimits(ask) },
      { weight: 3, value: () => this.#setDebitCap(ask) },
      { weight: 4, value: () => this.#setCreditLine(ask) },
      { weight: 4, value: () => this.decideProposal(ask) },
      { weight: 6, value: () => this.#proposeBooking(ask) },
      { weight: 6, value: () => this.#decideBooking(ask) },
      { weight: 5, value: () => this.#publishRate(ask) },
      { weight: 2, value: () => this.#withdrawRate(ask) },
      { weight: 6, value: () => this.#requestQuote(ask) },
      { weight: 8, value: () => this.#exchange(ask) },
      { weight: 6, value: () => this.#payUnits(ask) },
      { weight: 4, value: () => this.#nonsense() },
    ]);
    return action();
  }

  /** Those who run the platform look at what windows come to, and at what is paid out for them. */
  async lookAtWindows(): Promise<void> {
    for (const { windowId, status } of await this.#windows()) {
      const request = { windowId };
      const found = await this.#look<settlementV1.GetWindowResponse>('WindowService', 'getWindow', request);
      const positions = found?.positions ?? [];
      const sum = positions.reduce((total, { netSats }) => total + netSats, 0n);
      if (sum !== 0n) throw new Violation([`positions of window ${windowId} add up to ${sum} sat`]);
      if (status === WINDOW_STATUS_SETTLED) continue;
      for (const { netPayoutId } of positions) if (netPayoutId !== '') await this.#clients.read(netPayoutId);
    }
  }

  #openWindow(ask: Asking): Promise<string> {
    return this.#ask(ask, 'WindowService', 'openWindow', {}, this.#clients.operator, []);
  }

  async closeWindow(ask: Asking): Promise<string> {
    const open = (await this.#windows()).filter(({ status }) => status === WINDOW_STATUS_OPEN);
    if (open.length === 0) return 'close window: none is open';
    const request = { windowId: this.#random.pick(open).windowId, reason: 'cut-off' };
    return this.#ask(ask, 'WindowService', 'closeWindow', request, this.#clients.operator, []);
  }

  #netApart(ask: Asking): Promise<string> {
    const [one, other] = this.#pair();
    const method = this.#random.chance(0.7) ? 'agreeBilateralNetting' : 'endBilateralNetting';
    const request = { counterpartyId: other.institutionId };
    return this.#ask(ask, 'WindowService', method, request, one, ['not_found']);
  }

  #choosePayout(ask: Asking): Promise<string> {
    const client = this.#random.pick(this.#clients.institutions);
    const rules = [WINDOW_PAYOUT_RULE_NOTHING, WINDOW_PAYOUT_RULE_NET_CREDIT, WINDOW_PAYOUT_RULE_ABOVE_FLOOR];
    const rule = this.#random.pick(rules);
    const request = settlementV1.SetWindowPayoutRequest.fromPartial({
      rule,
      floorSats: rule === WINDOW_PAYOUT_RULE_ABOVE_FLOOR ? BigInt(this.#random.below(FLOOR_MAX)) : 0n,
      walletId: rule === WINDOW_PAYOUT_RULE_NOTHING ? '' : client.wallets[0]!,
    });
    // A wallet may not be known yet; whose keys are their owners' aren't on the signer's list.
    return this.#ask(ask, 'WindowService', 'setWindowPayout', request, client, ['not_found']);
  }

  #setLimits(ask: Asking): Promise<string> {
    const client = this.#random.pick(this.#clients.institutions);
    const { institutionId } = client;
    const isOwn = this.#random.chance(0.3);
    const request = settlementV1.SetLimitsRequest.fromPartial({
      institutionId,
      transactions: this.#random.chance(0.5) ? [{ maxSats: this.#sats(LIMIT_MIN, LIMIT_MAX) }] : [],
      windows: LIMIT_SECONDS.filter(() => this.#random.chance(0.4)).map((windowSeconds) => ({
        windowSeconds: BigInt(windowSeconds),
        maxSats: this.#sats(LIMIT_MIN, 2 * LIMIT_MAX),
        ...(this.#random.chance(0.3) && { maxCount: BigInt(this.#random.between(1, 10)) }),
      })),
      reason: 'as agreed',
    });
    if (isOwn) return this.#ask(ask, 'PolicyService', 'setLimits', request, client, ['permission_denied']);
    return this.agree(ask, 'PolicyService', 'setLimits', { setLimits: request });
  }

  /** By an operator, or tried by the institution itself, which may make it lower. */
  #setDebitCap(ask: Asking): Promise<string> {
    const client = this.#random.pick(this.#clients.institutions);
    const { institutionId } = client;
    const cap = this.#random.chance(0.7) ? this.#sats(0, CAP_MAX) : undefined;
    const caller = this.#random.chance(0.3) ? client : this.#clients.operator;
    const request = { institutionId, unit: this.#random.pick(['BTC', 'BTC', 'USD']), cap, reason: 'as agreed' };
    return this.#ask(ask, 'WindowService', 'setDebitCap', request, caller, ['permission_denied']);
  }

  #setCreditLine(ask: Asking): Promise<string> {
    const { institutionId } = this.#random.pick(this.#clients.institutions);
    const expiresAt = this.#random.chance(0.4) ? this.#clients.in(this.#random.between(SOON_MS, LATER_MS)) : undefined;
    const amount = this.#random.chance(0.3) ? 0n : this.#sats(1, LINE_MAX);
    const line = this.#random.chance(0.5) ? { limitSats: amount } : { limit: { unit: UNIT, amount } };
    const request = liquidityV1.SetCreditLineRequest.fromPartial({
      ...{ institutionId, ...line, reason: 'as agreed' },
      ...(expiresAt !== undefined && { expiresAt }),
    });
    return this.agree(ask, 'LiquidityService', 'setCreditLine', { setCreditLine: request });
  }

  /** Mostly proposed by one operator; else tried by one alone, who may do so where it makes less possible. */
  agree(ask: Asking, api: string, method: string, change: proposalV1.Change): Promise<string> {
    const { operator } = this.#clients;
    const asked = Object.entries(change) as readonly (readonly [string, object])[];
    const [, request] = asked[0]!;
    // An answer that is lost may be asked for again when a line has come to its end.
    if (this.#random.chance(0.3)) return this.#ask(ask, api, method, request, operator, ['invalid_argument']);
    const bare = Object.fromEntries(asked.map(([name, each]) => [name, { ...each, reason: '' }]));
    const proposal = { change: bare as proposalV1.Change, reason: 'as agreed' };
    const mayBe = ['already_exists', 'invalid_argument'] as const;
    return this.#ask(ask, 'ProposalService', 'proposeChange', proposal, operator, mayBe, (response) => {
      this.#proposals.push((response as proposalV1.Proposal).proposalId);
    });
  }

  async decideProposal(ask: Asking): Promise<string> {
    if (this.#proposals.length === 0) return 'decide proposal: none is made';
    const request = { proposalId: this.#random.pick(this.#proposals), reason: 'seen' };
    const method = this.#random.chance(0.8) ? 'confirmProposal' : 'rejectProposal';
    const caller = this.#random.chance(0.9) ? this.#clients.secondOperator : this.#clients.operator;
    return this.#ask(ask, 'ProposalService', method, request, caller, ['permission_denied', 'invalid_argument']);
  }

  async #proposeBooking(ask: Asking): Promise<string> {
    const { institutionId } = this.#random.pick(this.#clients.institutions);
    const { BANK_DIRECTION_IN, BANK_DIRECTION_OUT } = exchangeV1.BankDirection;
    const request = exchangeV1.ProposeBankBookingRequest.fromPartial({
      direction: this.#random.chance(0.7) ? BANK_DIRECTION_IN : BANK_DIRECTION_OUT,
      institutionId,
      amount: { unit: UNIT, amount: this.#sats(1, CASH_MAX) },
      // Now and then somebody has booked the line already.
      statementLine: `line ${this.#random.chance(0.9) ? ++this.#lines : Math.max(1, this.#lines)}`,
      reason: 'as on the statement',
    });
    const mayBe = ['already_exists'] as const;
    return this.#ask(ask, 'CashService', 'proposeBankBooking', request, this.#clients.operator, mayBe, (response) => {
      this.#bookings.push((response as exchangeV1.BankBooking).bookingId);
    });
  }

  async #decideBooking(ask: Asking): Promise<string> {
    if (this.#bookings.length === 0) return 'decide booking: none is proposed';
    const request = { bookingId: this.#random.pick(this.#bookings), reason: 'seen' };
    const method = this.#random.chance(0.8) ? 'confirmBankBooking' : 'rejectBankBooking';
    const caller = this.#random.chance(0.9) ? this.#clients.secondOperator : this.#clients.operator;
    return this.#ask(ask, 'CashService', method, request, caller, ['permission_denied']);
  }

  #publishRate(ask: Asking): Promise<string> {
    const isReference = this.#random.chance(0.2);
    const maker = this.#random.pick(this.#clients.institutions);
    const sells = isReference || this.#random.chance(0.5);
    const [base, counter] = sells ? ([UNIT, 'BTC'] as const) : (['BTC', UNIT] as const);
    const [cents, satoshi] = [BigInt(this.#random.between(50, 80)), 1_000n];
    const request = exchangeV1.PublishRateRequest.fromPartial({
      makerInstitution: isReference ? 'platform' : maker.institutionId,
      ...{ baseUnit: base, counterUnit: counter },
      price: sells ? { numerator: satoshi, denominator: cents } : { numerator: cents, denominator: satoshi },
      validUntil: this.#clients.in(this.#random.between(SOON_MS, LATER_MS)),
      quoteSeconds: isReference ? 0 : QUOTE_SECONDS,
    });
    if (isReference) return this.agree(ask, 'ExchangeService', 'publishRate', { publishRate: request });
    return this.#ask(ask, 'ExchangeService', 'publishRate', request, maker, ['invalid_argument'], () => {
      this.#rates.push({ maker, base, counter });
    });
  }

  async #withdrawRate(ask: Asking): Promise<string> {
    if (this.#rates.length === 0) return 'withdraw rate: nobody has published one';
    const { maker, base, counter } = this.#random.pick(this.#rates);
    const request = { makerInstitution: maker.institutionId, baseUnit: base, counterUnit: counter };
    return this.#ask(ask, 'ExchangeService', 'withdrawRate', request, maker, ['not_found']);
  }

  async #requestQuote(ask: Asking): Promise<string> {
    if (this.#rates.length === 0) return 'request quote: nobody has published a rate';
    const { maker, base, counter } = this.#random.pick(this.#rates);
    const owner = this.#random.pick(this.#clients.institutions.filter((each) => each !== maker));
    const [sellUnit, buyUnit] = this.#random.chance(0.9) ? [base, counter] : [counter, base];
    const request = exchangeV1.RequestQuoteRequest.fromPartial({
      institutionId: owner.institutionId,
      makerInstitution: maker.institutionId,
      ...{ sellUnit, buyUnit, sellAmount: this.#sats(1_000, CASH_MAX) },
    });
    const mayBe = ['not_found'] as const;
    return this.#ask(ask, 'ExchangeService', 'requestQuote', request, owner, mayBe, (response) => {
      this.#quotes.push({ owner, quoteId: (response as exchangeV1.Quote).quoteId });
    });
  }

  /** At a quote: mostly one's own, and not always for the first time. */
  async #exchange(ask: Asking): Promise<string> {
    if (this.#quotes.length === 0) return 'exchange: there is no quote';
    const { owner, quoteId } = this.#random.pick(this.#quotes);
    const [stranger, to] = this.#pair();
    const from = this.#random.chance(0.9) ? owner : stranger;
    if (from === to) return 'exchange: nobody else is there';
    return this.#submit(ask, from, to, { quoteId, failOnShortage: this.#random.chance(0.5) });
  }

  #payUnits(ask: Asking): Promise<string> {
    const [from, to] = this.#pair();
    return this.#submit(ask, from, to, { amount: { unit: UNIT, amount: this.#sats(1, CASH_MAX) } });
  }

  #submit(ask: Asking, from: Client, to: Client, what: Partial<settlementV1.SubmitSettlementRequest>): Promise<string> {
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      fromInstitution: from.institutionId,
      toInstitution: to.institutionId,
      settlementMode: SETTLEMENT_MODE_CENTRALIZED,
      referenceId: 'simulation',
      ...what,
    });
    const mayBe = ['not_found', 'invalid_argument'] as const;
    return this.#ask(ask, 'SettlementService', 'submitSettlement', request, from, mayBe);
  }

  /** What nobody may ask for. */
  #nonsense(): Promise<string> {
    const [one, other] = this.#pair();
    const { operator } = this.#clients;
    const line = { institutionId: one.institutionId, reason: 'please' };
    const forAnother = { makerInstitution: other.institutionId };
    const wrong: readonly (readonly [api: string, method: string, request: object, caller: Caller])[] = [
      ['LiquidityService', 'setCreditLine', { ...line, limitSats: 1n }, one],
      ['LiquidityService', 'setCreditLine', { ...line, limitSats: -1n }, operator],
      ['PolicyService', 'setLimits', { ...line, transactions: [], windows: [] }, other],
      ['WindowService', 'closeWindow', { windowId: 'none', reason: 'cut-off' }, operator],
      ['WindowService', 'openWindow', {}, one],
      ['WindowService', 'agreeBilateralNetting', { counterpartyId: one.institutionId }, one],
      ['ExchangeService', 'publishRate', exchangeV1.PublishRateRequest.fromPartial(forAnother), one],
      ['CashService', 'confirmBankBooking', { bookingId: '00'.repeat(32), reason: 'seen' }, operator],
    ];
    const [api, method, request, caller] = this.#random.pick(wrong);
    const mayBe = ['invalid_argument', 'permission_denied', 'not_found'] as const;
    return nonsense(this.#clients, { api, method, request, caller, mayBe, what: 'nonsense' });
  }

  #ask(
    ask: Asking,
    api: string,
    method: string,
    request: object,
    caller: Caller,
    mayBe: Ask['mayBe'],
    answered?: (response: unknown) => void,
  ): Promise<string> {
    return run(this.#clients, ask, { api, method, request, caller, mayBe, what: 'dealings' }, answered);
  }

  async #windows(): Promise<readonly settlementV1.Window[]> {
    const request = { pageSize: WINDOWS_MAX, pageToken: '' };
    const listed = await this.#look<settlementV1.ListWindowsResponse>('WindowService', 'listWindows', request);
    return listed?.windows ?? [];
  }

  #look<Response>(service: string, method: string, request: object): Promise<Response | undefined> {
    return this.#clients.look<Response>(service, method, request, this.#clients.operator);
  }

  #pair(): readonly [Client, Client] {
    const { institutions } = this.#clients;
    const one = this.#random.pick(institutions);
    return [one, this.#random.pick(institutions.filter((each) => each !== one))];
  }

  #sats(min: number, max: number): bigint {
    return BigInt(this.#random.between(min, max));
  }
}
