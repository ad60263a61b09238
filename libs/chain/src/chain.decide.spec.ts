import type { BlockHash, FeeBucket, FeeRate, OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import type { Instant, Sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { chain, type ChainEvent } from './chain.ts';
import { type ChainCommand, decideChain, type LookedUp } from './chain.decide.ts';
import type { ObservedTransaction } from './transaction.ts';
import { WatchView } from './watch-view.ts';

const id = (name: string): Txid => name as Txid;
const hash = (name: string): BlockHash => name as BlockHash;
const OURS = 'script of ours' as ScriptHex;
const THEIRS = 'script of theirs' as ScriptHex;

/** A transaction that spends those outpoints and pays those scripts 1,000 sat, 1,001 sat, … */
function tx(name: string, spends: readonly string[], pays: readonly ScriptHex[]): ObservedTransaction {
  const outputs = pays.map((script, vout) => ({ vout, valueSats: BigInt(1_000 + vout) as Sats, script }));
  return { txid: id(name), coinbase: false, spends: spends as readonly OutpointKey[], outputs };
}

const NOT_LOOKED_UP: LookedUp = { transactions: new Set(), prevouts: new Map(), ancestorInputs: new Map() };
const observer = { node: '/node:1/', at: 1_000 as Instant };
const lookedUp = (txid: string, ...scripts: readonly (readonly [string, string])[]): LookedUp => ({
  ...NOT_LOOKED_UP,
  transactions: new Set([id(txid)]),
  prevouts: new Map(
    scripts.map(([outpoint, script]) => [
      outpoint as OutpointKey,
      { script: script as ScriptHex, valueSats: 5_000n as Sats },
    ]),
  ),
});

const connect = (
  height: number,
  transactions: readonly ObservedTransaction[] = [],
  found = NOT_LOOKED_UP,
  branch = '',
): ChainCommand => ({
  kind: 'connect_block',
  height,
  hash: hash(`block${height}${branch}`),
  previousHash: hash(`block${height - 1}`),
  time: height,
  transactions,
  lookedUp: found,
  observer,
});
const see = (...transactions: readonly ObservedTransaction[]): ChainCommand => ({
  kind: 'observe_mempool',
  transactions,
  lookedUp: { ...NOT_LOOKED_UP, transactions: new Set(transactions.map(({ txid }) => txid)) },
  observer,
});
/** The transaction in the mempool, with unconfirmed ancestors: `[outpoint, ancestor]`. */
const seeAbove = (
  transaction: ObservedTransaction,
  ...ancestors: readonly (readonly [string, string])[]
): ChainCommand => {
  const inputs = ancestors.map(([outpoint, ancestor]) => ({
    outpoint: outpoint as OutpointKey,
    ancestor: id(ancestor),
  }));
  const found = { ...lookedUp(transaction.txid), ancestorInputs: new Map([[transaction.txid, inputs]]) };
  return { kind: 'observe_mempool', transactions: [transaction], lookedUp: found, observer };
};
const evict = (txid: string, expiryMs: number | null = null, at = 2_000): ChainCommand => ({
  kind: 'evict',
  txids: [id(txid)],
  expiryMs,
  observer: { node: observer.node, at: at as Instant },
});
const disconnect = (...heights: readonly number[]): ChainCommand => ({
  kind: 'disconnect_blocks',
  blocks: heights.map((height) => ({
    height,
    hash: hash(`block${height}`),
    previousHash: hash(`block${height - 1}`),
  })),
});

/** What the facts say, in short; refusals by their reason. */
function given(...before: readonly ChainCommand[]): { when(command: ChainCommand): readonly string[] } {
  const view = new WatchView();
  view.watch(OURS, { walletId: 'w', branch: 0, index: 7, custodial: true });
  let state = chain.initialState;
  const handle = (command: ChainCommand): readonly ChainEvent[] | string => {
    const decision = decideChain(command, state, view);
    if (decision.kind === 'refused') return decision.refused.reason;
    for (const event of decision.events) {
      state = chain.evolve(state, event);
      view.apply(event);
    }
    return decision.events;
  };
  for (const command of before) expect(handle(command), 'what is given is accepted').toBeInstanceOf(Array);
  return {
    when: (command) => {
      const facts = handle(command);
      return typeof facts === 'string' ? [facts] : facts.map(inShort);
    },
  };
}

function inShort(event: ChainEvent): string {
  switch (event.type) {
    case 'block_connected':
      return `connected ${event.hash}`;
    case 'block_disconnected':
      return `disconnected ${event.hash} fork ${event.forkHeight} depth ${event.depth}`;
    case 'transaction_seen':
      return `seen ${event.transaction.txid}`;
    case 'transaction_confirmed':
      return `confirmed ${event.transaction.txid} in ${event.blockHash}`;
    case 'transaction_unconfirmed':
      return `unconfirmed ${event.txid} of ${event.blockHash}`;
    case 'transaction_replaced':
      return `replaced ${event.txid} by ${event.byTxid} over ${event.outpoint} in ${event.byBlockHash || 'mempool'} @${event.byHeight}`;
    case 'transaction_evicted':
      return `${event.reason} ${event.txid}${event.conflictingTxid && ` by ${event.conflictingTxid}`}`;
    case 'transaction_broadcast':
      return `broadcast ${event.txid}`;
    case 'block_agreed':
      return `agreed ${event.hash}`;
    case 'block_disputed':
      return `disputed ${event.hash}`;
    case 'fees_estimated':
      return `fees ${event.fees.fast} ${event.fees.normal} ${event.fees.slow} ${event.fees.floor}`;
  }
}

const deposit = tx('deposit', ['x:0'], [THEIRS, OURS]);
const theft = tx('theft', ['x:0'], [THEIRS]);
const found = lookedUp('deposit', ['x:0', THEIRS]);

describe('before any block', () => {
  it('starts anywhere', () => {
    expect(given().when(connect(100))).toEqual(['connected block100']);
  });
});

describe('what the node estimates', () => {
  const fees = (fast: bigint | null, mempool: readonly FeeBucket[] | null = null): ChainCommand => ({
    kind: 'estimate_fees',
    fees: { fast: fast as FeeRate | null, normal: null, slow: null, floor: 1_000n as FeeRate, mempool },
    node: '/node/',
  });

  it('is told when it has changed', () => {
    expect(given(fees(null)).when(fees(5_000n))).toEqual(['fees 5000 null null 1000']);
    expect(given(fees(5_000n)).when(fees(5_000n))).toEqual([]);
    expect(given(fees(5_000n)).when(fees(null))).toEqual(['fees null null null 1000']);
  });

  it('is told when it takes another feerate to outbid the mempool, not whenever that changes', () => {
    const full = (rate: bigint, vsize = 1_500_000): ChainCommand => fees(5_000n, [{ feeRate: rate as FeeRate, vsize }]);
    const told = ['fees 5000 null null 1000'];
    expect(given(fees(5_000n)).when(full(20_000n))).toEqual(told);
    expect(given(full(20_000n)).when(full(20_000n, 1_900_000))).toEqual([]);
    expect(given(full(20_000n)).when(full(20_500n))).toEqual([]);
    expect(given(full(20_000n)).when(full(22_000n))).toEqual(told);
    // There is room for everybody, and more of it.
    expect(given(full(20_000n, 10_000)).when(full(90_000n, 20_000))).toEqual([]);
    expect(given(full(20_000n)).when(fees(5_000n, []))).toEqual(told);
    expect(given(full(20_000n)).when(fees(5_000n))).toEqual(told);
  });
});

describe('at a tip', () => {
  it('a block that follows, its transactions first', () => {
    expect(given(connect(1)).when(connect(2, [theft, deposit], found))).toEqual([
      'confirmed deposit in block2',
      'connected block2',
    ]);
  });

  it('refuses a block that doesn’t follow, or a height that it can’t have', () => {
    expect(given(connect(1)).when(connect(3))).toEqual(['NOT_AT_TIP']);
    expect(given(connect(1), connect(2)).when(connect(2))).toEqual(['NOT_AT_TIP']);
    const wrongHeight = { ...connect(2), height: 5 } as ChainCommand;
    expect(given(connect(1)).when(wrongHeight)).toEqual(['NOT_AT_TIP']);
  });

  it('refuses to guess what a deposit spends', () => {
    expect(given(connect(1)).when(connect(2, [deposit]))).toEqual(['PREVOUTS_NOT_LOOKED_UP']);
  });

  it('says what is known about inputs: ours, found, seen before, unknown', () => {
    const view = new WatchView();
    view.watch(OURS, { walletId: 'w', branch: 1, index: 7, custodial: false });
    const parent = tx('parent', [], [OURS]);
    const child = tx('child', ['parent:0', 'x:0', 'y:0'], [OURS]);
    const decision = decideChain(
      connect(1, [parent, child], lookedUp('child', ['x:0', THEIRS])),
      chain.initialState,
      view,
    );
    const facts = decision.kind === 'accepted' ? decision.events : [];
    const confirmed = facts.flatMap((fact) => (fact.type === 'transaction_confirmed' ? [fact.transaction] : []));
    expect(confirmed[1]).toEqual({
      txid: 'child',
      coinbase: false,
      inputs: [
        { outpoint: 'parent:0', walletId: 'w', script: OURS, valueSats: 1_000n },
        { outpoint: 'x:0', walletId: '', script: THEIRS, valueSats: 5_000n },
        { outpoint: 'y:0', walletId: '', script: '', valueSats: 0n },
      ],
      outputs: [{ vout: 0, valueSats: 1_000n, script: OURS, walletId: 'w', branch: 1, index: 7, custodial: false }],
    });
  });

  it('a spender of ours that pays nobody of ours, in the same block as its parent', () => {
    const parent = tx('parent', [], [OURS]);
    const child = tx('child', ['parent:0'], [THEIRS]);
    expect(given(connect(1)).when(connect(2, [parent, child]))).toEqual([
      'confirmed parent in block2',
      'confirmed child in block2',
      'connected block2',
    ]);
  });
});

describe('a reorg', () => {
  const before = [connect(1), connect(2, [deposit], found), connect(3)];

  it('takes back tip first, the transactions of each block before the block', () => {
    expect(given(...before).when(disconnect(3, 2))).toEqual([
      'disconnected block3 fork 1 depth 2',
      'unconfirmed deposit of block2',
      'disconnected block2 fork 1 depth 2',
    ]);
  });

  it('begins at the tip or not at all', () => {
    expect(given(...before).when(disconnect(2))).toEqual(['NOT_AT_TIP']);
    expect(given(...before, disconnect(3)).when(disconnect(3))).toEqual(['NOT_AT_TIP']);
  });

  it('the transaction confirms again, with what was known about it', () => {
    expect(given(...before, disconnect(3, 2)).when(connect(2, [deposit], NOT_LOOKED_UP, 'b'))).toEqual([
      'confirmed deposit in block2b',
      'connected block2b',
    ]);
  });

  it('a transaction that comes back to the mempool isn’t news', () => {
    expect(given(...before, disconnect(3, 2)).when(see(deposit))).toEqual([]);
  });

  it('another transaction takes its place', () => {
    expect(given(...before, disconnect(3, 2)).when(connect(2, [theft], NOT_LOOKED_UP, 'b'))).toEqual([
      'replaced deposit by theft over x:0 in block2b @2',
      'connected block2b',
    ]);
  });

  it('what a block excluded is excluded again by the next block that does', () => {
    const excluded = [connect(1), see(deposit), connect(2, [theft])];
    expect(given(...excluded, disconnect(2)).when(connect(2, [theft], NOT_LOOKED_UP, 'b'))).toEqual([
      'replaced deposit by theft over x:0 in block2b @2',
      'connected block2b',
    ]);
  });
});

describe('the mempool', () => {
  it('tells of a transaction once', () => {
    expect(given(connect(1)).when(see(deposit))).toEqual(['seen deposit']);
    expect(given(connect(1), see(deposit)).when(see(deposit))).toEqual([]);
  });

  it('names a replacement, foreign or not, once', () => {
    expect(given(connect(1), see(deposit)).when(see(theft))).toEqual([
      'replaced deposit by theft over x:0 in mempool @0',
    ]);
    expect(given(connect(1), see(deposit), see(theft)).when(see(theft))).toEqual([]);
  });

  it('and again when a block makes it so', () => {
    expect(given(connect(1), see(deposit), see(theft)).when(connect(2, [theft]))).toEqual([
      'replaced deposit by theft over x:0 in block2 @2',
      'connected block2',
    ]);
  });

  it('a transaction that was replaced, or evicted, can come back', () => {
    expect(given(connect(1), see(deposit), see(theft)).when(see(deposit))).toEqual(['seen deposit']);
    const gone = evict('deposit');
    expect(given(connect(1), see(deposit)).when(gone)).toEqual(['evicted deposit']);
    expect(given(connect(1), see(deposit), gone).when(gone)).toEqual([]);
    expect(given(connect(1), see(deposit), gone).when(see(deposit))).toEqual(['seen deposit']);
  });

  it('a poll older than a block says nothing about what the block has settled', () => {
    expect(given(connect(1, [deposit], found)).when(see(deposit))).toEqual([]);
    expect(given(connect(1), see(deposit), connect(2, [theft])).when(see(deposit))).toEqual([]);
    expect(given(connect(1, [deposit], found)).when(evict('deposit'))).toEqual([]);
  });

  it('a chain of replacements, and the first of it back: A(x), B(x,y), C(y,z)', () => {
    const a = tx('a', ['x:0'], [OURS]);
    const b = tx('b', ['x:0', 'y:0'], [OURS]);
    const c = tx('c', ['y:0', 'z:0'], [THEIRS]);
    const replaced = given(connect(1), see(a), see(b));
    expect(replaced.when(see(c))).toEqual(['replaced b by c over y:0 in mempool @0']);
    expect(replaced.when(see(a, c))).toEqual(['seen a', 'replaced b by a over x:0 in mempool @0']);
    expect(replaced.when(see(a))).toEqual([]);
  });

  it('has expired once it was there for as long as the node keeps it', () => {
    expect(given(connect(1), see(deposit)).when(evict('deposit', 1_000, 1_999))).toEqual(['evicted deposit']);
    expect(given(connect(1), see(deposit)).when(evict('deposit', 1_000, 2_000))).toEqual(['expired deposit']);
    expect(given(connect(1), see(deposit)).when(evict('deposit', null, 9_000_000))).toEqual(['evicted deposit']);
  });
});

describe('a deposit with unconfirmed ancestors', () => {
  const rival = tx('rival', ['g:0'], [THEIRS]);
  const parent = tx('x', ['g:0'], [THEIRS, THEIRS]);
  const before = [connect(1), seeAbove(deposit, ['g:0', 'x'])];

  it('is double-spent by whatever else spends what an ancestor spends, once', () => {
    expect(given(...before).when(see(rival))).toEqual(['double_spent deposit by rival']);
    expect(given(...before, see(rival)).when(see(rival))).toEqual([]);
    expect(given(...before).when(connect(2, [rival]))).toEqual(['double_spent deposit by rival', 'connected block2']);
    expect(given(...before, see(rival)).when(see(deposit))).toEqual(['seen deposit']);
  });

  it('not by the ancestor, and not any more when it is in a block itself', () => {
    expect(given(...before).when(connect(2, [parent]))).toEqual(['connected block2']);
    expect(given(...before, connect(2, [parent, deposit], found)).when(see(rival))).toEqual([]);
  });

  it('is replaced when the other spends an input of its own as well', () => {
    const both = tx('both', ['g:0', 'x:0'], [THEIRS]);
    expect(given(...before).when(see(both))).toEqual(['replaced deposit by both over x:0 in mempool @0']);
  });
});

describe('blocks read again', () => {
  const rescan = (transactions: readonly ObservedTransaction[]): ChainCommand => {
    return { kind: 'rescan_block', height: 1, hash: hash('block1'), transactions, lookedUp: found };
  };

  it('tell of transactions that nobody had been watching', () => {
    expect(given(connect(1), connect(2)).when(rescan([theft, deposit]))).toEqual(['confirmed deposit in block1']);
  });

  it('and of nothing twice', () => {
    expect(given(connect(1, [deposit], found), connect(2)).when(rescan([deposit]))).toEqual([]);
  });
});

describe('a second node', () => {
  const blocks = (...heights: readonly number[]) => heights.map((height) => ({ height, hash: hash(`block${height}`) }));
  const agree = (...heights: readonly number[]): ChainCommand => ({ kind: 'agree', blocks: blocks(...heights) });
  const dispute = (...heights: readonly number[]): ChainCommand => ({
    kind: 'dispute',
    blocks: blocks(...heights).map((block) => ({ ...block, previousHash: hash(`block${block.height - 1}`) })),
  });
  const three = [connect(1), connect(2), connect(3)];

  it('agrees to one block after the other, up to the tip', () => {
    expect(given(...three).when(agree(1, 2))).toEqual(['agreed block1', 'agreed block2']);
    expect(given(...three, agree(1, 2)).when(agree(3))).toEqual(['agreed block3']);
    expect(given(...three, agree(1, 2)).when(agree(2))).toEqual(['NOT_AGREED_UPON']);
    expect(given(...three).when(agree(3, 4))).toEqual(['NOT_AGREED_UPON']);
    expect(given().when(agree(1))).toEqual(['NOT_AGREED_UPON']);
  });

  it('can take it back, the last block first', () => {
    const left = given(...three, agree(1, 2, 3));
    expect(left.when(dispute(3, 2))).toEqual(['disputed block3', 'disputed block2']);
    expect(left.when(agree(2))).toEqual(['agreed block2']);
    expect(left.when(dispute(1))).toEqual(['NOT_AGREED_UPON']);
  });

  it('has agreed to nothing that a reorg took', () => {
    const reorged = given(...three, agree(1, 2, 3), disconnect(3, 2));
    expect(reorged.when(dispute(3))).toEqual(['NOT_AGREED_UPON']);
    reorged.when(connect(2, [], NOT_LOOKED_UP, 'b'));
    expect(reorged.when(agree(2))).toEqual(['agreed block2']);
  });
});
