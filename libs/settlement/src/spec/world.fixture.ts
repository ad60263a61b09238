import { feeRate, type FeeTerms, type OutpointKey, type ScriptHex } from '@finality/bitcoin';
import { assert, type Instant, type Principal, type Sats, sats } from '@finality/kernel';
import type { Money } from '@finality/ledger';
import type { ChainFact } from '../chain-fact.ts';
import type { AddressRecord, WalletRecord } from '../coin.ts';
import type { DestinationPlace } from '../destination.ts';
import { latest, type LineagePlan, offered, type OfferedVersion } from '../lineage.ts';
import { headLineageId } from '../process/anchor-head.ts';
import type { Reversal } from '../process/reverse.ts';
import type { Priority } from '../queue.ts';
import type { SettlementPolicy } from '../policy.ts';
import { type Assessment, living, type Mode, type Recommendation, type Terms } from '../settlement.ts';
import { apply, type Command } from './commands.fixture.ts';
import { firstKey, MemoryBook } from './memory-book.fixture.ts';
import {
  CREDIT_LINES,
  INSTITUTIONS,
  OPERATORS,
  LISTED_WALLET,
  WALLETS,
  headHashOf,
  scriptOf,
  walletCalled,
} from './parties.fixture.ts';
import { WorldWatcher } from './world-watcher.fixture.ts';
import { type Chain, type WorldBlock, WorldChain, type WorldOutput, type WorldTx } from './world-chain.fixture.ts';

/** A command as it was given, and the one that must have been committed before anybody could give it. */
export interface Told {
  readonly command: Command;
  readonly after?: number;
  readonly at: Instant;
  /** The reason, when it was. */
  readonly refused: string | undefined;
}

/** What a submission may leave out. */
interface Ordered {
  readonly feeBearer?: FeeTerms['bearer'];
  readonly destinationId?: string;
  readonly priority?: Priority;
  readonly executeAt?: Instant;
  readonly expiresAt?: Instant;
  readonly paid?: Money;
  readonly quoteId?: string;
  readonly failOnShortage?: boolean;
}

export interface ConsumedChain {
  readonly chain: Pick<Chain, 'blocks' | 'tip' | 'known' | 'confirmed'>;
  /** By script: the wallet. */
  readonly watched: ReadonlyMap<ScriptHex, string>;
}

export interface Place extends Omit<AddressRecord, 'purpose'> {
  readonly purpose: AddressRecord['purpose'];
  watched: boolean;
}

const OPERATOR: Principal = { keyId: 'operator', roles: ['operator'] };

/**
 * Everybody around the settlement service, in one place: outsiders who pay, double-spend and steal; miners; the chain-watcher; screening;
 * whoever issues addresses and signs. Each step tells the service something, which decides on a book in memory.
 */
export class World {
  readonly book: MemoryBook;
  readonly chain: Chain;
  readonly told: Told[] = [];
  readonly places: Place[] = [];
  /** Addresses that are issued, and whose notice is still on its way. */
  readonly notices: AddressRecord[] = [];
  /** Where each payee and each change goes: asked for again, the same. */
  readonly #issued = new Map<string, Place>();
  /** What had to happen before a transaction of ours could be seen anywhere. */
  readonly #signed = new Map<string, string>();
  protected readonly watcher: WorldWatcher;
  readonly #causes = new Map<string, number>();
  #logged = 0;
  #submitted = 0;
  #elsewhere = 0;

  /** Wallets that are there, and whose notice is still on its way. */
  readonly walletNotices: WalletRecord[] = [];

  constructor(
    policy: SettlementPolicy,
    late: readonly string[] = [],
    book = new MemoryBook(policy),
    chain: Chain = new WorldChain(),
  ) {
    this.book = book;
    this.chain = chain;
    this.watcher = new WorldWatcher({ lookUp: (txs) => chain.lookUp(txs) });
    for (const keyId of OPERATORS) this.tell({ type: 'register_first_key', key: firstKey(keyId) });
    for (const institutionId of INSTITUTIONS) {
      const institution = { institutionId, name: institutionId, creditLineSats: CREDIT_LINES[institutionId]! };
      this.tell({ type: 'create_institution', institution });
    }
    for (const wallet of WALLETS) {
      if (late.includes(wallet.walletId)) this.walletNotices.push(wallet);
      else this.tell({ type: 'wallet_changed', wallet });
    }
    for (const institutionId of INSTITUTIONS) {
      const script = institutionId === 'c' ? this.place('w-b', 'b', 'wallet').script : this.elsewhere();
      this.#list(destinationIdOf(institutionId), institutionId, { kind: 'script', script, address: `to ${script}` });
    }
    this.#list(LISTED_WALLET.destinationId, LISTED_WALLET.institutionId, LISTED_WALLET.place);
  }

  /** Everybody has a destination outside; one of them turns out to be a script of a wallet here, which nobody has issued. */
  #list(destinationId: string, institutionId: string, place: DestinationPlace): void {
    const destination = { destinationId, institutionId, place, status: 'listed', usableAt: 0 as Instant } as const;
    this.tell({ type: 'destination_changed', destination });
  }

  /** The signer has it on its list no more. */
  refuseDestination(lineageId: string, settlementId: string): void {
    const rule = 'DESTINATION_REMOVED';
    this.tell({ type: 'destination_refused', lineageId, settlementId, rule }, `lineage/${lineageId}`);
  }

  /** Gives the service a command, now; remembers it, and the latest of the events that led to it. */
  tell(command: Command, ...causes: readonly string[]): string | undefined {
    const index = this.told.length;
    const after = causes.map((cause) => {
      const found = this.#causes.get(cause);
      assert(found !== undefined, `nothing is known of ${cause}`);
      return found;
    });
    // What a default takes back is what had been committed before.
    if (command.type === 'collect') after.push(index - 1);
    const before = this.book.log.length;
    const refused = apply(this.book, command);
    this.told.push({ command, at: this.book.now, refused, ...(after.length > 0 ? { after: Math.max(...after) } : {}) });
    assert(refused === undefined || this.book.log.length === before, 'a refusal left events behind');
    for (const { stream, event } of this.book.log.slice(this.#logged)) {
      if (!this.#causes.has(stream)) this.#causes.set(stream, index);
      this.#causes.set(`${stream} ${event.type}`, index);
    }
    this.#logged = this.book.log.length;
    return refused;
  }

  facts(facts: readonly ChainFact[]): void {
    for (const fact of facts) {
      const txid = 'txid' in fact ? fact.txid : 'transaction' in fact ? fact.transaction.txid : '';
      // Only what was signed, and stored as such, ever reaches a node.
      const signed = this.#signed.get(txid);
      this.tell({ type: 'chain_fact', fact }, ...(signed === undefined ? [] : [signed]));
    }
  }

  /** A script of the next index; watched at once, or by a rescan later. */
  place(walletId: string, institutionId: string, purpose: AddressRecord['purpose'], watched = true): Place {
    const branch = purpose === 'change' ? 1 : 0;
    const index = this.nextIndex(walletId, branch);
    const script = scriptOf(walletCalled(walletId), branch, index);
    const place = {
      script,
      address: `to ${script}`,
      walletId,
      institutionId,
      purpose,
      branch,
      index,
      watched,
    } as const;
    this.places.push(place);
    if (watched) this.watcher.watch(script, walletId, branch, index, walletCalled(walletId).custodial);
    return place;
  }

  /** Of a wallet's branch; whoever issues addresses gives none twice. */
  protected nextIndex(_walletId: string, _branch: 0 | 1): number {
    return this.places.length;
  }

  /** The chain as far as the service has been told of it, and the scripts that it was watched for. */
  get consumed(): ConsumedChain {
    const watched = this.places.filter((place) => place.watched);
    return { chain: this.chain, watched: new Map(watched.map(({ script, walletId }) => [script, walletId])) };
  }

  /** The notice of an address arrives: at once, or when it likes. */
  announce(place: Place, late: boolean): void {
    const { watched: _watched, ...address } = place;
    if (late) this.notices.push(address);
    else this.tell({ type: 'address_issued', address });
  }

  pay(spends: readonly OutpointKey[], outputs: readonly WorldOutput[], coinbase = false): WorldTx {
    return this.chain.pay(spends, outputs, coinbase);
  }

  /** An outsider's script. */
  elsewhere(): ScriptHex {
    this.#elsewhere += 1;
    return this.chain.elsewhere(this.#elsewhere);
  }

  mine(choose: (tx: WorldTx) => boolean, unseen: readonly WorldTx[] = []): void {
    this.facts(this.watcher.connected(this.chain.mine(choose, unseen)));
  }

  reorg(depth: number, keep: (tx: WorldTx) => boolean): void {
    this.facts(this.watcher.disconnected(this.chain.disconnect(depth, keep)));
  }

  /** The second node has our tip, or has gone over to another branch than this block's. */
  agree(): void {
    const { height, hash } = this.chain.tip;
    if (this.chain.blocks.length > 0) this.facts([{ kind: 'block_agreed', block: { height, hash } }]);
  }

  dispute({ height, hash }: WorldBlock): void {
    this.facts([{ kind: 'block_disputed', block: { height, hash } }]);
  }

  poll(evicting: boolean): void {
    this.facts(this.watcher.polled([...this.chain.mempool.values()]));
    if (evicting) this.facts(this.watcher.missing(this.chain.mempool));
  }

  /** Scripts that weren't watched are, from the first block on. */
  rescan(): void {
    const late = this.places.filter((place) => !place.watched);
    if (late.length === 0) return;
    this.watchLate(late);
    for (const block of this.chain.blocks) this.facts(this.watcher.rescanned(block));
  }

  protected watchLate(places: readonly Place[]): void {
    for (const place of places) {
      place.watched = true;
      const { custodial } = walletCalled(place.walletId);
      this.watcher.watch(place.script, place.walletId, place.branch, place.index, custodial);
    }
  }

  submit(
    mode: Mode,
    from: string,
    to: string,
    amountSats: bigint,
    { feeBearer = 'payer', ...more }: Ordered = {},
  ): string {
    this.#submitted += 1;
    const settlementId = `s-${this.#submitted}`;
    const submission = {
      settlementId,
      from,
      to,
      amountSats: amountSats as Sats,
      mode,
      feeBearer,
      referenceId: '',
      idempotencyKey: `key of ${settlementId}`,
      submittedBy: 'k',
      ...more,
    };
    this.tell({ type: 'submit', submission }, ...this.#known(`quote/${more.quoteId}`));
    return settlementId;
  }

  /** The payee pays it back, or a part of it; an exchange as a whole. @returns the reversal's id */
  reverse(reverses: string, amount: bigint, mode?: Mode, more: Ordered = {}): string {
    const { terms, settledTimes } = living(this.book.settlements.get(reverses));
    this.#submitted += 1;
    const settlementId = `s-${this.#submitted}`;
    const reversal = {
      settlementId,
      reverses,
      from: terms.to,
      to: terms.from,
      ...backOf(terms, amount),
      mode: mode ?? terms.mode,
      feeBearer: 'payer' as const,
      referenceId: '',
      idempotencyKey: `key of ${settlementId}`,
      submittedBy: 'k',
      ...more,
    };
    const cause = `settlement/${reverses}${settledTimes > 0 ? ' settlement_settled' : ''}`;
    this.tell({ type: 'reverse', reversal }, cause);
    return settlementId;
  }

  screen(subject: 'settlement' | 'deposit', id: string, by: 'risk' | 'aml', recommendation: Recommendation): void {
    const assessment: Assessment = { recommendation, rulesVersion: '1', reason: recommendation };
    this.tell({ type: 'verdict', subject, id, by, assessment }, `${subject}/${id}`);
  }

  review(settlementId: string, decision: 'approve' | 'reject'): void {
    const review = { settlementId, decision, reason: 'because', reviewer: 'compliance' };
    this.tell({ type: 'review', review }, `settlement/${settlementId}`);
  }

  reviewDeposit(outpoint: string, decision: 'approve' | 'reject'): void {
    const review = { outpoint, decision, reason: 'because', reviewer: 'compliance' };
    this.tell({ type: 'review_deposit', review }, `deposit/${outpoint}`);
  }

  withdraw(settlementId: string, how: 'cancel' | 'expire' | 'fall_due' | 'retry_reservation'): void {
    const cause = `settlement/${settlementId}`;
    if (how === 'cancel') this.tell({ type: how, settlementId, reason: 'because', caller: OPERATOR }, cause);
    else this.tell({ type: how, settlementId }, cause);
  }

  /** Somebody has found these to pay for each other. */
  offset(settlementIds: readonly string[]): void {
    const request = { gridlockId: `g-${this.told.length}`, settlementIds };
    const causes = settlementIds.map((id) => `settlement/${id} liquidity_awaited`);
    this.tell({ type: 'resolve_gridlock', request }, ...causes);
  }

  reprioritize(settlementId: string, priority: Priority): void {
    const cause = `settlement/${settlementId}`;
    this.tell({ type: 'reprioritize', settlementId, priority, caller: OPERATOR }, cause);
  }

  assign(plan: LineagePlan, late: boolean): void {
    const { lineageId, version } = plan;
    const cause = `lineage/${lineageId} ${version === 1 ? 'lineage_planned' : 'version_planned'}`;
    const payees = plan.payouts.map(({ settlementId, payee, payeeInstitutionId }) => {
      if (payee.kind === 'destination') return [settlementId, payee] as const;
      const place = this.#issue(`${settlementId}:payee`, late, [payee.walletId, payeeInstitutionId, 'settlement']);
      return [settlementId, destinationOf(place)] as const;
    });
    const change = this.#issue(`${lineageId}:change`, late, [plan.walletId, plan.institutionId, 'change']);
    const destinations = { payees: Object.fromEntries(payees), change: destinationOf(change) };
    this.tell({ type: 'destinations_assigned', lineageId, version, destinations }, cause);
  }

  #issue(key: string, late: boolean, of: readonly [string, string, AddressRecord['purpose']]): Place {
    const known = this.#issued.get(key);
    if (known !== undefined) return known;
    const place = this.place(...of);
    this.#issued.set(key, place);
    this.announce(place, late);
    return place;
  }

  /** The last version, once it was offered; from then on somebody may broadcast it. */
  sign(lineageId: string): void {
    const last = this.#latest(lineageId);
    const { version } = last;
    const command = { type: 'transaction_signed', lineageId, version, signedHex: 'ab' } as const;
    this.tell(command, `lineage/${lineageId} version_offered`);
    this.becomesBroadcastable(last, `lineage/${lineageId} version_signed`);
  }

  /** The payer asks for what he is to sign. */
  prepare(settlementId: string): string | undefined {
    const cause = `settlement/${settlementId}`;
    return this.tell({ type: 'prepare_psbt', settlementId, caller: OPERATOR }, cause);
  }

  /** The payer signs a version that was handed out, with one key of those it needs, or with all. */
  cosign(settlementId: string, lineageId: string, number: number, whole: boolean): string | undefined {
    const version = offered(this.book.lineages.get(lineageId)).versions[number - 1]!;
    const after = version.signatures?.revision ?? 0;
    const isWhole = whole || after > 0;
    const psbt = `${version.signatures?.psbt ?? 'psbt'}+${isWhole ? 'all' : 'one'}`;
    const signed = { version: number, after, psbt, missing: isWhole ? 0 : 1 };
    const added = isWhole ? { ...signed, signedHex: 'ab' } : signed;
    const offeredBy = `lineage/${lineageId} version_offered`;
    return this.tell(
      { type: 'add_signatures', settlementId, added, caller: OPERATOR },
      `settlement/${settlementId}`,
      offeredBy,
    );
  }

  /** Whoever has the keys signs it, and tells us or not. */
  ownersSign(lineageId: string, number: number): void {
    const version = offered(this.book.lineages.get(lineageId)).versions[number - 1]!;
    this.becomesBroadcastable(version, `lineage/${lineageId} version_offered`);
  }

  /** @param since what had to be recorded before */
  protected becomesBroadcastable(version: OfferedVersion, since = ''): void {
    const { txid } = version;
    if (this.chain.known.has(txid)) return;
    if (since !== '') this.#signed.set(txid, since);
    this.chain.learn(version);
  }

  refuseToSign(lineageId: string, rule: string): void {
    const { version } = this.#latest(lineageId);
    this.tell({ type: 'signing_refused', lineageId, version, rule }, `lineage/${lineageId} version_offered`);
  }

  #latest(lineageId: string): OfferedVersion {
    return latest(offered(this.book.lineages.get(lineageId)));
  }

  /** The operator has looked at everything that is open. */
  confirmIncidents(): void {
    for (const { incidentId } of this.book.tip.get().incidents)
      this.tell({ type: 'confirm_incident', incidentId, reason: 'looked at', caller: OPERATOR });
  }

  /** Somebody asks for the coins that a lineage keeps for nothing. */
  proposeRelease(lineageId: string, by = 'operator'): string | undefined {
    const request = { lineageId, by, reason: 'it is over' };
    return this.tell({ type: 'release_coins', request }, `lineage/${lineageId}`);
  }

  confirmRelease(lineageId: string, by = 'operator-2'): string | undefined {
    const request = { lineageId, by, reason: 'it is' };
    return this.tell({ type: 'confirm_release', request }, `lineage/${lineageId}`);
  }

  /** The signer has heard of it. */
  coinsReleased(lineageId: string): void {
    this.tell({ type: 'coins_released', lineageId }, `lineage/${lineageId} release_confirmed`);
  }

  /** Somebody knows whose money in suspense is. */
  proposeResolution(outpoint: string, institutionId: string, by = 'operator'): string | undefined {
    const request = { outpoint, institutionId, by, reason: 'it is theirs', evidence: 'case 1' };
    return this.tell({ type: 'resolve_suspense', request }, ...this.#known(`deposit/${outpoint}`));
  }

  confirmResolution(outpoint: string, by = 'operator-2'): string | undefined {
    const request = { outpoint, by, reason: 'it is' };
    return this.tell({ type: 'confirm_resolution', request }, ...this.#known(`deposit/${outpoint}`));
  }

  #known(cause: string): readonly string[] {
    return this.#causes.has(cause) ? [cause] : [];
  }

  bump(settlementId: string, satsPerKvb: bigint): string | undefined {
    const command = { type: 'bump', settlementId, feeRate: feeRate(satsPerKvb), caller: OPERATOR } as const;
    const isThere = this.book.settlements.get(settlementId).status !== 'none';
    return this.tell(command, ...(isThere ? [`settlement/${settlementId}`] : []));
  }

  /** Somebody looks whether a wallet has too many small coins. */
  consolidate(walletId: string, institutionId: string): string {
    this.#submitted += 1;
    const lineageId = `c-${this.#submitted}`;
    this.tell({ type: 'consolidate', request: { lineageId, walletId, institutionId } });
    return lineageId;
  }

  /** A head of the ledger is to be written into the chain. */
  anchorHead(): string {
    this.#submitted += 1;
    const head = { epoch: 1, segment: this.#submitted, hash: headHashOf(this.#submitted) };
    this.tell({ type: 'anchor_head', request: { head, walletId: 'pool' } });
    return headLineageId(head);
  }

  /** What is signed of it goes to the nodes, the last version last. */
  broadcast(lineageId: string): void {
    for (const { txid } of offered(this.book.lineages.get(lineageId)).versions) {
      const tx = this.chain.known.get(txid);
      if (tx !== undefined && this.chain.accept(tx)) this.facts(this.watcher.broadcast(tx.txid, lineageId));
    }
  }
}

function backOf({ units }: Terms, amount: bigint): Pick<Reversal, 'amountSats' | 'paid' | 'quoteId'> {
  if (units?.exchange !== undefined) return { amountSats: sats(0n), quoteId: units.exchange.quoteId };
  if (units !== undefined) return { amountSats: sats(0n), paid: { unit: units.paid.unit, amount } };
  return { amountSats: amount as Sats };
}

export const destinationIdOf = (institutionId: string): string => `d-${institutionId}`;

const destinationOf = ({ walletId, script, branch, index }: Place) => ({ walletId, script, branch, index });
