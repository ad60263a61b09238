import { type Instant, sats } from '@finality/kernel';
import {
  latest,
  type Lineage,
  type LineagePlan,
  offered,
  planOf,
  settlementsOf,
  versionsDiffer,
  versionToSign,
} from '../lineage.ts';
import { lineageIdOf, living, type Recommendation } from '../settlement.ts';
import { paidOf } from '../unit-terms.ts';
import type { Action } from './action-weights.fixture.ts';
import { net } from './netting-actions.fixture.ts';
import { limit } from './limits.fixture.ts';
import { creditLine, offset, owe, reprioritize } from './queue-actions.fixture.ts';
import { release, resolve } from './operator-actions.fixture.ts';
import { child, doubleSpend, ownSpend, payIn, steal, undo } from './outsider-actions.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS, WALLETS } from './parties.fixture.ts';
import { exchange } from './unit-actions.fixture.ts';
import { destinationIdOf, type World } from './world.fixture.ts';

const AMOUNTS = [330n, 4_000n, 12_000n, 20_000n, 35_000n, 80_000n];

const RECOMMENDATIONS: readonly Recommendation[] = ['approve', 'approve', 'approve', 'manual_review', 'reject'];

/** Does one step; nothing when there is nothing to do it to. */
export function act(world: World, { kind, a, b, c }: Action): void {
  switch (kind) {
    case 'pay_in':
      return payIn(world, a, b, c);
    case 'double_spend':
      return doubleSpend(world, a, b);
    case 'child':
      return child(world, a, b);
    case 'steal':
      return steal(world, a, b);
    case 'own_spend':
      return ownSpend(world, a, b);
    case 'undo':
      return undo(world, a, b, c);
    case 'redo':
      // Back to before, and what was there first is there again.
      world.reorg(7, () => false);
      tellAll(world);
      return mine(world, 1, b, bit(c, 0) ? 0 : c);
    case 'mine':
      return mine(world, a, b, c);
    case 'win':
      return win(world, a, b);
    case 'reorg':
      return world.reorg(1 + (a % 7), (tx) => bit(b, Number.parseInt(tx.txid.slice(0, 1), 16)) || bit(c, 0));
    case 'agree':
      return world.agree();
    case 'dispute': {
      const block = pick(world.chain.blocks.slice(-4), a);
      return block === undefined ? undefined : world.dispute(block);
    }
    case 'poll':
      return world.poll(bit(a, 0));
    case 'evict': {
      const tx = pick([...world.chain.mempool.values()], a);
      return tx === undefined ? undefined : world.chain.evict(tx.txid);
    }
    case 'pin':
      return pin(world, a, b);
    case 'rescan':
      return world.rescan();
    case 'notice': {
      const wallet = bit(b, 0) ? world.walletNotices.pop() : undefined;
      if (wallet !== undefined) return void world.tell({ type: 'wallet_changed', wallet });
      const [address] = world.notices.splice(a % Math.max(1, world.notices.length), 1);
      return address === undefined ? undefined : void world.tell({ type: 'address_issued', address });
    }
    default:
      return business(world, { kind, a, b, c });
  }
}

function business(world: World, { kind, a, b, c }: Action): void {
  const { book } = world;
  switch (kind) {
    case 'submit':
      return submit(world, a, b, c);
    case 'share':
      // Of one payer mostly, so that they meet.
      return void world.submit(
        'bilateral',
        INSTITUTIONS[bit(a, 0) ? b % 3 : 0]!,
        INSTITUTIONS[1 + (b % 2)]!,
        pick(AMOUNTS, c)!,
      );
    case 'fall_due': {
      const id = pick(settlementsIn(world, 'scheduled'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.withdraw(id, 'fall_due');
    }
    case 'reverse':
      return reverse(world, a, b, c);
    case 'verdict': {
      const id = pick(settlementsIn(world, 'screening'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.screen('settlement', id, bit(b, 0) ? 'risk' : 'aml', recommend(c));
    }
    case 'deposit_verdict': {
      const open = book.deposits.ids().filter((id) => isUnscreened(world, id));
      const id = bit(c, 7) ? pick(book.deposits.ids(), a) : pick(open, a);
      return id === undefined ? undefined : world.screen('deposit', id, bit(b, 0) ? 'risk' : 'aml', recommend(c));
    }
    case 'approve_all':
      return approveAll(world);
    case 'review': {
      const id = pick(settlementsIn(world, 'under_review'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.review(id, bit(b, 0) ? 'approve' : 'reject');
    }
    case 'review_deposit': {
      const held = book.deposits.ids().filter((id) => book.deposits.get(id).status === 'held');
      const id = pick(held, a) ?? pick(book.deposits.ids(), a);
      return id === undefined ? undefined : world.reviewDeposit(id, bit(b, 0) ? 'approve' : 'reject');
    }
    case 'withdraw': {
      const id = pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.withdraw(id, bit(b, 0) ? 'cancel' : 'expire');
    }
    case 'drop': {
      const waiting = [...settlementsIn(world, 'executing'), ...settlementsIn(world, 'awaiting_signature')];
      const id = pick(waiting, a);
      return id === undefined ? undefined : world.withdraw(id, 'cancel');
    }
    case 'retry': {
      const id = pick(settlementsIn(world, 'queued'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.withdraw(id, 'retry_reservation');
    }
    case 'bump': {
      const id = pick(settlementsIn(world, 'executing'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : void world.bump(id, BigInt(1_000 + (b % 20) * 1_000));
    }
    case 'prepare': {
      const id = pick(settlementsIn(world, 'awaiting_signature'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : void world.prepare(id);
    }
    case 'cosign':
      return cosign(world, a, b);
    case 'consolidate': {
      const { walletId, institutionId } = pick(WALLETS, a)!;
      return void (walletId === 'pool' ? world.anchorHead() : world.consolidate(walletId, institutionId));
    }
    case 'confirm':
      return world.confirmIncidents();
    case 'release':
      return release(world, a, b, hurry);
    case 'resolve':
      return resolve(world, a, b);
    case 'net':
      return net(world, a, b);
    case 'hurry':
      return hurry(world);
    case 'owe':
      return owe(world, a, b, c);
    case 'reprioritize':
      return reprioritize(world, a, b);
    case 'offset':
      return offset(world, a, b);
    case 'credit_line':
      return creditLine(world, a, b);
    case 'freeze': {
      const institutionId = pick(INSTITUTIONS, a)!;
      return void world.tell({ type: 'freeze_institution', institutionId, reason: 'because' });
    }
    case 'limit':
      return limit(world, a, b, c);
    case 'exchange':
      return exchange(world, a, b, c);
    default:
      return paying(world, { kind, a, b, c });
  }
}

function paying(world: World, { kind, a, b }: Action): void {
  const { book } = world;
  // Somebody has kept it all, and tells the nodes again.
  if (kind === 'broadcast' && bit(b, 0)) tellAll(world);
  const lineages = book.lineages.ids().map((id) => ({ id, lineage: book.lineages.get(id) }));
  if (kind === 'assign') {
    const plans = lineages.flatMap(({ lineage }) => planOf(lineage) ?? (bit(b, 6) ? planBefore(lineage) : []));
    const plan = pick(plans, a);
    return plan === undefined ? undefined : world.assign(plan, bit(b, 0));
  }
  if (kind === 'unlist') {
    const planned = lineages.flatMap(({ id, lineage }) =>
      lineage.status === 'planned' || bit(b, 0)
        ? settlementsOf(lineage).map((settlementId) => ({ id, settlementId }))
        : [],
    );
    const one = pick(planned, a);
    return one === undefined ? undefined : world.refuseDestination(one.id, one.settlementId);
  }
  const offered = pick(
    lineages.filter(({ lineage }) => lineage.status === 'offered'),
    a,
  );
  if (offered === undefined) return;
  if (kind === 'sign' && offered.lineage.status === 'offered' && offered.lineage.custodial) {
    if (b % 8 === 0) return world.refuseToSign(offered.id, bit(b, 4) ? 'RULE' : 'OTHER_RULE');
    world.sign(offered.id);
  }
  world.broadcast(offered.id);
}

/** A version that was handed out, the last or an older one, is signed by those who have the keys; some broadcast it themselves. */
function cosign(world: World, a: number, b: number): void {
  const handedOut = world.book.lineages.all().flatMap((lineage) => {
    if (!('versions' in lineage) || lineage.custodial) return [];
    return lineage.versions.map((version) => ({ lineageId: lineage.lineageId, version }));
  });
  const chosen = pick(handedOut, a);
  if (chosen === undefined) return;
  const { lineageId, version } = chosen;
  // One that was cancelled speaks for a version that pays nobody.
  const settlementId = pick(settlementsOf(world.book.lineages.get(lineageId)), b >> 4)!;
  // Signed by all, there is nothing more to be signed; told or not, it can be broadcast.
  if (bit(b, 0)) world.ownersSign(lineageId, version.version);
  if (bit(b, 1) || !bit(b, 0)) world.cosign(settlementId, lineageId, version.version, bit(b, 2));
  const { signedHex } = offered(world.book.lineages.get(lineageId)).versions[version.version - 1]!;
  if (signedHex !== undefined) world.ownersSign(lineageId, version.version);
  world.broadcast(lineageId);
}

/** As it was before its last version was offered: the addresses come once more. */
function planBefore(lineage: Lineage): LineagePlan | [] {
  if (lineage.status === 'abandoned') return lineage.plan;
  if (!('versions' in lineage)) return [];
  const { lineageId, walletId, institutionId, custodial, anchor } = lineage;
  const { version, payouts, inputs, feeSats } = latest(lineage);

  return {
    lineageId,
    walletId,
    institutionId,
    custodial,
    anchor,
    version,
    payouts,
    inputs,
    feeSats,
    droppedSats: sats(0n),
    changeSats: sats(0n),
    offerAt: 0 as LineagePlan['offerAt'],
  };
}

const settlementsIn = (world: World, status: string): string[] =>
  world.book.settlements.ids().filter((id) => world.book.settlements.get(id).status === status);

const recommend = (number: number): Recommendation => pick(RECOMMENDATIONS, number)!;

function isUnscreened(world: World, outpoint: string): boolean {
  const deposit = world.book.deposits.get(outpoint);
  return deposit.status !== 'none' && (deposit.risk === undefined || deposit.aml === undefined);
}

export function approveAll(world: World): void {
  for (const by of ['risk', 'aml'] as const) {
    for (const id of settlementsIn(world, 'screening')) world.screen('settlement', id, by, 'approve');
    for (const id of world.book.deposits.ids().filter((outpoint) => isUnscreened(world, outpoint)))
      world.screen('deposit', id, by, 'approve');
  }
}

/** Money everywhere, final and screened: where most histories begin. `lean`: in one coin each, so that payouts need each other's change. */
export function fund(world: World, lean = false, institutionIds: readonly string[] = INSTITUTIONS): void {
  for (const [i, institutionId] of institutionIds.entries()) {
    const wallet = { id: `w-${institutionId}`, values: lean ? [150_000n] : [40_000n, 90_000n, 15_000n + BigInt(i)] };
    const pool = { id: 'pool', values: lean ? [] : [60_000n] };
    for (const { id, values } of [wallet, pool]) {
      for (const valueSats of values) {
        const place = world.place(id, institutionId, id === 'pool' ? 'clearing' : 'wallet');
        world.announce(place, false);
        world.chain.accept(world.pay([world.chain.root()], [{ script: place.script, valueSats }]));
      }
    }
  }
  world.mine(() => true);
  approveAll(world);
  world.mine(() => true);
  world.mine(() => true);
}

/** Whatever waits for somebody of ours is done. */
export function hurry(world: World): void {
  for (const id of settlementsIn(world, 'scheduled')) world.withdraw(id, 'fall_due');
  for (const id of expired(world)) world.withdraw(id, 'expire');
  approveAll(world);
  for (const id of settlementsIn(world, 'under_review')) world.review(id, 'approve');
  for (const id of settlementsIn(world, 'queued')) world.withdraw(id, 'retry_reservation');
  for (const plan of world.book.lineages.all().map(planOf)) if (plan !== undefined) world.assign(plan, false);
  for (const id of world.book.lineages.ids()) {
    const lineage = world.book.lineages.get(id);
    if (lineage.status !== 'offered') continue;
    if (lineage.custodial && latest(lineage).signedHex === undefined) world.sign(id);
    world.broadcast(id);
  }
  for (const id of world.book.settlements.ids()) ownersPay(world, id);
}

const expired = ({ book: { alarms, now } }: World): string[] =>
  [...alarms.values()].filter(({ kind, dueAt }) => kind === 'expiry' && dueAt <= now).map(({ id }) => id);

/** What the payer is to sign is asked for, signed and taken back. */
function ownersPay(world: World, settlementId: string): void {
  const { book } = world;
  const before = book.settlements.get(settlementId);
  if (before.status !== 'awaiting_signature' || world.prepare(settlementId) !== undefined) return;
  const lineageId = lineageIdOf(living(book.settlements.get(settlementId)))!;
  const { version } = versionToSign(offered(book.lineages.get(lineageId)))!;
  if (world.cosign(settlementId, lineageId, version, true) !== undefined) return;
  world.ownersSign(lineageId, version);
  world.broadcast(lineageId);
}

/** Every notice arrives, everything possible is mined, and the chain goes on for longer than anybody waits. */
export function settleDown(world: World): void {
  for (const wallet of world.walletNotices.splice(0)) world.tell({ type: 'wallet_changed', wallet });
  for (const address of world.notices.splice(0)) world.tell({ type: 'address_issued', address });
  world.rescan();
  const { finalDepth, reopenedBlocksMax, confirmations } = world.book.policy;
  const deep = Math.max(finalDepth, reopenedBlocksMax, confirmations.base.blockchain + 2);
  // What a final version leaves over is paid by another lineage, and that may leave over something once more.
  const busy = 4 + 2 * finalDepth;
  for (let i = 0; i < busy + 2 * deep; i++) {
    world.confirmIncidents();
    if (i < busy) hurry(world);
    if (i < busy) tellAll(world);
    world.mine(() => true);
    world.agree();
    world.poll(true);
  }
}

/** Everything there ever was, oldest first; nothing takes the place of what waits already. */
export function tellAll(world: World): void {
  for (const tx of world.chain.known.values()) {
    const waiting = [...world.chain.mempool.values()];
    if (!waiting.some((other) => other.spends.some((o) => tx.spends.includes(o)))) world.chain.accept(tx);
  }
}

/** Mostly of what is settled, and not too much of it. */
function reverse(world: World, a: number, b: number, c: number): void {
  const id =
    pick(settlementsIn(world, bit(c, 4) || bit(c, 5) ? 'settled' : 'executing'), a) ??
    pick(world.book.settlements.ids(), a);
  if (id === undefined) return;
  const { amount: all } = paidOf(living(world.book.settlements.get(id)).terms);
  const amount = [all, all / 2n + 1n, all / 3n + 1n, all + 1n][b % 4]!;
  world.reverse(
    id,
    amount,
    bit(c, 0) ? undefined : (['centralized', 'bilateral', 'blockchain'] as const)[(b >> 2) % 3]!,
  );
}

function submit(world: World, a: number, b: number, c: number): void {
  const mode = (['centralized', 'bilateral', 'blockchain'] as const)[a % 3]!;
  const from = pick(INSTITUTIONS, b)!;
  const to = pick(INSTITUTIONS, b + 1 + (c % (INSTITUTIONS.length - 1)))!;
  const feeBearer = mode === 'centralized' ? 'payer' : (['payer', 'payee', 'shared', 'payer'] as const)[(c >> 6) % 4]!;
  const isOutside = mode !== 'centralized' && bit(c, 1);
  const isLater = bit(c, 8) && bit(c, 9);
  const more = {
    feeBearer,
    ...(isOutside && { destinationId: destinationIdOf(to) }),
    ...(isLater && { executeAt: (world.book.now + 60_000) as Instant }),
  };
  world.submit(mode, from, to, pick(AMOUNTS, c >> 2)!, more);
}

/** A payee has spent what a transaction of ours pays him, so that no node takes a dearer one in its place, and no block takes it as it is. */
function pin(world: World, a: number, b: number): void {
  const lineages = world.book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage : []));
  const waiting = lineages.filter(({ versions }) => versions.some(({ txid }) => world.chain.mempool.has(txid)));
  const version = pick(waiting, a)?.versions.find(({ txid }) => world.chain.mempool.has(txid));
  if (version === undefined) return;
  world.chain.pin(version.txid);
  for (const { settlementId } of version.payouts) world.bump(settlementId, BigInt(3_000 + (b % 8) * 1_000));
  for (let i = 0; i < 2 + (b % 6); i++) {
    hurry(world);
    world.mine(() => false);
  }
  if (bit(b, 5)) hurry(world);
}

/** A version of a lineage is mined, whichever the nodes would have. */
function win(world: World, a: number, b: number): void {
  const lineages = world.book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage : []));
  const many = lineages.filter((lineage) => lineage.status === 'offered' && lineage.versions.length > 1);
  // Where it matters most which one wins.
  const differing = many.filter(({ versions }) => versionsDiffer(versions));
  const some = [differing, many, lineages].find((list) => list.length > 0) ?? [];
  const version = pick(pick(some, a)?.versions ?? [], b);
  const tx = version && world.chain.known.get(version.txid);
  if (tx !== undefined) world.mine(() => bit(b, 8), [tx]);
}

/** One block or a few; all of the mempool, half of it or nothing. */
function mine(world: World, a: number, b: number, c: number): void {
  const count = a % 4 === 0 ? 1 + (b % 6) : 1;
  for (let i = 0; i < count; i++) {
    world.mine((tx) => c % 3 === 0 || (c % 3 === 1 && bit(b, Number.parseInt(tx.txid.slice(0, 1), 16))));
  }
}
