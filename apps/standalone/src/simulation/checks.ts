import { type ServiceName } from '@finality/contracts';
import { readTransaction, type Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import {
  type Account,
  availableAccount,
  BTC,
  clearingClaim,
  creditBalance,
  custodyAccount,
  debitHeadroom,
  isOverdrawn,
  parseAccountId,
  transitAccount,
  type Unit,
} from '@finality/ledger';
import { readLedgerCut, verifyLedger } from '@finality/ledger-store';
import { legsOf, type LivingSettlement, priorityOf, rankOf } from '@finality/settlement';
import { type CheckedStore, consumptionProblems, storeHeads, storeProblems } from '@finality/testing/simulation';
import type { Pool } from 'pg';
import { BLUEPRINTS } from '../services.ts';
import { anchorProblems } from './anchor-checks.ts';
import type { ChainView } from './chain-view.ts';
import { creditProblems } from './credit-checks.ts';
import { creditLinesHighest, dealingProblems, lineName } from './dealing-checks.ts';
import {
  awaitedFromOwners,
  institutionsFrozen,
  ledgerPlace,
  memoWallets,
  ownersOfWallets,
  settlements,
  spendableSats,
  unspentCoins,
  walletScripts,
} from './records.ts';
import { payoutProblems } from './payout-checks.ts';
import { ruleProblems } from './rule-checks.ts';
import { signerProblems } from './signer-checks.ts';

export const STORES: readonly CheckedStore[] = BLUEPRINTS.map(({ name, schema, streams }) => ({
  service: name,
  schema,
  streams,
}));
/** As configured: the fee cap, and how deep a coin is before it may be spent. */
const FEE_CAP_SATS = 20_000n;
const DEPOSIT_CONFIRMATIONS = 3;

const POOL_WALLET = 'pool';

const ENDS: readonly LivingSettlement['status'][] = [
  'settled',
  'rejected',
  'failed',
  'cancelled',
  'expired',
  'reversed',
];

export interface CheckOptions {
  readonly admin: Pool;
  readonly chain: ChainView;
  /** Settlements that their payers don't sign, ever. */
  readonly unsigned: ReadonlySet<string>;
  /** Whether messages are told apart by their sequences: not when the inbox is switched off, which is done by renumbering them. */
  readonly countsMessages: boolean;
}

export interface CheckResult {
  readonly problems: readonly string[];
  /** The ends of all logs, for comparing two runs. */
  readonly heads: readonly string[];
  /** Whether the ledger stood at a block, so that it could be compared with the chain. */
  readonly compared: boolean;
}

/** What must hold at every moment (DESIGN 2, 4, 6, 8); with `isEnd` also what must hold once everything has come to rest. */
export function check({ admin, chain, unsigned, countsMessages }: CheckOptions, isEnd: boolean): Promise<CheckResult> {
  return readTransaction({ pool: admin, schema: 'settlement' }, async (session) => {
    const problems: string[] = [];
    for (const store of STORES) problems.push(...(await storeProblems(session, store)));
    if (countsMessages) problems.push(...(await messageProblems(session, isEnd)));
    await session.query('SET LOCAL search_path = settlement');
    const all = await settlements(session);
    const { accounts } = await readLedgerCut(session);
    problems.push(...(await ledgerProblems(session, accounts, isEnd)));
    const compared = await custodyProblems(session, accounts, chain, isEnd);
    problems.push(...(compared ?? []));
    problems.push(...(await payoutProblems(session, chain, all, isEnd)));
    problems.push(...(await dealingProblems(session, all)));
    problems.push(...(await ruleProblems(session, all)), ...(await signerProblems(session)));
    problems.push(...(await anchorProblems(session, chain, isEnd)));
    problems.push(...(await creditProblems(session, all, accounts, isEnd)));
    if (isEnd) problems.push(...backingProblems(accounts), ...(await endProblems(session, accounts, all, unsigned)));
    return { problems, heads: await storeHeads(session, STORES), compared: compared !== undefined };
  });
}

/** The ledger can't be compared with any block just now. */
export function isBetweenBlocks(admin: Pool): Promise<boolean> {
  return readTransaction(
    { pool: admin, schema: 'settlement' },
    async (session) => (await ledgerPlace(session)).isBetween,
  );
}

/**
 * Nothing waits for the chain any more, nor for owners who are to sign still; heads of the ledger may wait until the signer's interval is over. What is wrong with how it has ended is for `check` to say.
 * @param unsigned settlements that their payers don't sign, ever
 */
export function isAtRest(admin: Pool, unsigned: ReadonlySet<string>): Promise<boolean> {
  return readTransaction({ pool: admin, schema: 'settlement' }, async (session) => {
    const awaited = [...(await awaitedFromOwners(session))].filter(([, ids]) => ids.every((id) => unsigned.has(id)));
    const [row] = await session.query<{ open: bigint }>(
      `SELECT (SELECT count(*) FROM settlements WHERE NOT status = ANY($1::text[]) AND NOT (status = 'awaiting_signature' AND settlement_id = ANY($2::text[])))
         + (SELECT count(*) FROM lineages WHERE status IN ('planned', 'offered') AND NOT lineage_id = ANY($3::text[])
             AND NOT (to_sign AND starts_with(lineage_id, 'head-')))
         + (SELECT count(*) FROM deposits WHERE suspense IS NULL AND status IN ('detected', 'confirmed', 'unconfirmed')) AS open`,
      [[...ENDS, 'queued'], [...unsigned], awaited.map(([lineageId]) => lineageId)],
    );
    return row?.open === 0n;
  });
}

/** No consumer has received what its owner hasn't published; in the end every one has received everything. */
async function messageProblems(session: Session, isEnd: boolean): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const { name, topics } of BLUEPRINTS) {
    for (const topic of topics) {
      problems.push(...(await consumptionProblems(session, storeOf(name), storeOf(topic.owner), topic.name, isEnd)));
    }
  }
  return problems;
}

/** The sum over all accounts of a unit is zero, every balance follows from the transfers, nobody has spent more than they may. */
async function ledgerProblems(
  session: Session,
  accounts: readonly Account[],
  isEnd: boolean,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const verified = await verifyLedger(session);
  if (!verified.ok) {
    const { subject, field, expected, found } = verified.difference;
    problems.push(`ledger: ${subject} ${field}: expected ${expected}, found ${found}`);
  }
  const sums = new Map<Unit, bigint>();
  for (const account of accounts) sums.set(account.unit, (sums.get(account.unit) ?? 0n) + creditBalance(account));
  for (const [unit, sum] of sums)
    if (sum !== 0n) problems.push(`ledger: the sum over all accounts of ${unit} is ${sum}`);
  const [frozen, owners] = [await institutionsFrozen(session, 'ever'), await ownersOfWallets(session)];
  const memos = await memoWallets(session);
  const lines = await creditLinesHighest(session);
  for (const account of accounts.filter((each) => isOverdrawn(each) && !isMemo(each, memos))) {
    const owner = ownerOf(account, owners);
    // What is drawn stays drawn when the line is lowered.
    if (
      isClearing(account) &&
      creditBalance(account) - account.debitsPending >= -(lines.get(lineName(owner ?? '', account.unit)) ?? 0n)
    )
      continue;
    // A correction may go past a limit, but whoever's it is must be frozen then (DESIGN 6), until an operator has looked at it.
    if (owner === undefined || !frozen.has(owner)) {
      problems.push(
        `ledger: ${account.id} is past its limit by ${-(debitHeadroom(account) ?? 0n)} sat, and nobody is frozen`,
      );
    }
  }
  const byId = new Map<string, Account>(accounts.map((account) => [account.id, account]));
  const counterparties = accounts.filter(({ id }) => parseAccountId(id).kind === 'ccp');
  for (const account of [...counterparties, isEnd ? byId.get(transitAccount()) : undefined]) {
    if (account && creditBalance(account) !== 0n)
      problems.push(`ledger: ${account.id} holds ${creditBalance(account)} at rest`);
  }
  return problems;
}

/** It mirrors what its owner does with coins that are his to spend (ADR 12). */
function isMemo(account: Account, memos: ReadonlySet<string>): boolean {
  const name = parseAccountId(account.id);
  return name.kind === 'claim' && name.claim.kind === 'wallet' && memos.has(name.claim.walletId);
}

function isClearing({ id }: Account): boolean {
  const name = parseAccountId(id);
  return name.kind === 'claim' && name.claim.kind === 'clearing';
}

function ownerOf(account: Account, owners: ReadonlyMap<string, string>): string | undefined {
  const name = parseAccountId(account.id);
  if (name.kind !== 'claim') return undefined;
  return name.claim.kind === 'clearing' ? name.claim.institutionId : owners.get(name.claim.walletId);
}

/** Per wallet: custody account, coins, and the chain's own outputs at the block consumed are the same. Undefined between two blocks. */
async function custodyProblems(
  session: Session,
  accounts: readonly Account[],
  chain: ChainView,
  isEnd: boolean,
): Promise<readonly string[] | undefined> {
  const place = await ledgerPlace(session);
  if (place.hash === '' || (place.isBetween && !isEnd)) return undefined;
  const problems: string[] = [];
  const where = `at ${place.height} ${place.hash.slice(0, 12)}`;
  const unspent = chain.unspentAt(place.hash, await walletScripts(session));
  const coins = new Map((await unspentCoins(session)).map((coin) => [coin.outpoint, coin]));
  for (const [
    outpoint,
    {
      place: { walletId },
      valueSats,
    },
  ] of unspent) {
    const coin = coins.get(outpoint);
    if (coin?.walletId !== walletId || coin.valueSats !== valueSats)
      problems.push(`coins: ${outpoint} of ${walletId} (${valueSats} sat) is unspent ${where}, and no coin says so`);
  }
  for (const { outpoint, walletId } of coins.values()) {
    if (!unspent.has(outpoint)) problems.push(`coins: ${outpoint} of ${walletId} is not unspent ${where}`);
  }
  const sums = new Map<string, bigint>();
  for (const {
    place: { walletId },
    valueSats,
  } of unspent.values())
    sums.set(walletId, (sums.get(walletId) ?? 0n) + valueSats);
  const wallets = new Set([...sums.keys(), ...(await ownersOfWallets(session)).keys()]);
  for (const walletId of wallets) {
    const account = accounts.find(({ id }) => id === custodyAccount(walletId));
    const held = account ? -creditBalance(account) : 0n;
    const expected = sums.get(walletId) ?? 0n;
    if (held !== expected) problems.push(`custody of ${walletId} is ${held} sat, the chain has ${expected} ${where}`);
  }
  return problems;
}

/** The two kinds of claim aren't mixed (DESIGN 6): each wallet holds exactly what is claimed from it, the pool what is claimed for clearing. */
function backingProblems(accounts: readonly Account[]): readonly string[] {
  const claimed = new Map<string, bigint>();
  const held = new Map<string, bigint>();
  const add = (sums: Map<string, bigint>, walletId: string, sats: bigint): void =>
    void sums.set(walletId, (sums.get(walletId) ?? 0n) + sats);
  for (const account of accounts) {
    const name = parseAccountId(account.id);
    if (account.unit !== BTC) continue;
    const sats = creditBalance(account);
    if (name.kind === 'custody') add(held, name.walletId, -sats);
    else if (name.kind === 'suspense_wallet') add(claimed, name.walletId, sats);
    // Put aside of what is claimed for clearing, lent to it, or paid for it.
    else if (name.kind === 'pledge' || name.kind === 'standby' || name.kind === 'fees_network')
      add(claimed, POOL_WALLET, sats);
    else if (name.kind === 'claim')
      add(claimed, name.claim.kind === 'clearing' ? POOL_WALLET : name.claim.walletId, sats);
    // What a deep reorg has put in question belongs to no wallet until it is decided.
    else if (name.kind === 'suspense_settlement' && sats !== 0n) return [];
  }
  return [...new Set([...claimed.keys(), ...held.keys()])].flatMap((walletId) => {
    const [has, owes] = [held.get(walletId) ?? 0n, claimed.get(walletId) ?? 0n];
    return has === owes ? [] : [`wallet ${walletId} holds ${has} sat, claims on it are ${owes}`];
  });
}

/** Everything that was accepted has ended, or waits for liquidity that really isn't there. */
async function endProblems(
  session: Session,
  accounts: readonly Account[],
  all: readonly LivingSettlement[],
  unsigned: ReadonlySet<string>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const place = await ledgerPlace(session);
  const spendable = await spendableSats(session, place.height - DEPOSIT_CONFIRMATIONS + 1);
  const frozen = await institutionsFrozen(session);
  const ended = [...ENDS, 'queued'];
  for (const { terms, status } of all.filter((each) => !ended.includes(each.status))) {
    if (status === 'awaiting_signature' && unsigned.has(terms.settlementId)) continue;
    problems.push(`settlement ${terms.settlementId} (${terms.mode}) doesn't end: it is ${status}`);
  }
  for (const settlement of firstInLine(all, await lastEventsOf(session))) {
    const { terms } = settlement;
    // However much is there: the payee would get too little, or the payer owe too much within the window (dealing-checks.ts).
    if (settlement.status === 'queued' && settlement.waitsFor === 'DUST_OUTPUT') continue;
    if (settlement.status === 'queued' && settlement.waitsFor === 'WINDOW_DEBIT_CAP') continue;
    const short = legsOf(terms).find(({ from, money }) => {
      const claim = terms.payer.kind === 'wallet' ? terms.payer : clearingClaim(from, money.unit);
      const account = accounts.find(({ id }) => id === availableAccount(claim));
      return spendableOf(account, terms.netPayout !== undefined) < money.amount + feeOf(terms) || frozen.has(from);
    });
    const payingWallet =
      terms.netPayout?.poolWalletId ?? (terms.payer.kind === 'wallet' ? terms.payer.walletId : undefined);
    const hasCoins =
      payingWallet === undefined || (spendable.get(payingWallet) ?? 0n) >= terms.amountSats + FEE_CAP_SATS;
    if (short === undefined && hasCoins)
      problems.push(`settlement ${terms.settlementId} of ${terms.from} waits, and what it needs is there`);
  }
  const open = await session.query<{ outpoint: string; status: string }>(
    `SELECT outpoint, status FROM settlement.deposits WHERE suspense IS NULL AND status IN ('detected', 'confirmed', 'unconfirmed') ORDER BY outpoint`,
  );
  for (const { outpoint, status } of open) problems.push(`deposit ${outpoint} doesn't end: it is ${status}`);
  return problems;
}

/** What an owner spends as he likes has no limit; what is lent isn't paid out. */
function spendableOf(account: Account | undefined, isPaidOut: boolean): bigint {
  if (account === undefined) return 0n;
  const own = creditBalance(account) - account.debitsPending;
  return isPaidOut ? own : (debitHeadroom(account) ?? own);
}

/** What the payer may have to have beside the amount. */
const feeOf = ({ payer }: LivingSettlement['terms']): bigint => (payer.kind === 'wallet' ? FEE_CAP_SATS : 0n);

/**
 * Whoever comes later waits behind these, whatever is there.
 * @param lastEvents positions, by settlement
 */
function firstInLine(
  all: readonly LivingSettlement[],
  lastEvents: ReadonlyMap<string, bigint>,
): readonly LivingSettlement[] {
  const first = new Map<string, LivingSettlement>();
  const place = (settlement: LivingSettlement) => ({
    rank: rankOf(priorityOf(settlement)),
    position: lastEvents.get(settlement.terms.settlementId) ?? 0n,
  });
  for (const settlement of all.filter(({ status }) => status === 'queued')) {
    const { from, payer, netPayout, units } = settlement.terms;
    const line = `${from} ${payer.kind} ${units?.paid.unit ?? BTC} ${netPayout === undefined ? '' : 'paid out'}`;
    const before = first.get(line);
    if (!before || isBefore(place(settlement), place(before))) first.set(line, settlement);
  }
  return [...first.values()];
}

interface Place {
  readonly rank: number;
  readonly position: bigint;
}

const isBefore = (a: Place, b: Place): boolean => a.rank < b.rank || (a.rank === b.rank && a.position < b.position);

async function lastEventsOf(session: Session): Promise<ReadonlyMap<string, bigint>> {
  const rows = await session.query<{ id: string; position: bigint }>(
    `SELECT substr(stream, length('settlement/') + 1) AS id, max(position) AS position FROM settlement.events
     WHERE starts_with(stream, 'settlement/') GROUP BY stream`,
  );
  return new Map(rows.map(({ id, position }) => [id, position]));
}

function storeOf(name: ServiceName): CheckedStore {
  const store = STORES.find(({ service }) => service === name);
  assert(store, `${name} has a store`);
  return store;
}
