import type { OutpointKey, Txid } from '@finality/bitcoin';
import { assertNever, type Sats } from '@finality/kernel';
import {
  type AccountId,
  availableAccount,
  clearingClaim,
  creditBalance,
  custodyAccount,
  debitHeadroom,
  heldAccount,
  inFlightAccount,
  incomingAccount,
  networkFeesAccount,
  parseAccountId,
  settlementSuspenseAccount,
  transitAccount,
  walletSuspenseAccount,
} from '@finality/ledger';
import { expect } from 'vitest';
import type { KnownDeposit } from '../deposit.ts';
import {
  changeOf,
  inputsOf,
  type Lineage,
  type LineageVersion,
  offered,
  type OfferedLineage,
  ownFeeInBlock,
  settlementsOf,
  settlementsPaid,
  type VersionPayout,
  versionNumbered,
} from '../lineage.ts';
import { platformBears } from '../postings/lineage.ts';
import { reversedAmount } from '../process/reverse.ts';
import { keepsChange, leftOver } from '../process/requeue.ts';
import { isGivenUp, living, type LivingSettlement } from '../settlement.ts';
import { type Leg, legsOf, paidOf } from '../unit-terms.ts';
import type { MemoryBook } from './memory-book.fixture.ts';
import { checkCaps } from './cap-invariants.fixture.ts';
import { addDefaults, addPledges, checkDefaults } from './credit.fixture.ts';
import { checkNetting } from './netting-invariants.fixture.ts';
import { checkBounds, checkOwed } from './unit-bounds.fixture.ts';
import { checkPaymentLimits } from './limits.fixture.ts';
import { walletCalled, WALLETS } from './parties.fixture.ts';
import { addBankBookings, checkCreditLine, checkQuotes, expectSeenTo } from './unit-invariants.fixture.ts';
import { type World } from './world.fixture.ts';

/** What must hold whenever all facts so far have been consumed, by name. */
export const INVARIANTS: Readonly<Record<string, (world: World) => void>> = {
  'balances are what the states say': ({ book }) => checkLedger(book),
  'coins are the chain’s': checkCoins,
  'claims and versions': ({ book }) => checkClaims(book),
  'released coins': checkReleased,
  'limits of accounts': ({ book }) => checkLimits(book),
  'limits of payments': ({ book }) => checkPaymentLimits(book),
  reversals: ({ book }) => checkReversals(book),
  'netting positions': ({ book }) => checkNetting(book),
  'debts and defaults': ({ book }) => checkDefaults(book),
  quotes: ({ book }) => checkQuotes(book),
  'debit caps': ({ book }) => checkCaps(book),
  'bounds of units': ({ book }) => checkBounds(book),
  'owed in units': ({ book }) => checkOwed(book),
};

export function checkWorld(world: World): void {
  for (const check of Object.values(INVARIANTS)) check(world);
}

/** Linked both ways, never of a reversal, and never more than there was to be paid back. */
function checkReversals(book: MemoryBook): void {
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none') continue;
    const { terms, reversals, settledTimes } = settlement;
    const { settlementId, reverses } = terms;
    if (reverses !== undefined)
      expect(living(book.settlements.get(reverses)).reversals, settlementId).toContain(settlementId);
    if (reversals.length === 0) continue;
    expect(settledTimes, settlementId).toBeGreaterThan(0);
    expect(reverses, settlementId).toBeUndefined();
    const all = reversals.map((id) => living(book.settlements.get(id)));
    for (const { terms: back } of all)
      expect(back).toMatchObject({ reverses: settlementId, from: terms.to, to: terms.from });
    checkPaidBack(book, settlementId, all);
  }
}

function checkPaidBack(book: MemoryBook, settlementId: string, reversals: readonly LivingSettlement[]): void {
  const { terms } = living(book.settlements.get(settlementId));
  const paidBack = reversals.filter(({ status }) => status === 'settled');
  // Both legs as they were, so once.
  if (terms.units?.exchange !== undefined) {
    for (const { terms: back } of paidBack)
      expect(legsOf(back).map(returned), settlementId).toEqual(expect.arrayContaining([...legsOf(terms)]));
    return expect(paidBack.length, settlementId).toBeLessThanOrEqual(1);
  }
  const { unit, amount } = paidOf(terms);
  expect(reversedAmount(book, settlementId), settlementId).toBeLessThanOrEqual(amount);
  expect(
    paidBack.reduce((sum, back) => sum + paidOf(back.terms).amount, 0n),
    settlementId,
  ).toBeLessThanOrEqual(amount);
  for (const { terms: back } of paidBack) expect(paidOf(back).unit, settlementId).toBe(unit);
}

const returned = ({ from, to, money }: Leg): Leg => ({ from: to, to: from, money });

/** Every balance is what the states of settlements, deposits and coins say, by the definitions of DESIGN 6 and nothing else. */
function checkLedger(book: MemoryBook): void {
  book.ledger.assertZeroSum();
  const { posted, reserved } = expectedBalances(book);
  const found: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const account of book.ledger.accounts()) {
    const { id } = account;
    found[id] = `${creditBalance(account)} reserved ${account.debitsPending}`;
    expected[id] = `${posted.get(id) ?? 0n} reserved ${reserved.get(id) ?? 0n}`;
    posted.delete(id);
    reserved.delete(id);
  }
  expect(found).toEqual(expected);
  expect([...posted].filter(([, amount]) => amount !== 0n)).toEqual([]);
  expect([...reserved].filter(([, amount]) => amount !== 0n)).toEqual([]);
}

/** Credit-normal balances by account, and what is reserved on them. */
function expectedBalances(book: MemoryBook): { posted: Map<AccountId, bigint>; reserved: Map<AccountId, bigint> } {
  const posted = new Map<AccountId, bigint>();
  const reserved = new Map<AccountId, bigint>();
  const add = (account: AccountId, amount: bigint): void =>
    void posted.set(account, (posted.get(account) ?? 0n) + amount);
  const reserve = (account: AccountId, amount: bigint): void =>
    void reserved.set(account, (reserved.get(account) ?? 0n) + amount);
  const inBlock = new Set<string>();
  for (const { outpoint, walletId, custodial, valueSats, height, spentBy } of coinsOf(book)) {
    if (height === undefined) continue;
    inBlock.add(outpoint);
    if (spentBy === undefined) add(custodyAccount(walletId), -valueSats);
    else if (book.lineageOf(spentBy) === undefined)
      add(
        custodial || isImmature(book, outpoint)
          ? walletSuspenseAccount(walletId)
          : availableAccount({ kind: 'wallet', walletId }),
        -valueSats,
      );
  }
  addPledges(book, add);
  addBankBookings(book, add, reserve);
  addDefaults(book, add);
  for (const deposit of book.deposits.all()) if (deposit.status !== 'none') addDeposit(add, deposit);
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none') continue;
    addSettlement(add, settlement);
    const { terms } = settlement;
    if ('lineageId' in settlement && settlement.lineageId !== undefined) {
      reserve(availableAccount(terms.payer), terms.amountSats + settlement.feeReservedSats!);
    }
  }
  for (const lineage of book.lineages.all()) {
    if ('versions' in lineage) addLineage(book, add, lineage);
    if (lineage.status !== 'planned' || !lineage.plan.consolidates) continue;
    reserve(availableAccount({ kind: 'wallet', walletId: lineage.plan.walletId }), lineage.plan.feeSats);
  }
  return { posted, reserved };
}

/** Coinbase is nobody's to pay with, and stays in suspense. */
function isImmature(book: MemoryBook, outpoint: string): boolean {
  const deposit = book.deposits.get(outpoint);
  return deposit.status !== 'none' && deposit.beneficiary.kind === 'suspense' && deposit.terms.coinbase;
}

type Add = (account: AccountId, amount: bigint) => void;

function addDeposit(add: Add, deposit: KnownDeposit): void {
  const { beneficiary, terms } = deposit;
  const arrival =
    beneficiary.kind === 'suspense' ? walletSuspenseAccount(terms.walletId) : incomingAccount(beneficiary.claim);
  switch (deposit.status) {
    case 'detected':
    case 'unconfirmed':
      // Booked as a claim, seen in no block.
      add(transitAccount(), -terms.valueSats);
      return add(arrival, terms.valueSats);
    case 'confirmed':
      return add(arrival, terms.valueSats);
    case 'held':
      if (beneficiary.kind === 'institution') add(heldAccount(beneficiary.claim), terms.valueSats);
      return;
    case 'credited':
      if (beneficiary.kind === 'institution') add(availableAccount(beneficiary.claim), terms.valueSats);
      return;
    case 'gone':
    case 'reversed':
      return;
    default:
      return assertNever(deposit, 'deposit');
  }
}

function addSettlement(add: Add, settlement: LivingSettlement): void {
  const { terms } = settlement;
  const payout = 'payout' in settlement ? settlement.payout : undefined;
  if (payout === undefined) {
    if (settlement.status !== 'settled') return;
    for (const { from, to, money } of legsOf(terms)) {
      add(availableAccount(clearingClaim(from, money.unit)), -money.amount);
      add(availableAccount(clearingClaim(to, money.unit)), money.amount);
    }
    return;
  }
  const { feeSats, heldSats, droppedSats, quoteSats, payeeFeeSats } = payout;
  const amountSats = terms.amountSats - payeeFeeSats;
  const out = amountSats + heldSats;
  const payee = terms.payee.kind === 'destination' ? undefined : terms.payee;
  const isBack =
    settlement.status === 'failed' || (settlement.status === 'reversed' && settlement.because === 'excluded');
  if (isBack) return;
  add(availableAccount(terms.payer), -out);
  switch (settlement.status) {
    case 'awaiting_signature':
    case 'executing':
      return add(inFlightAccount(terms.payer), out);
    case 'confirming':
      add(inFlightAccount(terms.payer), heldSats - feeSats);
      if (payee !== undefined) add(incomingAccount(payee), amountSats);
      return;
    case 'settled': {
      const bumpSats = feeSats - droppedSats - quoteSats;
      if (terms.fees.bumpBearer === 'platform' && bumpSats > 0n) {
        add(networkFeesAccount(), -bumpSats);
        add(availableAccount({ kind: 'clearing', institutionId: terms.from }), bumpSats);
      }
      if (payee !== undefined) add(availableAccount(payee), amountSats);
      return;
    }
    default:
      // What is paid outside and is in a block has left.
      if (payee !== undefined || !('block' in settlement)) add(settlementSuspenseAccount(), amountSats);
      if (!('block' in settlement)) add(inFlightAccount(terms.payer), heldSats);
  }
}

/** What versions that pay nobody cost; and what was given up and is in a block all the same: the fee that left is nobody's. */
function addLineage(book: MemoryBook, add: Add, lineage: OfferedLineage): void {
  const wallet = { kind: 'wallet', walletId: lineage.walletId } as const;
  const bearer = platformBears(lineage) ? networkFeesAccount() : availableAccount(wallet);
  add(bearer, -lineage.ownHeldSats);
  add(inFlightAccount(wallet), lineage.ownHeldSats - ownFeeInBlock(lineage));
  if (lineage.inBlock === undefined) return;
  for (const { settlementId, feeSats, amountSats } of versionNumbered(lineage, lineage.inBlock.version).payouts) {
    const state = living(book.settlements.get(settlementId));
    if (!isGivenUp(state)) continue;
    const { payee } = state.terms;
    add(settlementSuspenseAccount(), -(feeSats + (payee.kind === 'destination' ? amountSats : 0n)));
  }
}

/** The coins are the outputs of the chain, each spent by what spends it there. */
function checkCoins({ book, consumed: { chain, watched } }: World): void {
  const { made, spentBy } = chain.confirmed();
  const expected: Record<string, string> = {};
  for (const tx of new Set(made.values())) {
    for (const { vout, script, valueSats } of tx.outputs) {
      const outpoint = `${tx.txid}:${vout}`;
      const walletId = watched.get(script);
      if (walletId === undefined || valueSats === 0n) continue;
      expected[outpoint] = `${walletId} ${valueSats} spent by ${spentBy.get(outpoint) ?? 'none'}`;
    }
  }
  const found: Record<string, string> = {};
  for (const { outpoint, walletId, valueSats, height, spentBy: by } of coinsOf(book)) {
    if (height !== undefined) found[outpoint] = `${walletId} ${valueSats as bigint} spent by ${by ?? 'none'}`;
    else expect(by).toBeUndefined();
  }
  expect(found).toEqual(expected);
}

const coinsOf = (book: MemoryBook) => WALLETS.flatMap(({ walletId }) => book.coins.ofWallet(walletId));

/** No coin belongs to two lineages, what was offered keeps its coins for ever, and each settlement fits its lineage. */
function checkClaims(book: MemoryBook): void {
  const claimed = new Map<string, string>();
  for (const lineage of book.lineages.all()) {
    if (lineage.status === 'none' || lineage.status === 'abandoned') continue;
    const lineageId = 'plan' in lineage ? lineage.plan.lineageId : lineage.lineageId;
    const released = 'versions' in lineage ? lineage.released : [];
    for (const { outpoint } of inputsOf(lineage)) {
      if (released.includes(outpoint)) continue;
      expect(claimed.get(outpoint), `${outpoint} in two lineages`).toBeUndefined();
      claimed.set(outpoint, lineageId);
    }
    const settlementIds = 'versions' in lineage ? settlementsPaid(lineage) : settlementsOf(lineage);
    for (const settlementId of settlementIds) checkStatus(book, lineage, lineageId, settlementId);
    if ('versions' in lineage) checkVersions(book, lineage);
  }
  for (const coin of coinsOf(book)) {
    const lineageId = claimed.get(coin.outpoint);
    if (lineageId === undefined && coin.claimedBy !== undefined) checkKept(book, coin.outpoint, coin.claimedBy);
    else expect(coin.claimedBy).toBe(lineageId);
  }
  checkExclusion(book);
}

/** Whatever spends a released coin in the name of its former lineage has been told to a person: only a reorg past finality lets it. */
function checkReleased({ book }: World): void {
  const { incidents, confirmed } = book.tip.get();
  const told = new Set([...incidents.map(({ incidentId }) => incidentId), ...confirmed]);
  for (const { spentBy, formerClaims, outpoint } of coinsOf(book)) {
    const spender = spentBy === undefined ? undefined : book.lineageOf(spentBy);
    if (spender === undefined || !formerClaims.includes(spender)) continue;
    expect(told, `${outpoint} was released by ${spender}`).toContain(`released_coin_spent:${spentBy}`);
  }
}

/** Of a lineage whose coins are released just now: what isn't on the chain is excluded by what is, as deep as final, or needs what is. */
export function expectExcluded({ book, consumed: { chain } }: World, lineageId: string): void {
  const final = chain.blocks.filter(({ height }) => chain.tip.height - height + 1 >= book.policy.finalDepth);
  const spenders = new Map(final.flatMap(({ txs }) => txs.flatMap(({ txid, spends }) => spends.map((o) => [o, txid]))));
  const txids = new Set(final.flatMap(({ txs }) => txs.map(({ txid }) => txid)));
  const isExcluded = (txid: Txid, spends: readonly OutpointKey[]): boolean =>
    spends.some((outpoint) => {
      const maker = chain.known.get(outpoint.slice(0, 64) as Txid);
      return (spenders.get(outpoint) ?? txid) !== txid || (maker !== undefined && isExcluded(maker.txid, maker.spends));
    });
  for (const { txid, inputs } of offered(book.lineages.get(lineageId)).versions) {
    const spends = inputs.map(({ outpoint }) => outpoint);
    expect(txids.has(txid) || isExcluded(txid, spends), `${txid} of ${lineageId} can't confirm`).toBe(true);
  }
}

/** Change that a lineage keeps, though it spends it nowhere: something may be left over, or is. */
function checkKept(book: MemoryBook, outpoint: string, lineageId: string): void {
  const lineage = offered(book.lineages.get(lineageId));
  expect(lineage.versions.map((version) => changeOf(version)?.outpoint)).toContain(outpoint);
  expect(keepsChange(book, lineage), `${lineageId} keeps ${outpoint}`).toBe(true);
}

/** What was given up stays given up, whatever a reorg past finality brings. */
const GIVEN_UP = ['failed', 'cancelled', 'reversed'] as const;
const WAITING = ['awaiting_signature', 'executing', 'reopened'] as const;

type Planned = Exclude<Lineage, { status: 'none' | 'abandoned' }>;

function checkStatus(book: MemoryBook, lineage: Planned, lineageId: string, settlementId: string): void {
  const state = living(book.settlements.get(settlementId));
  // Another lineage pays it by now.
  if ('payout' in state && state.payout !== undefined && state.payout.lineageId !== lineageId)
    return expect(state.payout.formerLineages, settlementId).toContain(lineageId);
  const expected = leftOver(book, lineage).includes(settlementId) ? ['executing'] : statusesIn(lineage, settlementId);
  expect(expected, settlementId).toContain(state.status);
}

function statusesIn(lineage: Planned, settlementId: string): readonly LivingSettlement['status'][] {
  if (lineage.status === 'planned') return ['reserved', ...WAITING];
  if (lineage.inBlock === undefined)
    return lineage.status === 'dead' ? GIVEN_UP : [...WAITING, 'reopened', ...GIVEN_UP];
  const { payouts } = versionNumbered(lineage, lineage.inBlock.version);
  const isPaid = payouts.some((payout) => payout.settlementId === settlementId);
  if (isPaid) return ['confirming', 'settled', 'reopened', ...GIVEN_UP];
  return lineage.status === 'offered' ? [...WAITING, 'reopened', ...GIVEN_UP] : GIVEN_UP;
}

/** Two transactions that pay the same can't both be in a chain: they, or some that they need, spend the same otherwise (DESIGN 8). */
function checkExclusion(book: MemoryBook): void {
  const versions = book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage.versions : []));
  const byTxid = new Map<string, LineageVersion>(versions.map((version) => [version.txid, version]));
  const paying = new Map<string, LineageVersion[]>();
  for (const version of versions)
    for (const { settlementId } of version.payouts)
      paying.set(settlementId, [...(paying.get(settlementId) ?? []), version]);
  for (const [settlementId, all] of paying) {
    const spent = all.map((version) => spentWith(byTxid, version));
    for (const [i, one] of spent.entries())
      for (const other of spent.slice(i + 1)) {
        const excludes = [...one].some(([outpoint, txid]) => (other.get(outpoint) ?? txid) !== txid);
        expect(excludes, `transactions that pay ${settlementId} exclude each other`).toBe(true);
      }
  }
}

/** What a transaction and all of ours that it needs spend, and which of them does. */
function spentWith(byTxid: ReadonlyMap<string, LineageVersion>, version: LineageVersion): Map<string, string> {
  const spent = new Map<string, string>();
  const needed = [version];
  for (const { txid, inputs } of needed) {
    for (const { outpoint } of inputs) {
      spent.set(outpoint, txid);
      const parent = byTxid.get(outpoint.slice(0, 64));
      if (parent !== undefined && !needed.includes(parent)) needed.push(parent);
    }
  }
  return spent;
}

/** All that was ever offered for a payout excludes each other, and each pays exactly what it should. */
function checkVersions(book: MemoryBook, { versions, anchor, anchorsHead }: OfferedLineage): void {
  for (const { txid, inputs, outputs, payouts, feeSats } of versions) {
    expect(inputs[0]?.outpoint, `${txid} spends the anchor`).toBe(anchor);
    const paid = outputs.flatMap((output) =>
      output.role === 'payee' ? [[output.settlementId, output.valueSats]] : [],
    );
    expect(paid).toEqual(payouts.map(({ settlementId, amountSats }) => [settlementId, amountSats]));
    const sum = (list: readonly { readonly valueSats: bigint }[]): bigint => list.reduce((s, o) => s + o.valueSats, 0n);
    expect(sum(inputs) - sum(outputs)).toBe(feeSats);
    // With nobody to pay it is the wallet's own, but for what it says.
    if (payouts.length > 0) expect(payouts.reduce<bigint>((s, payout) => s + payout.feeSats, 0n)).toBe(feeSats);
    else expect(outputs.map(({ role }) => role)).toEqual(anchorsHead ? ['head', 'change'] : ['change']);
    for (const payout of payouts) checkQuote(payout, versions, living(book.settlements.get(payout.settlementId)));
  }
}

/** What the payee gets and bears is the amount, by the fee of the first version that pays it, whatever the version. */
function checkQuote(payout: VersionPayout, versions: readonly LineageVersion[], { terms }: LivingSettlement): void {
  const { settlementId, amountSats, payeeFeeSats } = payout;
  expect(amountSats + payeeFeeSats, settlementId).toBe(terms.amountSats);
  const quoted = versions.flatMap(({ payouts }) => payouts).find((each) => each.settlementId === settlementId)!;
  const part = { payer: 0n, payee: 2n, shared: 1n }[terms.fees.bearer];
  expect(payeeFeeSats, settlementId).toBe(((quoted.feeSats - quoted.droppedSats) * part) / 2n);
}

/** Nobody is past a limit, unless a correction took him there and froze him. */
function checkLimits(book: MemoryBook): void {
  for (const account of book.ledger.accounts()) {
    const name = parseAccountId(account.id);
    if (name.kind === 'ccp') expect(creditBalance(account)).toBe(0n as Sats);
    if (name.kind === 'pledge') expect(creditBalance(account), account.id).toBeGreaterThanOrEqual(0n);
    if (name.kind !== 'claim') continue;
    if (name.part !== 'available') {
      expect(creditBalance(account), account.id).toBeGreaterThanOrEqual(0n);
      continue;
    }
    const { claim } = name;
    if (claim.kind === 'clearing') {
      checkCreditLine(book, claim.institutionId, account);
      continue;
    }
    // Whoever has the keys takes what he likes.
    const { custodial, institutionId } = walletCalled(claim.walletId);
    if ((debitHeadroom(account) ?? 0n) >= 0n || !custodial) continue;
    expectSeenTo(book, institutionId, account);
  }
}
