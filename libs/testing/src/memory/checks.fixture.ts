import { outpointKey } from '@finality/bitcoin';
import type { Settlement } from '@finality/settlement';
import { isPaid } from '@finality/signing';
import { checkAtRest, INVARIANTS } from '@finality/settlement/spec';
import { reconcile, replay } from './audit.fixture.ts';
import { parsedOf, type Vouched } from './signer.fixture.ts';
import type { SimulatedWorld } from './world.fixture.ts';

/** A promise that was broken: which, and how. */
export class Violation extends Error {
  readonly promise: string;

  constructor(promise: string, cause: unknown) {
    super(`${promise}: ${textOf(cause)}`, { cause });
    this.promise = promise;
  }
}

/** What must hold at any time, whatever has been heard of. */
const ALWAYS: Readonly<Record<string, (world: SimulatedWorld) => void>> = {
  'transactions vouched for exclude each other': ({ vouched }) => checkExclusion(vouched),
  'an address is given once': checkAddresses,
  'a request is carried out once': checkRequests,
  'what callers were told stays true': checkTold,
  'what is ours is nobody else’s doing': checkOurs,
  'a deep reorg stops what would be final': checkDeepReorgs,
  'deposits are credited when they are deep enough': checkCredits,
  'what was handed out is in the journal': checkHandedOut,
  'what is signed is relayed': checkRelayed,
};

const AT_THE_END: Readonly<Record<string, (world: SimulatedWorld) => void>> = {
  'a settlement is paid once': checkPaidOnce,
  'reconciliation finds no break': reconcile,
  'events make the states': replay,
  'everything comes to an end': checkAtRest,
};

export function checkNow(world: SimulatedWorld): void {
  check(world, ALWAYS);
  if (!world.isBetween) check(world, INVARIANTS);
}

export function checkEnd(world: SimulatedWorld): void {
  checkNow(world);
  check(world, AT_THE_END);
}

/** When all times are over. */
export function checkTimes(world: SimulatedWorld): void {
  checkNow(world);
  check(world, { 'what has an end ends': checkEnds });
}

function check(world: SimulatedWorld, promises: Readonly<Record<string, (world: SimulatedWorld) => void>>): void {
  for (const [promise, holds] of Object.entries(promises)) {
    try {
      holds(world);
    } catch (error) {
      throw new Violation(promise, error);
    }
  }
}

/** All that was ever signed, or handed out to be, for one payout: they, or some that they need, spend the same otherwise (DESIGN 8). */
function checkExclusion(vouched: readonly Vouched[]): void {
  const byTxid = new Map(vouched.map((each) => [each.txid, each]));
  const paying = new Map<string, Set<string>>();
  for (const { request, txid } of vouched)
    for (const output of request.outputs)
      if (isPaid(output)) paying.set(output.settlementId, (paying.get(output.settlementId) ?? new Set()).add(txid));
  for (const [settlementId, txids] of paying) {
    const spent = [...txids].map((txid) => spentWith(byTxid, txid));
    for (const [i, one] of spent.entries())
      for (const other of spent.slice(i + 1))
        if (![...one].some(([outpoint, txid]) => (other.get(outpoint) ?? txid) !== txid))
          throw new Error(`two transactions that pay ${settlementId} can both be in the chain`);
  }
}

/** What a transaction and all of ours that it needs spend, and which of them does. */
function spentWith(byTxid: ReadonlyMap<string, Vouched>, txid: string): Map<string, string> {
  const spent = new Map<string, string>();
  const needed = [txid];
  for (const each of needed) {
    const vouched = byTxid.get(each);
    if (vouched === undefined) continue;
    for (const { outpoint } of parsedOf(vouched.request).inputs) {
      spent.set(outpointKey(outpoint), each);
      if (!needed.includes(outpoint.txid)) needed.push(outpoint.txid);
    }
  }
  return spent;
}

function checkAddresses({ places }: SimulatedWorld): void {
  const scripts = new Set(places.map(({ script }) => script));
  if (scripts.size !== places.length) throw new Error(`${places.length - scripts.size} were given twice`);
}

function checkRequests({ book }: SimulatedWorld): void {
  const byKey = new Map<string, string>();
  for (const settlement of book.settlements.all()) {
    if (settlement.status === 'none') continue;
    const { idempotencyKey, settlementId } = settlement.terms;
    const other = byKey.get(idempotencyKey);
    if (other !== undefined) throw new Error(`${other} and ${settlementId} are both of "${idempotencyKey}"`);
    byKey.set(idempotencyKey, settlementId);
  }
}

/** What was accepted is there, and only a recorded reversal takes back what was settled. */
function checkTold({ accepted, settled, book }: SimulatedWorld): void {
  for (const id of accepted)
    if (book.settlements.get(id).status === 'none') throw new Error(`${id} was accepted, and isn't there`);
  for (const id of settled) {
    const { status } = book.settlements.get(id);
    if (!['settled', 'reopened', 'reversed'].includes(status)) throw new Error(`${id} was settled, and is ${status}`);
  }
}

function checkDeepReorgs({ finalAfterDeepReorg: [first] }: SimulatedWorld): void {
  if (first !== undefined) throw new Error(first);
}

function checkCredits({ creditedEarly: [first] }: SimulatedWorld): void {
  if (first !== undefined) throw new Error(first);
}

function checkRelayed({ refused: [first] }: SimulatedWorld): void {
  if (first !== undefined) throw new Error(`the node refuses ${first}`);
}

function checkHandedOut({ left, vouched }: SimulatedWorld): void {
  const known = new Set(vouched.map(({ request: { lineageId, version } }) => `${lineageId}/${version}`));
  for (const version of left) if (!known.has(version)) throw new Error(`${version} isn't`);
}

const BEGUN = ['scheduled', 'received', 'screening', 'under_review', 'approved', 'queued'];

function checkEnds({ book }: SimulatedWorld): void {
  for (const settlement of book.settlements.all())
    if (BEGUN.includes(settlement.status)) throw new Error(`${idOf(settlement)} is ${settlement.status}`);
  for (const id of book.institutions.ids()) {
    const state = book.institutions.get(id);
    const until = state.status === 'none' ? undefined : state.creditLineExpiresAt;
    if (until !== undefined && until <= book.now) throw new Error(`the credit line of ${id} was to end at ${until}`);
  }
}

const idOf = (settlement: Settlement): string => (settlement.status === 'none' ? '' : settlement.terms.settlementId);

/** A transaction that the signer vouched for is never taken for a theft. */
function checkOurs({ vouched, book }: SimulatedWorld): void {
  const { incidents, confirmed } = book.tip.get();
  const alarms = new Set([...incidents.map(({ incidentId }) => incidentId), ...confirmed]);
  for (const { txid, request } of vouched)
    if (alarms.has(`unknown_spend:${txid}`)) throw new Error(`version ${request.version} of ${request.lineageId}`);
}

/** By the chain alone. */
function checkPaidOnce({ vouched, chain }: SimulatedWorld): void {
  const { txids } = chain.confirmed();
  const paidBy = new Map<string, string>();
  for (const { txid, request } of vouched) {
    if (!txids.has(txid)) continue;
    for (const output of request.outputs) {
      if (!isPaid(output)) continue;
      const other = paidBy.get(output.settlementId) ?? txid;
      if (other !== txid) throw new Error(`${output.settlementId} by ${other} and ${txid}`);
      paidBy.set(output.settlementId, txid);
    }
  }
}

const LINES_MAX = 12;

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n').slice(0, LINES_MAX).join('\n');
}
