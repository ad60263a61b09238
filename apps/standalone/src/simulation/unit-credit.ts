import { exchangeV1, liquidityV1, proposalV1, settlementV1 } from '@finality/contracts';
import { BTC } from '@finality/ledger';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Client, Clients } from './clients.ts';
import { type Asking, askOf, type Errand, run } from './errand.ts';
import { USD } from './settings.ts';

/** Cents: what somebody may owe, and what others stand for it with. */
const LINE = 3_000n;
const CONTRIBUTIONS = [200, 900] as const;
/** What a cent is worth, roughly, as long as a run takes. */
const PRICE = { numerator: 1_000n, denominator: 60n };
const LATER_MS = 12 * 3_600_000;

const { SETTLEMENT_MODE_CENTRALIZED } = settlementV1.SettlementMode;
const { PLEDGE_COLLATERAL, PLEDGE_DEFAULT_FUND } = liquidityV1.Pledge;

/** What institutions owe in another unit than BTC, and what becomes of it when they don't pay. */
export class UnitCredit {
  readonly #clients: Clients;
  readonly #random: SeededRandom;
  /** Proposed defaults that wait for the second operator. */
  readonly #declarations: string[] = [];
  /** Who owes dollars from the start. */
  #debtor?: Client;
  #lines = 0;

  constructor(clients: Clients, random: SeededRandom) {
    this.#clients = clients;
    this.#random = random;
  }

  /** One has drawn all of its line, and others have contributed. Its terms say when that is due. */
  async settle(debtor: Client, others: readonly Client[], work: () => Promise<void>): Promise<void> {
    this.#debtor = debtor;
    const must = (errand: Errand): Promise<unknown> => this.#clients.must(askOf(this.#clients, errand), work);
    const publishRate = exchangeV1.PublishRateRequest.fromPartial({
      ...{ makerInstitution: 'platform', baseUnit: USD, counterUnit: BTC, price: PRICE },
      validUntil: this.#clients.in(LATER_MS),
    });
    await this.#clients.agree(proposalV1.Change.fromPartial({ publishRate }), work);
    const limit = { unit: USD, amount: LINE };
    const setCreditLine = { institutionId: debtor.institutionId, limit };
    await this.#clients.agree(proposalV1.Change.fromPartial({ setCreditLine }), work);
    for (const other of others) {
      const amount = BigInt(this.#random.between(...CONTRIBUTIONS));
      const booked = (await must(this.#booking(other, amount))) as exchangeV1.BankBooking;
      await must(this.#confirming('CashService', 'confirmBankBooking', { bookingId: booked.bookingId }));
      await must(this.#pledge(other, PLEDGE_DEFAULT_FUND, amount));
    }
    await must(this.#payment(debtor, this.#random.pick(others), LINE));
    await work();
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 4, value: () => this.#spendAll(ask) },
      { weight: 12, value: () => this.#declare(ask) },
      { weight: 2, value: () => this.#putAside(ask) },
    ]);
    return action();
  }

  /** As much as somebody can pay now, line and all. */
  async #spendAll(ask: Asking): Promise<string> {
    const from = this.#anybody();
    const { institutionId } = from;
    type Found = liquidityV1.Liquidity;
    const found = await this.#clients.look<Found>('LiquidityService', 'getLiquidity', { institutionId }, from);
    const spendable = found?.units.find(({ unit }) => unit === USD)?.spendable ?? 0n;
    if (spendable <= 0n) return `spend all dollars: ${institutionId} has none`;
    const to = this.#random.pick(this.#clients.institutions.filter((each) => each !== from));
    return run(this.#clients, ask, this.#payment(from, to, spendable));
  }

  /** One operator says that somebody won't pay, and another one that it is so: mostly too early, or of whoever owes nothing. */
  #declare(ask: Asking): Promise<string> {
    const proposalId = this.#declarations.shift();
    if (proposalId !== undefined)
      return run(this.#clients, ask, this.#confirming('ProposalService', 'confirmProposal', { proposalId }));
    const { institutionId } = this.#random.chance(0.8) ? (this.#debtor ?? this.#anybody()) : this.#anybody();
    const request = { change: { declareDefault: { institutionId, unit: USD } }, reason: 'asked them' };
    const errand: Errand = {
      ...{ api: 'ProposalService', method: 'proposeChange', request, caller: this.#clients.operator },
      ...{ mayBe: ['already_exists'], what: `default of ${institutionId}` },
    };
    return run(this.#clients, ask, errand, (proposed) =>
      this.#declarations.push((proposed as proposalV1.Proposal).proposalId),
    );
  }

  #putAside(ask: Asking): Promise<string> {
    const pledge = this.#random.pick([PLEDGE_COLLATERAL, PLEDGE_DEFAULT_FUND]);
    return run(
      this.#clients,
      ask,
      this.#pledge(this.#anybody(), pledge, BigInt(this.#random.between(...CONTRIBUTIONS))),
    );
  }

  #payment(from: Client, { institutionId: toInstitution }: Client, amount: bigint): Errand {
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      ...{ fromInstitution: from.institutionId, toInstitution, settlementMode: SETTLEMENT_MODE_CENTRALIZED },
      ...{ amount: { unit: USD, amount }, referenceId: 'dollars' },
    });
    return { api: 'SettlementService', method: 'submitSettlement', request, caller: from, what: `${amount} ${USD}` };
  }

  #booking({ institutionId }: Client, amount: bigint): Errand {
    const line = { statementLine: `fund ${++this.#lines}`, reason: 'as on the statement' };
    const request = { ...line, direction: exchangeV1.BankDirection.BANK_DIRECTION_IN, institutionId };
    const { operator: caller } = this.#clients;
    const what = `for ${institutionId}`;
    return {
      ...{ api: 'CashService', method: 'proposeBankBooking', caller, what },
      request: { ...request, amount: { unit: USD, amount } },
    };
  }

  /** The second operator's. */
  #confirming(api: string, method: string, which: object): Errand {
    const caller = this.#clients.secondOperator;
    return { api, method, request: { ...which, reason: 'seen' }, caller, mayBe: ['not_found'], what: 'seen' };
  }

  #pledge(client: Client, pledge: liquidityV1.Pledge, amount: bigint): Errand {
    const { institutionId } = client;
    const request = { institutionId, pledge, amountSats: 0n, amount: { unit: USD, amount } };
    const what = `pledge ${pledge} of ${institutionId} in ${USD}`;
    return { api: 'CollateralService', method: 'postCollateral', request, caller: client, what };
  }

  #anybody(): Client {
    return this.#random.pick(this.#clients.institutions);
  }
}
