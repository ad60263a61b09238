import { parseTxid } from '@finality/bitcoin';
import type { Runtime } from '@finality/kernel';
import { NodeUnauthorized, NodeUnreachable } from '../node-errors.ts';
import { type PushFeed, PushInbox } from './push.ts';

export interface WebsocketOptions {
  /** Of the JSON-RPC: `http://host:port`, or with `https:`. */
  readonly url: URL;
  readonly user: string;
  readonly password: string;
  readonly runtime: Runtime;
}

const OPEN_MS_MAX = 5_000;
/** Ids of the calls that are made once the connection is open, in their order. */
const CALLS = { authenticate: 1, notifyblocks: 2, notifynewtransactions: 3 } as const;
const CALLS_COUNT = Object.keys(CALLS).length;

interface Message {
  readonly id?: number | null;
  readonly method?: string;
  readonly params?: readonly unknown[];
  readonly error?: unknown;
}

/** btcd's websocket: blocks that are connected and disconnected, and transactions that it takes. It has no counters. @throws NodeError */
export async function openWebsocketFeed({ url, user, password, runtime }: WebsocketOptions): Promise<PushFeed> {
  const name = url.origin;
  const socket = new WebSocket(new URL('/ws', url.origin.replace(/^http/, 'ws')));
  const inbox = new PushInbox(runtime);
  const settled = new AbortController();
  const ready = new Promise<'ready' | 'refused' | 'closed'>((resolve) => {
    let answers = 0;
    socket.addEventListener('open', () => {
      const call = (method: keyof typeof CALLS, params: readonly unknown[]): void =>
        socket.send(JSON.stringify({ jsonrpc: '1.0', id: CALLS[method], method, params }));
      call('authenticate', [user, password]);
      call('notifyblocks', []);
      call('notifynewtransactions', [false]);
    });
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      const message = parsed(data);
      if (message.method !== undefined) return notify(message, inbox);
      answers += 1;
      if (message.error !== undefined && message.error !== null) resolve('refused');
      else if (answers === CALLS_COUNT) resolve('ready');
    });
    const lost = (): void => {
      resolve('closed');
      inbox.lost(new NodeUnreachable(name, 'the websocket was closed'));
    };
    socket.addEventListener('error', lost);
    socket.addEventListener('close', lost);
  });
  const late = runtime.sleep(OPEN_MS_MAX, settled.signal).then(() => 'late' as const);
  const outcome = await Promise.race([ready, late]);
  settled.abort();
  if (outcome === 'ready')
    return { channel: 'websocket', next: (waitMs) => inbox.next(waitMs), close: () => socket.close() };
  socket.close();
  // btcd closes without a word when it doesn't know whoever calls.
  if (outcome === 'refused') throw new NodeUnauthorized(name);
  throw new NodeUnreachable(
    name,
    outcome === 'late' ? `no websocket within ${OPEN_MS_MAX} ms` : 'it opens no websocket',
  );
}

function notify({ method, params }: Message, inbox: PushInbox): void {
  switch (method) {
    case 'filteredblockconnected':
    case 'filteredblockdisconnected':
    case 'blockconnected':
    case 'blockdisconnected':
      return inbox.chainChanged();
    case 'txaccepted': {
      const txid = typeof params?.[0] === 'string' ? parseTxid(params[0]) : undefined;
      if (txid?.ok) inbox.transactionArrived(txid.value);
      return;
    }
    default:
      return;
  }
}

function parsed(data: unknown): Message {
  try {
    const message: unknown = typeof data === 'string' ? JSON.parse(data) : {};
    return typeof message === 'object' && message !== null ? message : {};
  } catch {
    return {};
  }
}
