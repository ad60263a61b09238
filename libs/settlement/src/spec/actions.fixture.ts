import type { OutpointKey } from '@finality/bitcoin';
import type { Recommendation } from '../settlement.ts';
import { INSTITUTIONS, type World } from './world.fixture.ts';
import type { WorldTx } from './world-chain.fixture.ts';

/** A step of a history: what happens, and three numbers that say to whom and how much. */
export interface Action {
  readonly kind: ActionKind;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export const ACTION_WEIGHTS = {
  pay_in: 10,
  double_spend: 4,
  child: 1,
  steal: 1,
  mine: 22,
  reorg: 4,
  poll: 6,
  evict: 1,
  rescan: 1,
  notice: 3,
  submit: 8,
  verdict: 14,
  deposit_verdict: 14,
  approve_all: 6,
  review: 2,
  review_deposit: 1,
  withdraw: 2,
  retry: 4,
  assign: 6,
  sign: 8,
  broadcast: 5,
  freeze: 0.05,
} as const;
export type ActionKind = keyof typeof ACTION_WEIGHTS;

const VALUES = [100n, 330n, 1_000n, 20_000n, 50_000n, 120_000n, 200_000n];
const RECOMMENDATIONS: readonly Recommendation[] = ['approve', 'approve', 'approve', 'manual_review', 'reject'];

const pick = <T>(list: readonly T[], number: number): T | undefined => list[number % Math.max(1, list.length)];
const bit = (number: number, which: number): boolean => ((number >> which) & 1) === 1;

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
    case 'mine':
      return mine(world, a, b, c);
    case 'reorg':
      return world.reorg(1 + (a % 7), (tx) => bit(b, Number.parseInt(tx.txid.slice(0, 1), 16)) || bit(c, 0));
    case 'poll':
      return world.poll(bit(a, 0));
    case 'evict': {
      const tx = pick([...world.chain.mempool.values()], a);
      return tx === undefined ? undefined : world.chain.evict(tx.txid);
    }
    case 'rescan':
      return world.rescan();
    case 'notice': {
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
    case 'retry': {
      const id = pick(settlementsIn(world, 'queued'), a) ?? pick(book.settlements.ids(), a);
      return id === undefined ? undefined : world.withdraw(id, 'retry_reservation');
    }
    case 'freeze': {
      const institutionId = pick(INSTITUTIONS, a)!;
      return void world.tell({ type: 'freeze_institution', institutionId, reason: 'because' });
    }
    default:
      return paying(world, { kind, a, b, c });
  }
}

function paying(world: World, { kind, a, b }: Action): void {
  const { book } = world;
  const lineages = book.lineages.ids().map((id) => ({ id, lineage: book.lineages.get(id) }));
  if (kind === 'assign') {
    const planned = pick(
      lineages.filter(({ lineage }) => lineage.status === 'planned' || (bit(b, 6) && lineage.status !== 'none')),
      a,
    );
    if (planned !== undefined && planned.lineage.status !== 'none') world.assign(planned.lineage.plan, bit(b, 0));
    return;
  }
  const offered = pick(
    lineages.filter(({ lineage }) => 'version' in lineage && lineage.status === 'offered'),
    a,
  );
  if (offered === undefined) return;
  if (kind === 'sign') {
    if (b % 8 === 0) return world.refuseToSign(offered.id, bit(b, 4) ? 'RULE' : 'OTHER_RULE');
    world.sign(offered.id);
  }
  world.broadcast(offered.id);
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

function submit(world: World, a: number, b: number, c: number): void {
  const mode = (['centralized', 'bilateral', 'blockchain'] as const)[a % 3]!;
  const from = INSTITUTIONS[b % 3]!;
  const to = INSTITUTIONS[(b + 1 + (c % 2)) % 3]!;
  world.submit(mode, from, to, pick(VALUES.slice(1), c >> 2)!);
}

/** Where outsiders pay: mostly to addresses of clearing and wallets, sometimes where nothing should come in. */
function target(
  world: World,
  a: number,
  b: number,
): { script: WorldTx['outputs'][number]['script']; valueSats: bigint } {
  const institutionId = INSTITUTIONS[a % 3]!;
  const valueSats = pick(VALUES, b)! * (bit(b, 8) ? 0n : 1n);
  const reused = pick(world.places, b >> 3);
  if (bit(a, 4) && bit(a, 5) && reused !== undefined) return { script: reused.script, valueSats };
  const isClearing = bit(a, 2);
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
  const coins = world.book.settlements.ids().length === 0 ? [] : world.book.coins.ofWallet(`w-${INSTITUTIONS[a % 3]!}`);
  const coin = pick(coins, a >> 2);
  if (coin === undefined) return;
  const outputs = [{ script: world.elsewhere(), valueSats: 400n }];
  if (bit(b, 0)) outputs.push(target(world, b, a));
  const tx = world.pay([coin.outpoint], outputs);
  if (bit(b, 1)) world.mine(() => false, [tx]);
  else world.chain.accept(tx);
}

/** One block or a few; all of the mempool, half of it or nothing. */
function mine(world: World, a: number, b: number, c: number): void {
  const count = a % 4 === 0 ? 1 + (b % 6) : 1;
  for (let i = 0; i < count; i++) {
    world.mine((tx) => c % 3 === 0 || (c % 3 === 1 && bit(b, Number.parseInt(tx.txid.slice(0, 1), 16))));
  }
}
