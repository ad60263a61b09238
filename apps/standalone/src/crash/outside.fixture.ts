import { parseAddress, type ScriptHex } from '@finality/bitcoin';
import { connectNode, type RegtestNode } from '@finality/bitcoin-node';
import { addressV1, type ledgerV1, settlementV1 } from '@finality/contracts';
import { RegtestWallet } from '@finality/chain-simulator';
import { type Runtime, unwrap } from '@finality/kernel';
import { refusalOf } from '@finality/service';
import { minerWallet } from '../chain.ts';
import { type Clients, connectClients } from '../clients.ts';
import { agree, newKey } from '../operators.ts';
import { patiently, until } from '../demo/wait.ts';
import type { PlatformAccess } from './platform-process.fixture.ts';

const { SettlementStatus, SettlementMode } = settlementV1;
const { AddressPurpose, ScriptType } = addressV1;

export const INSTITUTIONS = ['bank-a', 'bank-b'] as const;
export type InstitutionId = (typeof INSTITUTIONS)[number];

const SCRIPT_TYPES = { 'bank-a': ScriptType.SCRIPT_TYPE_WPKH, 'bank-b': ScriptType.SCRIPT_TYPE_TR };
const CLEARING_SATS = 50_000_000n;
const COIN_SATS = 3_000_000n;
/** Every payout in flight holds coins until it is final. */
const COINS_PER_WALLET_DEFAULT = 16;
/** Deposits that come in while others settle. */
const LATE_DEPOSITS = 8;
const LATE_DEPOSIT_SATS = 500_000n;
/** No two orders are of the same amount. */
const AMOUNT_SATS_MIN = 10_000;
const AMOUNT_STEP_SATS = 1_000;
const SETTLED_MS_MAX = 240_000;
const FEE_SATS = 20_000n;
const MATURITY_BLOCKS = 100;
const BLOCKS_PER_CALL = 20;
const CREDITED_MS_MAX = 120_000;
const BLOCK_EVERY_MS = 200;
const PAGE = 1_000;

/** A settlement that an institution wants, whether or not it has ever got an answer. */
export interface Order {
  readonly key: string;
  readonly from: InstitutionId;
  readonly to: InstitutionId;
  readonly amountSats: bigint;
  readonly mode: settlementV1.SettlementMode;
  /** Once an answer has come. */
  settlementId?: string;
}

interface Deposit {
  readonly script: ScriptHex;
  readonly valueSats: bigint;
}

/** Connections to one incarnation of the platform. */
interface Contact {
  readonly node: RegtestNode;
  readonly operator: Clients;
  readonly second: Clients;
  readonly banks: ReadonlyMap<InstitutionId, Clients>;
  isOver: boolean;
}

/**
 * Everybody outside: two institutions, a miner, and those who pay in. They survive the platform's crashes and remember what they were
 * answered; a call that a crash cut off is repeated with the same key.
 */
export class Outside {
  readonly orders: Order[] = [];
  /** Every output that was paid in. */
  readonly deposits: Deposit[] = [];
  /** An answer that contradicts an earlier one. */
  readonly contradictions: string[] = [];
  readonly #runtime: Runtime;
  readonly #coinsPerWallet: number;
  readonly #keys = new Map<InstitutionId, string>();
  readonly #miner: RegtestWallet = minerWallet();
  #late: { readonly raw: Uint8Array; readonly deposit: Deposit }[] = [];
  #contact: Contact | undefined;

  constructor(runtime: Runtime, coinsPerWallet = COINS_PER_WALLET_DEFAULT) {
    this.#runtime = runtime;
    this.#coinsPerWallet = coinsPerWallet;
  }

  get node(): RegtestNode {
    return this.#here.node;
  }

  get operator(): Clients {
    return this.#here.operator;
  }

  async meet({ grpc: address, bitcoinRpc, operatorKeys }: PlatformAccess): Promise<void> {
    const runtime = this.#runtime;
    const node = await connectNode({ ...bitcoinRpc, network: 'regtest', runtime });
    const [operator, second] = operatorKeys.map((apiKey) => connectClients({ address, apiKey, runtime })) as [
      Clients,
      Clients,
    ];
    const banks = [...this.#keys].map(
      ([id, apiKey]) => [id, connectClients({ address, apiKey, runtime })] as [InstitutionId, Clients],
    );
    this.#contact = { node, operator, second, banks: new Map(banks), isOver: false };
  }

  /** From now on it is no surprise that calls fail. */
  expectEnd(): void {
    if (this.#contact) this.#contact.isOver = true;
  }

  leave(): void {
    this.expectEnd();
    this.#contact?.node.close();
    for (const clients of [this.#contact?.operator, this.#contact?.second, ...(this.#contact?.banks.values() ?? [])])
      clients?.close();
  }

  /** Institutions, wallets, and money on all of them, credited; further deposits are signed and kept for later. */
  async prepare(greeting: PlatformAccess): Promise<void> {
    for (const id of INSTITUTIONS) await this.#introduce(id);
    this.leave();
    await this.meet(greeting);
    const { CLEARING, WALLET } = PURPOSES;
    const coins = Array.from({ length: this.#coinsPerWallet }, (_, i) => `coin ${i}`);
    const first = await Promise.all(
      INSTITUTIONS.flatMap((id) => [
        this.#depositTo(id, CLEARING, 'clearing', CLEARING_SATS),
        ...coins.map((label) => this.#depositTo(id, WALLET, label, COIN_SATS)),
      ]),
    );
    const late = await Promise.all(
      Array.from({ length: LATE_DEPOSITS }, (_, i) => {
        const purpose = i % 4 < 2 ? WALLET : CLEARING;
        return this.#depositTo(INSTITUTIONS[i % 2]!, purpose, `late ${i}`, LATE_DEPOSIT_SATS + BigInt(i));
      }),
    );
    await this.#mineMature(LATE_DEPOSITS + 1);
    const funding = this.#miner.pay(first, { feeSats: FEE_SATS });
    this.#late = late.map((deposit) => ({ raw: this.#miner.pay([deposit], { feeSats: FEE_SATS }).raw, deposit }));
    await this.node.sendRawTransaction(funding.raw);
    this.deposits.push(...first);
    const expectedSats = sum(first.map(({ valueSats }) => valueSats));
    await this.mineUntil('the deposits are credited', CREDITED_MS_MAX, async () => {
      return sum((await this.balances()).map(({ available }) => available)) === expectedSats;
    });
  }

  get answered(): readonly Order[] {
    return this.orders.filter(({ settlementId }) => settlementId !== undefined);
  }

  get unanswered(): readonly Order[] {
    return this.orders.filter(({ settlementId }) => settlementId === undefined);
  }

  /** A new one, not submitted yet. */
  order(mode: settlementV1.SettlementMode, random: () => number): Order {
    const number = this.orders.length;
    const payer = random() < 0.5 ? 0 : 1;
    const made: Order = {
      key: `order ${number}`,
      from: INSTITUTIONS[payer],
      to: INSTITUTIONS[1 - payer]!,
      amountSats: BigInt(AMOUNT_SATS_MIN + number * AMOUNT_STEP_SATS + Math.floor(random() * AMOUNT_STEP_SATS)),
      mode,
    };
    this.orders.push(made);
    return made;
  }

  /** Whatever was cut off is asked for again, and blocks are mined until all settlements have ended and all deposits are credited. */
  async settleDown(): Promise<void> {
    const unfinished = new Set(this.orders);
    let feesSats = 0n;
    await this.mineUntil('all settlements have ended', SETTLED_MS_MAX, async () => {
      await this.depositLate();
      for (const order of unfinished) {
        if (order.settlementId === undefined) await this.submit(order);
        const settlement = order.settlementId === undefined ? undefined : await this.settlementOf(order);
        if (settlement === undefined || !hasEnded(settlement)) continue;
        feesSats += settlement.feeSats;
        unfinished.delete(order);
      }
      return unfinished.size === 0 && this.#late.length === 0;
    });
    const expectedSats = sum(this.deposits.map(({ valueSats }) => valueSats)) - feesSats;
    await this.mineUntil('all that was paid in is available', CREDITED_MS_MAX, async () => {
      return sum((await this.balances()).map(({ available }) => available)) === expectedSats;
    });
  }

  /** Asks for the settlement, again if need be. A call that isn't answered because the platform ends leaves the order as it was. */
  async submit(order: Order): Promise<void> {
    const contact = this.#here;
    try {
      const { settlementId } = await contact.banks.get(order.from)!.settlements.submitSettlement({
        idempotencyKey: order.key,
        fromInstitution: order.from,
        toInstitution: order.to,
        amountSats: order.amountSats,
        settlementMode: order.mode,
        referenceId: order.key,
      });
      if (order.settlementId !== undefined && order.settlementId !== settlementId) {
        this.contradictions.push(`${order.key} was ${order.settlementId} and is now ${settlementId}`);
      }
      order.settlementId = settlementId;
    } catch (error) {
      if (!contact.isOver && refusalOf(error)?.retryable !== true) throw error;
    }
  }

  /** The next of the deposits that were kept for later; its transaction is sent again and again, as wallets do. */
  async depositLate(): Promise<void> {
    const contact = this.#here;
    const next = this.#late[0];
    if (next === undefined) return;
    try {
      const answer = await contact.node.sendRawTransaction(next.raw);
      if (answer.kind === 'unknown') return;
      if (answer.kind === 'rejected') throw new Error(`a deposit was rejected: ${JSON.stringify(answer)}`);
      this.#late.shift();
      this.deposits.push(next.deposit);
    } catch (error) {
      if (!contact.isOver) throw error;
    }
  }

  /** A block, unless the platform ends meanwhile. */
  async mine(): Promise<void> {
    const contact = this.#here;
    try {
      await contact.node.mine(1, this.#miner.address);
    } catch (error) {
      if (!contact.isOver) throw error;
    }
  }

  /** The last block is replaced by two others. Cut off half-way, the chain is a block shorter until somebody mines. */
  async reorganise(): Promise<void> {
    const contact = this.#here;
    try {
      await contact.node.invalidateBlock((await contact.node.chainInfo()).bestBlockHash);
      await contact.node.mine(2, this.#miner.address);
    } catch (error) {
      if (!contact.isOver) throw error;
    }
  }

  /** A block every {@link BLOCK_EVERY_MS} until it is so. */
  async mineUntil(what: string, timeoutMs: number, ask: () => Promise<boolean>): Promise<void> {
    const stopping = new AbortController().signal;
    let minedAt = this.#runtime.monotonicMs();
    await until(what, { runtime: this.#runtime, timeoutMs, stopping }, async () => {
      if (await ask()) return true;
      if (this.#runtime.monotonicMs() - minedAt < BLOCK_EVERY_MS) return undefined;
      await this.mine();
      minedAt = this.#runtime.monotonicMs();
      return undefined;
    });
  }

  /** As its payer sees it. */
  settlementOf({ from, settlementId }: Order): Promise<settlementV1.Settlement> {
    const { settlements } = this.#here.banks.get(from)!;
    return patiently(this.#runtime, () => settlements.getSettlement({ settlementId: settlementId! }));
  }

  /** Of all claims. */
  async balances(): Promise<ledgerV1.ClaimBalance[]> {
    const answers = INSTITUTIONS.map((institutionId) =>
      patiently(this.#runtime, () => this.operator.ledger.getBalances({ institutionId })),
    );
    return (await Promise.all(answers)).flatMap(({ balances }) => balances);
  }

  /** Every address issued to an institution. */
  async addresses(): Promise<addressV1.Address[]> {
    const found: addressV1.Address[] = [];
    for (const institutionId of INSTITUTIONS) {
      let pageToken = '';
      do {
        const page = await this.operator.addresses.listAddresses(
          addressV1.ListAddressesRequest.fromPartial({ institutionId, pageSize: PAGE, pageToken }),
        );
        found.push(...page.addresses);
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
    }
    return found;
  }

  get #here(): Contact {
    if (this.#contact === undefined) throw new Error('the platform was never up');
    return this.#contact;
  }

  async #introduce(id: InstitutionId): Promise<void> {
    const { institutions, addresses } = this.operator;
    // What has just started compares its store with the signer's journal first.
    await patiently(this.#runtime, () =>
      institutions.createInstitution({
        idempotencyKey: `create ${id}`,
        institutionId: id,
        name: id,
        creditLineSats: 0n,
      }),
    );
    // Of an answer that a crash has swallowed nobody knows the key: another one is issued.
    const { keyId, apiKey, change } = newKey(this.#runtime, id, '');
    await agree([this.operator, this.#here.second], change, `key ${keyId}`);
    this.#keys.set(id, apiKey);
    await patiently(this.#runtime, () =>
      addresses.registerWallet({
        idempotencyKey: `wallet ${id}`,
        institutionId: id,
        custodial: { scriptType: SCRIPT_TYPES[id] },
        descriptors: undefined,
        birthdayHeight: 0,
      }),
    );
  }

  async #depositTo(
    institutionId: InstitutionId,
    purpose: addressV1.AddressPurpose,
    label: string,
    valueSats: bigint,
  ): Promise<Deposit> {
    const request = { idempotencyKey: label, institutionId, purpose, label, walletId: '', externalId: '' };
    const { address } = await patiently(this.#runtime, () =>
      this.#here.banks.get(institutionId)!.addresses.issueAddress(request),
    );
    return { script: unwrap(parseAddress(address, 'regtest')), valueSats };
  }

  /** So many coins that can be spent. */
  async #mineMature(coins: number): Promise<void> {
    const blocks = MATURITY_BLOCKS + coins;
    for (let mined = 0; mined < blocks; mined += BLOCKS_PER_CALL) {
      await this.node.mine(Math.min(BLOCKS_PER_CALL, blocks - mined), this.#miner.address);
    }
    await this.#miner.sync(this.node);
  }
}

const PURPOSES = {
  CLEARING: AddressPurpose.ADDRESS_PURPOSE_CLEARING,
  WALLET: AddressPurpose.ADDRESS_PURPOSE_WALLET,
};

export const MODES = [
  SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
  SettlementMode.SETTLEMENT_MODE_BILATERAL,
  SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN,
] as const;

const ENDS: ReadonlySet<settlementV1.SettlementStatus> = new Set([
  SettlementStatus.SETTLEMENT_STATUS_SETTLED,
  SettlementStatus.SETTLEMENT_STATUS_REJECTED,
  SettlementStatus.SETTLEMENT_STATUS_FAILED,
  SettlementStatus.SETTLEMENT_STATUS_CANCELLED,
  SettlementStatus.SETTLEMENT_STATUS_EXPIRED,
  SettlementStatus.SETTLEMENT_STATUS_REVERSED,
]);

/** Nothing more will happen to it, a deep reorg aside. */
export const hasEnded = ({ status }: settlementV1.Settlement): boolean => ENDS.has(status);

export const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);
