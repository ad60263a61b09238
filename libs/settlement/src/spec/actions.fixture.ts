import type { OutpointKey } from '@finality/bitcoin';
import { type Instant, sats } from '@finality/kernel';
import type { Coin } from '../coin.ts';
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
import type { Action } from './action-weights.fixture.ts';
import { net } from './netting-actions.fixture.ts';
import { limit } from './limits.fixture.ts';
import { creditLine, offset, owe, reprioritize } from './queue-actions.fixture.ts';
import { release, resolve } from './operator-actions.fixture.ts';
import { bit, pick } from './picks.fixture.ts';
import { INSTITUTIONS, WALLETS } from './parties.fixture.ts';
import { destinationIdOf, type World } from './world.fixture.ts';
import type { WorldTx } from './world-chain.fixture.ts';

const VALUES = [100n, 330n, 1_000n, 20_000n, 50_000n, 120_000n, 200_000n];
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
  const { amountSats } = living(world.book.settlements.get(id)).terms;
  const amount = [amountSats, amountSats / 2n + 1n, amountSats / 3n + 1n, amountSats + 1n][b % 4]!;
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

/** Where outsiders pay: mostly to addresses of clearing and wallets, sometimes where nothing should come in. */
function target(
  world: World,
  a: number,
  b: number,
): { script: WorldTx['outputs'][number]['script']; valueSats: bigint } {
  const institutionId = pick(INSTITUTIONS, a)!;
  const valueSats = pick(VALUES, b)! * (bit(b, 8) ? 0n : 1n);
  const reused = pick(world.places, b >> 3);
  if (bit(a, 4) && bit(a, 5) && reused !== undefined) return { script: reused.script, valueSats };
  const isClearing = bit(a, 3);
  const watched = a % 11 !== 0;
  const purpose = a % 13 === 0 ? 'change' : isClearing ? 'clearing' : 'wallet';
  const place = world.place(isClearing ? 'pool' : `w-${institutionId}`, institutionId, purpose, watched);
  // Some are never announced: unissued.
  if (a % 17 !== 0) world.announce(place, bit(a, 6));
  return { script: place.script, valueSats };
}

function payIn(world: World, a: number, b: number, c: number): void {
  const isCoinbase = c % 19 === 0;
  const spends = isCoinbase ? [] : Array.from({ length: 1 + (c % 2) }, () => world.chain.root());
  const outputs = [target(world, a, b)];
  if (bit(c, 3)) outputs.push(target(world, a >> 3, b >> 3));
  if (bit(c, 4)) outputs.push({ script: world.elsewhere(), valueSats: 10_000n });
  const tx = world.pay(spends, outputs, isCoinbase);
  if (isCoinbase || bit(c, 5)) return world.mine(() => bit(c, 6), [tx]);
  world.chain.accept(tx);
  if (!bit(c, 7)) world.poll(false);
}

/** Another transaction that spends what an outsider's spends: to somebody else, or to the same. */
function doubleSpend(world: World, a: number, b: number): void {
  const foreign = [...world.chain.known.values()].filter(({ spends }) => spends.some((o) => world.chain.isRoot(o)));
  const rival = pick(foreign.slice(-12), a);
  if (rival === undefined) return;
  const outpoint = rival.spends.find((o) => world.chain.isRoot(o))!;
  const outputs = bit(b, 0) ? [...rival.outputs] : [{ script: world.elsewhere(), valueSats: 5_000n }];
  const tx = world.pay([outpoint], outputs);
  if (bit(b, 1)) world.mine(() => false, [tx]);
  else if (world.chain.accept(tx) && bit(b, 2)) world.poll(false);
}

/** An outsider passes on what came from an unconfirmed transaction. */
function child(world: World, a: number, b: number): void {
  const ours = new Set(world.places.map((place) => place.script));
  const parents = [...world.chain.known.values()].flatMap((tx) =>
    tx.outputs.filter((output) => !ours.has(output.script)).map(({ vout }) => `${tx.txid}:${vout}` as OutpointKey),
  );
  const outpoint = pick(parents.slice(-6), a);
  if (outpoint !== undefined) world.chain.accept(world.pay([outpoint], [target(world, b, a)]));
}

/** Somebody else spends a coin of ours, to himself or to another address of ours. */
function steal(world: World, a: number, b: number): void {
  const coins = INSTITUTIONS.flatMap((id) => world.book.coins.ofWallet(`w-${id}`));
  spendOf(world, coins, a, b);
}

/** Whoever has the keys spends what is his, for himself and with change. */
function ownSpend(world: World, a: number, b: number): void {
  spendOf(world, world.book.coins.ofWallet(bit(b, 3) ? 'w-d' : 'w-d2'), a, b | 1);
}

function spendOf(world: World, coins: readonly Coin[], a: number, b: number): void {
  const claimed = coins.filter((coin) => coin.claimedBy !== undefined && coin.spentBy === undefined);
  const coin = pick(bit(b, 2) && claimed.length > 0 ? claimed : coins, a >> 2);
  if (coin === undefined) return;
  const outputs = [{ script: world.elsewhere(), valueSats: 400n }];
  if (bit(b, 0)) outputs.push(target(world, b, a));
  const tx = world.pay([coin.outpoint], outputs);
  if (bit(b, 1)) world.mine(() => false, [tx]);
  else world.chain.accept(tx);
}

/** The worst: a reorg that takes a deposit's block, and another branch in which what it came from is spent otherwise. */
function undo(world: World, a: number, b: number, c: number): void {
  const recent = world.chain.blocks.slice(-7);
  const blocks = recent.map((block, i) => ({ depth: recent.length - i, txs: block.txs }));
  const rivals = blocks.flatMap(({ depth, txs }) =>
    txs.filter(({ spends }) => spends.some((o) => world.chain.isRoot(o))).map((tx) => ({ depth, tx })),
  );
  const isNeeded = ({ tx }: (typeof rivals)[number]): boolean =>
    tx.outputs.some(({ vout }) => world.book.coins.find(`${tx.txid}:${vout}` as OutpointKey)?.claimedBy !== undefined);
  const rival = (bit(b, 4) ? undefined : pick(rivals.filter(isNeeded), a)) ?? pick(rivals, a);
  if (rival === undefined) return;
  world.reorg(rival.depth, () => bit(b, 0));
  const outpoint = rival.tx.spends.find((o) => world.chain.isRoot(o))!;
  const tx = world.pay([outpoint], [{ script: world.elsewhere(), valueSats: 5_000n }]);
  if (bit(b, 1)) world.chain.accept(tx);
  else world.mine(() => bit(b, 2), [tx]);
  for (let i = 0; i < c % 8; i++) world.mine(() => bit(b, 3));
}

/** A payee has spent what a transaction of ours pays him, so that no node takes a dearer one in its place, and no block takes it as it is. */
function pin(world: World, a: number, b: number): void {
  const lineages = world.book.lineages.all().flatMap((lineage) => ('versions' in lineage ? lineage : []));
  const waiting = lineages.filter(({ versions }) => versions.some(({ txid }) => world.chain.mempool.has(txid)));
  const version = pick(waiting, a)?.versions.find(({ txid }) => world.chain.mempool.has(txid));
  if (version === undefined) return;
  world.chain.pinned.add(version.txid);
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
