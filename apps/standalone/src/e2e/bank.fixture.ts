import { addressV1, type institutionV1, type ledgerV1, settlementV1 } from '@finality/contracts';
import type { Api } from './api.fixture.ts';
import type { E2e } from './e2e.fixture.ts';
import { patiently, until } from './wait.fixture.ts';

const { AddressPurpose } = addressV1;
const { DepositStatus, FeePayer, SettlementMode, SettlementStatus } = settlementV1;

export type Settlement = settlementV1.Settlement;
export type Deposit = settlementV1.DepositChanged;
export type Mode = 'CENTRALIZED' | 'BILATERAL' | 'BLOCKCHAIN';
export type Balance = Omit<ledgerV1.ClaimBalance, 'claim' | 'unit'>;

export interface Order {
  readonly to: Bank;
  readonly amountSats: bigint;
  readonly mode: Mode;
  readonly key?: string;
  readonly reference?: string;
  /** Of the payee. */
  readonly destinationId?: string;
  readonly feePayer?: 'PAYER' | 'PAYEE' | 'SHARED';
}

export const NOTHING: Balance = { available: 0n, reserved: 0n, inFlight: 0n, incoming: 0n, held: 0n };

let keys = 0;
/** An idempotency key of its own. */
export const freshKey = (): string => `e2e-${++keys}`;

/** An institution with an API key, and a custodial wallet unless it wants none. */
export class Bank {
  readonly id: string;
  readonly apiKey: string;
  readonly keyId: string;
  readonly api: Api;
  readonly wallet: addressV1.Wallet | undefined;
  readonly #e2e: E2e;

  constructor(
    e2e: E2e,
    { id, apiKey, keyId, wallet }: { id: string; apiKey: string; keyId: string; wallet: addressV1.Wallet | undefined },
  ) {
    this.#e2e = e2e;
    this.id = id;
    this.apiKey = apiKey;
    this.keyId = keyId;
    this.wallet = wallet;
    this.api = e2e.api(apiKey);
  }

  get walletClaim(): string {
    return `wallet:${this.wallet?.walletId}`;
  }

  async address(claim: 'clearing' | 'wallet'): Promise<string> {
    return (await this.issued(claim)).address;
  }

  issued(claim: 'clearing' | 'wallet'): Promise<addressV1.Address> {
    const purpose =
      claim === 'clearing' ? AddressPurpose.ADDRESS_PURPOSE_CLEARING : AddressPurpose.ADDRESS_PURPOSE_WALLET;
    const request = {
      idempotencyKey: freshKey(),
      institutionId: this.id,
      purpose,
      label: 'e2e',
      walletId: '',
      externalId: '',
    };
    return patiently(() => this.api.addresses.issueAddress(request));
  }

  /** Paid in, confirmed and credited. @returns the outpoints */
  async fund(deposits: {
    readonly clearing?: readonly bigint[];
    readonly wallet?: readonly bigint[];
  }): Promise<string[]> {
    const payIns = [];
    for (const claim of ['clearing', 'wallet'] as const)
      for (const valueSats of deposits[claim] ?? []) payIns.push({ address: await this.address(claim), valueSats });
    const { outpoints } = await this.#e2e.outside.payIn(...payIns);
    await this.#e2e.outside.mine(3);
    for (const outpoint of outpoints) await this.deposit(outpoint, 'CREDITED');
    return [...outpoints];
  }

  async deposits(): Promise<readonly Deposit[]> {
    return (await this.api.settlements.listDeposits({ pageSize: 1_000, pageToken: '' })).deposits;
  }

  /** The deposit, once it has this status. */
  async deposit(outpoint: string, status: DepositStatusName, timeoutMs?: number): Promise<Deposit> {
    const found = await until(
      `deposit ${outpoint} of ${this.id} is ${status}`,
      async () => (await this.deposits()).find((deposit) => deposit.outpoint === outpoint),
      (deposit) => deposit?.status === DepositStatus[`DEPOSIT_STATUS_${status}`],
      timeoutMs,
    );
    return found!;
  }

  submit(order: Order): Promise<Settlement> {
    const { to, amountSats, mode, key = freshKey(), reference = '', feePayer = 'PAYER', destinationId } = order;
    return this.api.settlements.submitSettlement({
      idempotencyKey: key,
      fromInstitution: this.id,
      toInstitution: to.id,
      amountSats,
      settlementMode: SettlementMode[`SETTLEMENT_MODE_${mode}`],
      referenceId: reference,
      ...(destinationId !== undefined && { destinationId }),
      feePayer: FeePayer[`FEE_PAYER_${feePayer}`],
    });
  }

  get(settlementId: string): Promise<Settlement> {
    return this.api.settlements.getSettlement({ settlementId });
  }

  /** The settlement, once it has this status (and so many confirmations). */
  settlement(
    settlementId: string,
    status: StatusName,
    confirmations?: number,
    timeoutMs?: number,
  ): Promise<Settlement> {
    const depth = confirmations === undefined ? '' : ` with ${confirmations} confirmations`;
    return until(
      `settlement ${settlementId} of ${this.id} is ${status}${depth}`,
      () => this.get(settlementId),
      (settlement) =>
        settlement.status === SettlementStatus[`SETTLEMENT_STATUS_${status}`] &&
        (confirmations === undefined || settlement.confirmations === confirmations),
      timeoutMs,
    );
  }

  /** Under way on the chain: its transaction is in the node's mempool. */
  async executing(settlementId: string): Promise<Settlement & { txid: string }> {
    const settlement = await this.settlement(settlementId, 'EXECUTING');
    const { txid = '' } = settlement;
    await this.#e2e.outside.inMempool(txid);
    return { ...settlement, txid };
  }

  /** Another transaction than this one is to pay it. */
  async replaced(settlementId: string, before: string): Promise<Settlement & { txid: string }> {
    const settlement = await until(
      `settlement ${settlementId} of ${this.id} is paid by another transaction`,
      () => this.get(settlementId),
      ({ txid }) => txid !== undefined && txid !== before,
    );
    return { ...settlement, txid: settlement.txid! };
  }

  /** Submitted, and mined until it is settled. */
  async settle(order: Order): Promise<Settlement> {
    const { settlementId } = await this.submit(order);
    if (order.mode === 'CENTRALIZED') return this.settlement(settlementId, 'SETTLED');
    const { confirmationsRequired } = await this.executing(settlementId);
    await this.#e2e.outside.mine(confirmationsRequired);
    return this.settlement(settlementId, 'SETTLED');
  }

  async balances(): Promise<ReadonlyMap<string, Balance>> {
    const { balances } = await this.api.ledger.getBalances({ institutionId: this.id });
    return new Map(balances.map(({ claim, unit: _said, ...amounts }) => [claim, amounts]));
  }

  async balance(claim: 'clearing' | 'wallet'): Promise<Balance> {
    const balances = await this.balances();
    return balances.get(claim === 'clearing' ? 'clearing' : this.walletClaim)!;
  }

  /** All that it has in any way, in all claims. */
  async total(): Promise<bigint> {
    return [...(await this.balances()).values()]
      .flatMap((amounts) => Object.values(amounts))
      .reduce((total: bigint, amount) => total + (amount ?? 0n), 0n);
  }

  async entries(claim: string): Promise<readonly ledgerV1.Entry[]> {
    const entries: ledgerV1.Entry[] = [];
    let pageToken = '';
    do {
      const page = await this.api.ledger.listEntries({ institutionId: this.id, claim, pageSize: 5, pageToken });
      entries.push(...page.entries);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return entries;
  }

  institution(): Promise<institutionV1.Institution> {
    return this.#e2e.operator.institutions.getInstitution({ institutionId: this.id });
  }
}

type Suffix<Name extends string, Prefix extends string> = Name extends `${Prefix}${infer Rest}` ? Rest : never;
export type StatusName = Exclude<Suffix<keyof typeof SettlementStatus, 'SETTLEMENT_STATUS_'>, 'UNSPECIFIED'>;
export type DepositStatusName = Exclude<Suffix<keyof typeof DepositStatus, 'DEPOSIT_STATUS_'>, 'UNSPECIFIED'>;

/** `SETTLED` */
export const statusOf = ({ status }: { readonly status: settlementV1.SettlementStatus }): string =>
  settlementV1.settlementStatusToJSON(status).replace('SETTLEMENT_STATUS_', '');

/** The states that it has been in, oldest first. */
export const lifeOf = ({ transitions }: Settlement): readonly string[] => transitions.map(statusOf);
