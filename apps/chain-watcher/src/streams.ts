import {
  type BroadcastEvent,
  type BroadcastState,
  broadcast,
  type ChainEvent,
  type ChainState,
  chain,
  type WatchEvent,
  type WatchState,
  watch,
} from '@finality/chain';
import { chainV1, encoded, TOPICS, toTimestamp } from '@finality/contracts';
import type { AnyStreamType, EventEnvelope, PublicMessage, StreamType } from '@finality/event-store';
import { assertNever, type Instant } from '@finality/kernel';

/** The facts of one network; the stream's id is its name. */
export const chainStream: StreamType<ChainState, ChainEvent> = {
  aggregate: chain,
  institutions: () => [],
  publish(event, state, envelope) {
    const network = envelope.stream.slice(`${chain.name}/`.length);
    return [factMessage(network, state.facts, event, envelope)];
  },
};

/** By wallet. */
export const watchStream: StreamType<WatchState, WatchEvent> = {
  aggregate: watch,
  institutions: () => [],
  publish(event, state) {
    const hasBegunToScan = event.type === 'scripts_watched' && event.rescan !== null;
    if (event.type !== 'watch_acknowledged' && !hasBegunToScan) return [];
    const { external, internal } = state.acknowledged;
    const message = {
      walletId: state.walletId,
      externalBelow: external,
      internalBelow: internal,
      scanning: state.rescan !== null,
    };
    return [
      {
        topic: TOPICS.watch.name,
        orderingKey: state.walletId,
        type: TOPICS.watch.message,
        schemaVersion: 1,
        payload: encoded(chainV1.WatchExtended, message),
      },
    ];
  },
};

/** By txid. What others get to know of it is a chain fact. */
export const broadcastStream: StreamType<BroadcastState, BroadcastEvent> = {
  aggregate: broadcast,
  institutions: () => [],
  publish: () => [],
};

function factMessage(
  network: string,
  sourcePosition: bigint,
  event: ChainEvent,
  envelope: EventEnvelope,
): PublicMessage {
  const fact: chainV1.ChainFact = {
    network,
    sourcePosition,
    observedAt: toTimestamp(envelope.recordedAt),
    ...factOf(event),
  };
  return {
    topic: TOPICS.chainFact.name,
    orderingKey: network,
    type: TOPICS.chainFact.message,
    schemaVersion: 1,
    payload: encoded(chainV1.ChainFact, fact),
  };
}

type FactPart = Partial<Omit<chainV1.ChainFact, 'network' | 'sourcePosition' | 'observedAt'>>;

const MS_PER_SECOND = 1000;

function factOf(event: ChainEvent): FactPart {
  switch (event.type) {
    case 'block_connected': {
      const { height, hash, previousHash } = event;
      const blockTime = toTimestamp((event.time * MS_PER_SECOND) as Instant);
      return { blockConnected: { height, blockHash: hash, previousHash, blockTime } };
    }
    case 'block_disconnected': {
      const { height, hash, forkHeight, depth } = event;
      return { blockDisconnected: { height, blockHash: hash, forkHeight, depth } };
    }
    case 'transaction_seen':
      return { transactionSeen: { transaction: transactionOf(event.transaction) } };
    case 'transaction_confirmed': {
      const { transaction, height, blockHash } = event;
      return { transactionConfirmed: { transaction: transactionOf(transaction), height, blockHash } };
    }
    case 'transaction_unconfirmed': {
      const { txid, height, blockHash } = event;
      return { transactionUnconfirmed: { txid, height, blockHash } };
    }
    case 'transaction_replaced': {
      const { txid, byTxid, outpoint, byHeight, byBlockHash, node } = event;
      return { transactionReplaced: { txid, byTxid, outpoint, byHeight, byBlockHash, node } };
    }
    case 'transaction_evicted': {
      const { txid, reason, conflictingTxid, node } = event;
      return { transactionEvicted: { txid, reason, conflictingTxid, node } };
    }
    case 'fees_estimated': {
      const { fast, normal, slow, floor, mempool } = event.fees;
      return {
        feesEstimated: {
          fast: fast ?? 0n,
          normal: normal ?? 0n,
          slow: slow ?? 0n,
          floor,
          node: event.node,
          mempoolKnown: mempool !== null,
          mempool: (mempool ?? []).map(({ feeRate, vsize }) => ({
            feeRateSatsPerKvb: feeRate,
            vsizeBytes: BigInt(vsize),
          })),
        },
      };
    }
    case 'block_agreed':
      return { blockAgreed: { height: event.height, blockHash: event.hash } };
    case 'block_disputed':
      return { blockDisputed: { height: event.height, blockHash: event.hash } };
    case 'transaction_broadcast': {
      const { txid, lineageId, answer } = event;
      return { transactionBroadcast: { txid, lineageId, answer } };
    }
    default:
      return assertNever(event, 'chain event');
  }
}

function transactionOf(
  transaction: Extract<ChainEvent, { type: 'transaction_seen' }>['transaction'],
): chainV1.WatchedTransaction {
  const { txid, coinbase, inputs, outputs, raw } = transaction;
  return {
    txid,
    coinbase,
    inputs: inputs.map(({ outpoint, script, walletId, valueSats }) => ({ outpoint, script, walletId, valueSats })),
    outputs: outputs.map(({ vout, valueSats, script, walletId, branch, index, custodial }) => {
      return { vout, valueSats, script, walletId, branch, index, custodial };
    }),
    raw: Buffer.from(raw ?? '', 'hex'),
  };
}

/** Every type of stream in this service's store. */
export const STREAMS: readonly AnyStreamType[] = [chainStream, watchStream, broadcastStream];
