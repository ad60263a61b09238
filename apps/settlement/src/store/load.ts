import type { Batch, Session, StoreCommand } from '@finality/event-store';
import {
  type AccountId,
  availableAccount,
  ccpAccount,
  type Claim,
  CLAIM_PARTS,
  claimAccount,
  claimPath,
  custodyAccount,
  networkFeesAccount,
  settlementSuspenseAccount,
  type TransferId,
  transitAccount,
  walletSuspenseAccount,
} from '@finality/ledger';
import { loadLedger, RecentLedger } from '@finality/ledger-store';
import {
  type Coin,
  coinTransferIds,
  contendersFor,
  consolidationReservationId,
  depositTransferIds,
  childIdOf,
  clearingAccounts,
  type FoundLine,
  identityOf,
  inputsOf,
  type OfferedLineage,
  lineageTransferIds,
  ORIGINS_MAX,
  payingWalletId,
  platformBears,
  PositionBook,
  type SettlementPolicy,
  settlementsOf,
  settlementTransferIds,
  unwindingIdOf,
  versionsDiffer,
  type WindowPosition,
} from '@finality/settlement';
import { loadCoins } from '../projections/coins.ts';
import { loadMaturities } from '../projections/maturities.ts';
import { loadAddresses, loadDestinations, loadWallets } from '../projections/registry.ts';
import { loadPositions } from '../projections/windows.ts';
import { BatchBook, type Loaded } from './batch-book.ts';
import { cappedIn, loadCapped } from './capped.ts';
import type { SettlementCommand } from './commands.ts';
import { loadDepositOutpoints } from './deposit-places.ts';
import { limitLending } from './lending.ts';
import { Needs } from './needs.ts';
import { streamsOf } from './needed-streams.ts';
import { tipHeight } from './tip-height.ts';
import { depositStream, lineageStream, settlementStream } from './streams.ts';
import { linesOf, linesWith, OPEN, type OpenRow } from './open.sql.ts';
import { loadWaiting } from './waiting.ts';

/**
 * Reads what a batch of commands concerns, in a fixed number of round trips however many commands there are; those that only the chain needs
 * are left out when no command has to do with it.
 */
export async function loadBook(
  session: Session,
  commands: readonly StoreCommand<SettlementCommand>[],
  batch: Batch,
  policy: SettlementPolicy,
): Promise<BatchBook> {
  const needs = Needs.of(commands);
  if (needs.agreed) needs.dueHeight = Math.max(needs.dueHeight, await tipHeight(session));
  const maturities = await loadMaturities(session, needs.dueHeight);
  for (const { kind, id } of maturities) {
    if (kind === 'settlement') needs.settlements.add(id);
    else if (kind === 'lineage' || kind === 'bump') needs.lineages.add(id);
    else {
      needs.deposits.add(id);
      needs.outpoints.add(id);
    }
    if (kind === 'bump') needs.bumping.lineages.add(id);
  }
  const versions = await loadVersions(session, needs);
  const depositOutpoints = await loadDepositOutpoints(session, needs);
  const addresses = await loadAddresses(session, needs.scripts);
  for (const address of addresses) needs.addressOf(address);
  const destinations = await loadDestinations(session, needs.destinations);
  for (const { place } of destinations) if (place.kind === 'wallet') needs.wallets.add(place.walletId);
  const states = new States(session, batch, needs);
  await states.load();
  const { wallets, listings } = await loadWallets(session, needs.wallets, needs.walletsOf);
  const coins = await states.loadCoins(wallets.map((wallet) => wallet.walletId));
  const { accounts, transfers } = ledgerNeeds(batch, needs, states.loadedCoins, [
    // The chain may know of a wallet before its issuer's notice arrives here: nothing is promised between topics.
    ...needs.wallets,
    ...wallets.map((wallet) => wallet.walletId),
  ]);
  const ledger = await loadLedger(session, { accounts, transfers }, recentLedger(batch));
  await limitLending(session, ledger.view, needs.credit, policy);
  const loaded: Loaded = {
    ledger,
    coins,
    wallets,
    addresses,
    destinations,
    listings,
    capped: await loadCapped(session, cappedIn(batch, needs, policy)),
    versions: new Map([...versions, ...states.origins]),
    depositOutpoints,
    maturities,
    open: states.openLineages,
    lines: states.lines,
    waitingPayouts: states.waitingPayouts,
    waiting: await loadWaiting(session, needs),
    credit: needs.credit,
    positions: new PositionBook(needs.windows.closing, states.positions),
  };
  return new BatchBook(batch, policy, loaded);
}

/** Nothing but a batch with events changes the ledger. */
export function recentLedger({ memory }: Batch): RecentLedger {
  const known = memory.get(RecentLedger) as RecentLedger | undefined;
  const recent = known ?? new RecentLedger();
  if (!known) memory.set(RecentLedger, recent);
  return recent;
}

async function loadVersions(session: Session, needs: Needs): Promise<ReadonlyMap<string, string>> {
  if (needs.txids.size === 0) return new Map();
  const rows = await session.query<{ txid: string; lineage_id: string }>(
    'SELECT txid, lineage_id FROM lineage_versions WHERE txid = ANY($1::text[])',
    [[...needs.txids]],
  );
  for (const row of rows) needs.lineages.add(row.lineage_id);
  return new Map(rows.map((row) => [row.txid, row.lineage_id]));
}

/** Whether one of its versions, or the next, may win without what another pays. */
const mayLeaveOver = ({ versions, next }: OfferedLineage): boolean =>
  versionsDiffer(next === undefined ? versions : [...versions, next]);

/** Of one institution: more than a version takes along. */
const WAITING_MAX = 50;

/** Follows what the first states name: a coin its lineage, a lineage its settlement and coins, all of them their institutions. */
class States {
  loadedCoins: readonly Coin[] = [];
  /** Lineages that a payout which may reserve could join. */
  openLineages: readonly string[] = [];
  /** Lines that a settlement which may reserve could join, or be in. */
  lines: readonly FoundLine[] = [];
  /** Payouts that the next version of a lineage may pay, too. */
  waitingPayouts: readonly string[] = [];
  /** Of windows that may close. */
  positions: readonly WindowPosition[] = [];
  /** Transactions of ours that made coins of lineages whose coins are to be released, with their lineages. */
  readonly origins = new Map<string, string>();
  readonly #session: Session;
  readonly #batch: Batch;
  readonly #needs: Needs;

  constructor(session: Session, batch: Batch, needs: Needs) {
    this.#session = session;
    this.#batch = batch;
    this.#needs = needs;
  }

  async load(): Promise<void> {
    const needs = this.#needs;
    if (needs.chain) {
      // A coin that a fact spends, or a deposit that falls, may be claimed by a lineage.
      const touched = await loadCoins(this.#session, { outpoints: needs.outpoints, txids: needs.txids, freeOf: [] });
      for (const coin of touched) {
        for (const lineageId of contendersFor(coin)) needs.lineages.add(lineageId);
        // What its owner spends is taken from where it counts.
        if (!coin.custodial) needs.deposits.add(coin.outpoint);
      }
    }
    if (needs.dueHeight >= 0) await this.#loadHeirs();
    await this.#loadStreams();
    if (needs.followProposals(this.#batch)) await this.#loadStreams();
    for (const id of needs.exchange.follow(this.#batch)) needs.institutions.add(id);
    needs.windows.follow(this.#batch);
    await this.#followCollecting();
    await this.#loadOrigins();
    this.#followSettlements();
    if (needs.reserving.size > 0 || needs.credit.collecting.size > 0 || needs.allPlanned) await this.#loadOpen();
    await this.#loadStreams();
    await this.#followClosing();
    this.#followLineages();
    await this.#loadStreams();
    await this.#loadWaiting();
    await this.#loadStreams();
    this.#followSettlements();
    await this.#loadStreams();
    // Lineages that a payout was in before.
    this.#followLineages();
    await this.#loadStreams();
    this.#followSettlements();
    for (const id of needs.deposits) {
      const deposit = this.#batch.state(depositStream, id);
      if (deposit.status === 'none') continue;
      if (deposit.beneficiary.kind === 'institution') needs.institutions.add(deposit.beneficiary.institutionId);
      if (!needs.resolving.has(id)) continue;
      needs.wallets.add(deposit.terms.walletId);
      if (deposit.resolution === undefined) continue;
      needs.institutions.add(deposit.resolution.institutionId);
      needs.clearing.add(deposit.resolution.institutionId);
    }
    await this.#loadStreams();
  }

  /** A window that closes pays its participants out as they have chosen: those who have positions, or may get one in this batch. */
  async #followClosing(): Promise<void> {
    const needs = this.#needs;
    const { closing, payoutsOf } = needs.windows;
    if (closing.size === 0) return;
    this.positions = await loadPositions(this.#session, closing);
    for (const { institutionId } of this.positions) payoutsOf.add(institutionId);
    needs.windows.partiesOf(this.#batch, needs.settlements);
    needs.credit.closing(payoutsOf);
    await this.#loadStreams();
    for (const institutionId of needs.credit.debtors(this.#batch, this.positions)) {
      needs.institutions.add(institutionId);
      needs.clearing.add(institutionId);
    }
    for (const { institutionId, walletIds, settlementIds } of needs.windows.payouts(this.#batch)) {
      needs.chain = true;
      needs.institutions.add(institutionId);
      needs.clearing.add(institutionId);
      needs.payers.add(institutionId);
      for (const walletId of walletIds) needs.wallets.add(walletId);
      for (const settlementId of settlementIds) needs.settlements.add(settlementId);
    }
  }

  /** What somebody owes is due: the windows, and the default that it may be, or is. */
  async #followCollecting(): Promise<void> {
    const { credit, windows, settlements, reversing } = this.#needs;
    if (credit.collecting.size === 0) return;
    for (const windowId of credit.follow(this.#batch)) windows.ids.add(windowId);
    await this.#loadStreams();
    for (const windowId of await credit.loadDefaults(this.#session, this.#batch)) windows.ids.add(windowId);
    for (const [defaultId, candidates] of credit.unwindable) {
      for (const { settlementId } of candidates) {
        settlements.add(settlementId).add(unwindingIdOf(defaultId, settlementId));
        reversing.add(settlementId);
      }
    }
    await this.#loadStreams();
  }

  #followLineages(): void {
    const needs = this.#needs;
    for (const id of [...needs.lineages]) {
      const lineage = this.#batch.state(lineageStream, id);
      for (const settlementId of settlementsOf(lineage)) needs.settlements.add(settlementId);
      for (const { outpoint } of inputsOf(lineage)) needs.outpoints.add(outpoint);
      if (lineage.status === 'none') continue;
      const { walletId, institutionId, parent } = identityOf(lineage);
      needs.wallets.add(walletId);
      needs.institutions.add(institutionId);
      if (parent !== undefined) needs.lineages.add(parent.lineageId);
      if (!('versions' in lineage)) continue;
      if (needs.bumping.lineages.has(id))
        for (const { version } of lineage.versions) needs.lineages.add(childIdOf(id, version));
      for (const { outpoint } of lineage.versions.flatMap(({ outputs }) => outputs)) needs.outpoints.add(outpoint);
      // What a version leaves over is paid by a lineage that has its id from one of the payouts.
      if (mayLeaveOver(lineage)) for (const settlementId of settlementsOf(lineage)) needs.lineages.add(settlementId);
    }
  }

  /** A block may show a lineage to be dead: those that need its outputs, or the outputs of those, die with it. */
  async #loadHeirs(): Promise<void> {
    const { lineages } = this.#needs;
    if (lineages.size === 0) return;
    const rows = await this.#session.query<{ lineage_id: string }>(
      `WITH RECURSIVE heirs AS (
         SELECT lineage_id FROM unnest($1::text[]) AS due(lineage_id)
         UNION
         SELECT heir.lineage_id FROM heirs h JOIN lineage_versions v ON v.lineage_id = h.lineage_id
           JOIN coins c ON c.txid = v.txid CROSS JOIN unnest(array_append(string_to_array(c.former_claims, ' '), c.claimed_by)) AS heir (lineage_id)
           WHERE heir.lineage_id IS NOT NULL)
       SELECT lineage_id FROM heirs`,
      [[...lineages]],
    );
    for (const row of rows) lineages.add(row.lineage_id);
  }

  /** What made the coins of lineages whose coins are to be released, what made the coins of that, and so on: few, and rarely wanted. */
  async #loadOrigins(): Promise<void> {
    const needs = this.#needs;
    let lineageIds: readonly string[] = [...needs.releasing];
    for (let steps = 0; lineageIds.length > 0 && steps < ORIGINS_MAX; steps++) {
      const outpoints = lineageIds.flatMap((id) =>
        inputsOf(this.#batch.state(lineageStream, id)).map(({ outpoint }) => outpoint),
      );
      for (const outpoint of outpoints) needs.deposits.add(outpoint);
      const rows = await this.#session.query<{ txid: string; lineage_id: string }>(
        'SELECT txid, lineage_id FROM lineage_versions WHERE txid = ANY($1::text[])',
        [outpoints.map((outpoint) => outpoint.slice(0, outpoint.indexOf(':')))],
      );
      for (const row of rows) this.origins.set(row.txid, row.lineage_id);
      lineageIds = [...new Set(rows.map((row) => row.lineage_id))].filter((id) => !needs.releasing.has(id));
      for (const id of lineageIds) needs.lineages.add(id);
      for (const id of lineageIds) needs.releasing.add(id);
      await this.#loadStreams();
    }
  }

  /** What payers that may reserve have under way, and in line for what they may pay in: one question for both. */
  async #loadOpen(): Promise<void> {
    const { reserving, retrying, allPlanned, lineages, settlements, lineMax, credit } = this.#needs;
    const collecting = credit.lines(this.#batch);
    const lines = [...new Set([...linesWith(this.#batch, reserving), ...collecting])];
    const rows = await this.#session.query<OpenRow>(OPEN, [[...this.#payersOf(reserving)], allPlanned, lines, lineMax]);
    this.openLineages = rows.filter(({ line }) => line === null).map(({ id }) => id);
    for (const id of this.openLineages) lineages.add(id);
    this.lines = linesOf(lines, rows, lineMax);
    const retried = new Set([...linesWith(this.#batch, retrying), ...collecting]);
    for (const { line, first } of this.lines)
      if (retried.has(line)) for (const { settlementId } of first) settlements.add(settlementId);
  }

  /** Whoever's transactions may be replaced, and what waits for coins of theirs. */
  async #loadWaiting(): Promise<void> {
    const { bumping, settlements } = this.#needs;
    const walletIds = this.#bumpingWallets();
    if (bumping.settlements.size + bumping.lineages.size === 0 || walletIds.size === 0) return;
    const rows = await this.#session.query<{ settlement_id: string }>(
      `SELECT settlement_id FROM (
         SELECT settlement_id, updated_position, row_number() OVER (PARTITION BY payer_claim ORDER BY updated_position) AS place
         FROM settlements WHERE payer_claim = ANY($1::text[]) AND status = 'queued' AND mode = 'bilateral') waiting
       WHERE place <= ${WAITING_MAX} ORDER BY updated_position`,
      [[...walletIds].map((walletId) => claimPath({ kind: 'wallet', walletId }))],
    );
    this.waitingPayouts = rows.map((row) => row.settlement_id);
    for (const id of this.waitingPayouts) settlements.add(id);
  }

  #bumpingWallets(): Set<string> {
    const { bumping } = this.#needs;
    const walletIds = new Set(this.#payersOf(bumping.settlements));
    for (const id of bumping.lineages) {
      const lineage = this.#batch.state(lineageStream, id);
      if ('versions' in lineage) walletIds.add(lineage.walletId);
    }
    return walletIds;
  }

  #payersOf(settlementIds: Iterable<string>): ReadonlySet<string> {
    const walletIds = new Set<string>();
    for (const id of settlementIds) {
      const settlement = this.#batch.state(settlementStream, id);
      const walletId = settlement.status === 'none' ? undefined : payingWalletId(settlement.terms);
      if (walletId !== undefined) walletIds.add(walletId);
    }
    return walletIds;
  }

  /** Coins of all that was found, and the free ones of payers that may reserve. */
  async loadCoins(walletIds: readonly string[]): Promise<readonly Coin[]> {
    const needs = this.#needs;
    const freeOf = new Set([...this.#payersOf(needs.reserving), ...this.#bumpingWallets()]);
    for (const walletId of [...needs.consolidating.wallets, ...needs.anchoring]) freeOf.add(walletId);
    for (const id of needs.lineages) {
      const lineage = this.#batch.state(lineageStream, id);
      if ('versions' in lineage && mayLeaveOver(lineage)) freeOf.add(lineage.walletId);
    }
    // A submission looks at what it would spend.
    if (needs.walletsOf.size > 0) for (const walletId of [...walletIds, ...needs.announced]) freeOf.add(walletId);
    this.loadedCoins = await loadCoins(this.#session, { outpoints: needs.outpoints, txids: needs.txids, freeOf });
    return this.loadedCoins;
  }

  #followSettlements(): void {
    const needs = this.#needs;
    for (const id of [...needs.settlements]) {
      const settlement = this.#batch.state(settlementStream, id);
      if (settlement.status === 'none') continue;
      const { payee, from, to, netPayout } = settlement.terms;
      if (netPayout !== undefined) needs.windows.ids.add(netPayout.windowId);
      if (needs.beginning.has(id)) needs.institutions.add(from).add(to);
      // It may begin, or end.
      if (needs.beginning.has(id) || settlement.counted !== undefined) needs.payers.add(from);
      if (needs.reversing.has(id)) for (const reversal of settlement.reversals) needs.settlements.add(reversal);
      const walletId = payingWalletId(settlement.terms);
      if (walletId === undefined || payee.kind === 'clearing') continue;
      needs.chain = true;
      needs.wallets.add(walletId);
      if (payee.kind === 'wallet') needs.wallets.add(payee.walletId);
      needs.institutions.add(from).add(to);
      // Its lineage goes by its id, and may be made in this batch.
      if (needs.reserving.has(id)) needs.lineages.add(id);
      if ('lineageId' in settlement && settlement.lineageId !== undefined) needs.lineages.add(settlement.lineageId);
      if (!('payout' in settlement) || settlement.payout === undefined) continue;
      needs.lineages.add(settlement.payout.lineageId);
      if (needs.bumping.settlements.has(id)) needs.bumping.lineages.add(settlement.payout.lineageId);
      for (const lineageId of settlement.payout.formerLineages) needs.lineages.add(lineageId);
    }
  }

  readonly #loadedStreams = new Set<string>();

  async #loadStreams(): Promise<void> {
    const wanted = streamsOf(this.#needs).filter((stream) => !this.#loadedStreams.has(stream));
    if (wanted.length === 0) return;
    await this.#batch.loadStreams(this.#session, wanted);
    for (const stream of wanted) this.#loadedStreams.add(stream);
  }
}

function ledgerNeeds(
  batch: Batch,
  needs: Needs,
  coins: readonly Coin[],
  walletIds: readonly string[],
): { accounts: ReadonlySet<AccountId>; transfers: ReadonlySet<TransferId> } {
  const accounts = new Set<AccountId>();
  const transfers = new Set<TransferId>();
  const addClaim = (claim: Claim): void => CLAIM_PARTS.forEach((part) => accounts.add(claimAccount(claim, part)));
  for (const id of needs.clearing) addClaim({ kind: 'clearing', institutionId: id });
  for (const id of needs.settlements) {
    const settlement = batch.state(settlementStream, id);
    if (settlement.status === 'none') continue;
    const { payer, payee, mode } = settlement.terms;
    accounts.add(ccpAccount());
    if (mode === 'centralized' && payee.kind === 'clearing') {
      for (const account of clearingAccounts(settlement.terms)) accounts.add(account);
    } else {
      addClaim(payer);
      if (payee.kind !== 'destination') addClaim(payee);
      // What the platform bears of the fee goes to the payer's clearing balance.
      addClaim({ kind: 'clearing', institutionId: settlement.terms.from });
      accounts.add(networkFeesAccount());
      for (const transfer of settlementTransferIds(settlement)) transfers.add(transfer);
    }
  }
  for (const account of [...needs.exchange.accounts, ...needs.credit.accounts(batch)]) accounts.add(account);
  for (const transfer of needs.exchange.transfers) transfers.add(transfer);
  if (needs.chain) accounts.add(transitAccount()).add(settlementSuspenseAccount());
  for (const id of needs.deposits) {
    const deposit = batch.state(depositStream, id);
    if (deposit.status === 'none') continue;
    if (deposit.beneficiary.kind === 'institution') addClaim(deposit.beneficiary.claim);
    for (const transfer of depositTransferIds(deposit)) transfers.add(transfer);
  }
  // What comes in may be for the wallet itself or for the clearing balance of whoever the address was issued to.
  for (const walletId of walletIds) {
    addClaim({ kind: 'wallet', walletId });
    accounts.add(custodyAccount(walletId)).add(walletSuspenseAccount(walletId));
  }
  for (const id of needs.lineages) {
    const lineage = batch.state(lineageStream, id);
    if ('plan' in lineage && lineage.plan.consolidates) transfers.add(consolidationReservationId(lineage.plan));
    if ('versions' in lineage) for (const transfer of lineageTransferIds(lineage)) transfers.add(transfer);
    if (lineage.status !== 'none' && platformBears(identityOf(lineage))) accounts.add(networkFeesAccount());
  }
  for (const coin of coins) {
    accounts.add(custodyAccount(coin.walletId)).add(walletSuspenseAccount(coin.walletId));
    if (!coin.custodial) accounts.add(availableAccount({ kind: 'wallet', walletId: coin.walletId }));
    for (const transfer of coinTransferIds(coin)) transfers.add(transfer);
  }
  return { accounts, transfers };
}
