import { liquidityV1, type proposalV1, settlementV1 } from '@finality/contracts';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Client, Clients } from './clients.ts';
import type { Dealings } from './dealings.ts';
import { type Asking, askOf, type Errand, nonsense, run } from './errand.ts';
import { LARGE_SETTLEMENT_SATS, USD } from './settings.ts';
import { UnitCredit } from './unit-credit.ts';

/** Satoshi. */
const LINE_MIN = 200_000;
const LINE_MAX = 700_000;
const PLEDGE_MAX = 400_000;
const LEVEL_MAX = 2_000_000;
/** Nobody has as much. */
const FORTUNE_SATS = 50_000_000_000n;
const HAIRCUTS_BPS = [undefined, undefined, 0, 1_500, 9_000];
/** From the close of a window on: within what a run goes through, mostly. */
const DUE_AFTER_SECONDS = [15, 60, 120, undefined];
/** In another unit, before somebody may say that it won't be paid. */
const GRACE_SECONDS = 20;
/** What the debtor of a seed has given away before anything goes wrong: of 4,500,000. */
const GIVEN_AWAY = [1_450_000n, 1_450_000n, 1_300_000n];

const { SETTLEMENT_MODE_CENTRALIZED } = settlementV1.SettlementMode;
const { SETTLEMENT_STATUS_QUEUED } = settlementV1.SettlementStatus;
const { SETTLEMENT_PRIORITY_NORMAL, SETTLEMENT_PRIORITY_HIGH, SETTLEMENT_PRIORITY_URGENT } =
  settlementV1.SettlementPriority;
const PRIORITIES = [SETTLEMENT_PRIORITY_NORMAL, SETTLEMENT_PRIORITY_HIGH, SETTLEMENT_PRIORITY_URGENT];
const { PLEDGE_COLLATERAL, PLEDGE_DEFAULT_FUND } = liquidityV1.Pledge;

/** What institutions owe beyond what they have: lines and what they rest on, debts that fall due, and defaults. */
export class Credit {
  readonly #clients: Clients;
  readonly #dealings: Dealings;
  readonly #random: SeededRandom;
  readonly #units: UnitCredit;

  constructor(clients: Clients, dealings: Dealings, random: SeededRandom) {
    this.#units = new UnitCredit(clients, random.fork('units'));
    this.#clients = clients;
    this.#dealings = dealings;
    this.#random = random;
  }

  /** Before anything goes wrong: one has little left and a line, what it draws falls due, and the others stand for it. */
  async settle(work: () => Promise<void>): Promise<void> {
    const debtor = this.#random.pick(this.#clients.institutions);
    const others = this.#clients.institutions.filter((each) => each !== debtor);
    const must = (errand: Errand): Promise<unknown> => this.#clients.must(askOf(this.#clients, errand), work);
    const { operator } = this.#clients;
    await must({ api: 'WindowService', method: 'openWindow', request: {}, caller: operator, what: 'the first' });
    await this.#clients.agree(this.#line(debtor, this.#sats(LINE_MIN, LINE_MAX), ''), work);
    await must(this.#errand('setCreditTerms', this.#terms(debtor, DUE_AFTER_SECONDS[this.#random.below(3)])));
    for (const other of others)
      if (this.#random.chance(0.7)) await must(this.#pledge('postCollateral', other, PLEDGE_DEFAULT_FUND));
    for (const pledge of [PLEDGE_COLLATERAL, PLEDGE_DEFAULT_FUND])
      if (this.#random.chance(0.4)) await must(this.#pledge('postCollateral', debtor, pledge));
    for (const amountSats of GIVEN_AWAY) {
      const { institutionId } = this.#random.pick(others);
      const given = this.#clients.submission(debtor, institutionId, SETTLEMENT_MODE_CENTRALIZED, amountSats);
      await this.#clients.must(given, work);
    }
    await this.#units.settle(debtor, others, work);
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 10, value: () => this.#spendAll(ask) },
      { weight: 8, value: () => this.#dealings.closeWindow(ask) },
      { weight: 5, value: () => this.#run(ask, this.#pledge('postCollateral', this.#anybody(), this.#kind())) },
      { weight: 4, value: () => this.#release(ask) },
      { weight: 4, value: () => this.#agree(ask, this.#terms(this.#anybody(), this.#random.pick(DUE_AFTER_SECONDS))) },
      { weight: 4, value: () => this.#agree(ask, this.#line(this.#anybody(), this.#sats(0, LINE_MAX))) },
      { weight: 5, value: () => this.#dealings.decideProposal(ask) },
      { weight: 2, value: () => this.#setAlerts(ask) },
      { weight: 3, value: () => this.#reprioritize(ask) },
      { weight: 3, value: () => this.#look() },
      { weight: 4, value: () => this.#nonsense() },
      { weight: 12, value: () => this.#units.act(ask) },
    ]);
    return action();
  }

  /** As much as somebody can pay now, line and all, or nearly. */
  async #spendAll(ask: Asking): Promise<string> {
    const from = this.#anybody();
    const { institutionId } = from;
    const has = await this.#clients.look<liquidityV1.Liquidity>(
      'LiquidityService',
      'getLiquidity',
      { institutionId },
      from,
    );
    const amountSats = least(has?.spendableSats ?? 0n, LARGE_SETTLEMENT_SATS - 1n);
    if (amountSats <= 0n) return `spend all: ${institutionId} has nothing left`;
    const to = this.#random.pick(this.#clients.institutions.filter((each) => each !== from));
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      fromInstitution: institutionId,
      toInstitution: to.institutionId,
      // Now and then more than there is: it waits.
      amountSats: amountSats + (this.#random.chance(0.2) ? this.#sats(1, LINE_MAX) : 0n),
      settlementMode: SETTLEMENT_MODE_CENTRALIZED,
      referenceId: 'all there is',
      priority: this.#random.pick(PRIORITIES),
    });
    return this.#run(ask, {
      api: 'SettlementService',
      method: 'submitSettlement',
      request,
      caller: from,
      what: institutionId,
    });
  }

  /** Collateral by who has put it aside; a contribution by two operators. */
  #release(ask: Asking): Promise<string> {
    const errand = this.#pledge('releaseCollateral', this.#anybody(), this.#kind());
    if (this.#random.chance(0.6)) return this.#run(ask, { ...errand, mayBe: ['permission_denied'] });
    const releaseCollateral = liquidityV1.ReleaseCollateralRequest.fromPartial(errand.request);
    return this.#agree(ask, { releaseCollateral });
  }

  #agree(ask: Asking, change: proposalV1.Change): Promise<string> {
    const [name] = Object.keys(change);
    const api = name === 'setCreditLine' ? 'LiquidityService' : 'CollateralService';
    return this.#dealings.agree(ask, api, name!, change);
  }

  #setAlerts(ask: Asking): Promise<string> {
    const client = this.#anybody();
    const { institutionId } = client;
    const warnBelow = this.#sats(1, LEVEL_MAX);
    const alerts = { warnBelow, criticalBelow: warnBelow / 2n };
    const request = { institutionId, alerts: this.#random.chance(0.8) ? alerts : undefined, unit: '' };
    return this.#run(ask, {
      api: 'LiquidityService',
      method: 'setLiquidityAlerts',
      request,
      caller: client,
      what: institutionId,
    });
  }

  /** Mostly one that waits. */
  #reprioritize(ask: Asking): Promise<string> {
    const queued = this.#clients.lastTold(SETTLEMENT_STATUS_QUEUED);
    const ids = queued.length > 0 ? queued : [...this.#clients.told.keys()];
    if (ids.length === 0) return Promise.resolve('reprioritize: no settlement yet');
    const settlementId = this.#random.pick(ids);
    const caller = this.#random.pick([this.#clients.operator, ...this.#clients.institutions]);
    const request = { settlementId, priority: this.#random.pick(PRIORITIES) };
    const mayBe = ['permission_denied', 'not_found'] as const;
    const errand = { api: 'LiquidityService', method: 'reprioritizeSettlement', request, caller, mayBe };
    return this.#run(ask, { ...errand, what: settlementId });
  }

  /** Each at what is its own, and those who run the platform at defaults. */
  async #look(): Promise<string> {
    const { operator } = this.#clients;
    const client = this.#anybody();
    const { institutionId } = client;
    await this.#clients.look('CollateralService', 'getCollateral', { institutionId }, client);
    const listed = await this.#clients.look<liquidityV1.ListDefaultsResponse>(
      'DefaultService',
      'listDefaults',
      { pageSize: 0, pageToken: '' },
      operator,
    );
    const [last] = listed?.defaults ?? [];
    if (last === undefined) return `look at what ${institutionId} owes: there is no default`;
    const { defaultId } = last;
    await this.#clients.look<liquidityV1.Default>('DefaultService', 'getDefault', { defaultId }, operator);
    return `look at default ${defaultId}`;
  }

  /** What nobody may ask for. */
  #nonsense(): Promise<string> {
    const [one, other] = [this.#anybody(), this.#anybody()];
    const { operator } = this.#clients;
    const post = this.#pledge('postCollateral', one, PLEDGE_COLLATERAL);
    const much = { ...post, request: { ...post.request, amountSats: FORTUNE_SATS } };
    const wrong: readonly Errand[] = [
      much,
      { ...much, method: 'releaseCollateral' },
      { ...post, request: { ...post.request, amountSats: 0n } },
      { ...post, request: { ...post.request, pledge: liquidityV1.Pledge.PLEDGE_UNSPECIFIED } },
      { ...post, caller: operator },
      { ...this.#errand('setCreditTerms', this.#terms(other, 60)), caller: one },
      this.#errand('setCreditTerms', this.#terms(other, 0)),
      { ...this.#errand('setCreditLine', this.#line(other, 1n)), caller: other },
      this.#errand('setCreditLine', this.#line(other, FORTUNE_SATS)),
    ];
    const mayBe = ['invalid_argument', 'permission_denied'] as const;
    return nonsense(this.#clients, { ...this.#random.pick(wrong), mayBe, what: 'nonsense' });
  }

  #pledge(method: 'postCollateral' | 'releaseCollateral', client: Client, pledge: liquidityV1.Pledge): Errand {
    const { institutionId } = client;
    const request = { institutionId, pledge, amountSats: this.#sats(1, PLEDGE_MAX) };
    return { api: 'CollateralService', method, request, caller: client, what: `pledge ${pledge} of ${institutionId}` };
  }

  #line({ institutionId }: Client, limitSats: bigint, reason = 'as agreed'): proposalV1.Change {
    return { setCreditLine: liquidityV1.SetCreditLineRequest.fromPartial({ institutionId, limitSats, reason }) };
  }

  #terms({ institutionId }: Client, dueAfterSeconds: number | undefined): proposalV1.Change {
    const haircutBps = this.#random.pick(HAIRCUTS_BPS);
    const terms = {
      ...{ institutionId, reason: 'as agreed' },
      ...(haircutBps !== undefined && { haircutBps }),
      ...(dueAfterSeconds !== undefined && { dueAfterSeconds }),
      unitTerms: [
        { unit: USD, ...(dueAfterSeconds !== undefined && { dueAfterSeconds }), graceSeconds: GRACE_SECONDS },
      ],
    };
    return { setCreditTerms: liquidityV1.SetCreditTermsRequest.fromPartial(terms) };
  }

  /** One operator alone. */
  #errand(method: 'setCreditTerms' | 'setCreditLine', change: proposalV1.Change): Errand {
    const api = method === 'setCreditLine' ? 'LiquidityService' : 'CollateralService';
    return { api, method, request: change[method]!, caller: this.#clients.operator, what: 'alone' };
  }

  #run(ask: Asking, errand: Errand): Promise<string> {
    return run(this.#clients, ask, errand);
  }

  #kind(): liquidityV1.Pledge {
    return this.#random.pick([PLEDGE_COLLATERAL, PLEDGE_DEFAULT_FUND]);
  }

  #anybody(): Client {
    return this.#random.pick(this.#clients.institutions);
  }

  #sats(min: number, max: number): bigint {
    return BigInt(this.#random.between(min, max));
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
