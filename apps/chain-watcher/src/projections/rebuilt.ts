import { isNetwork, type Network, type Txid } from '@finality/bitcoin';
import {
  broadcast,
  type BroadcastEvent,
  chain,
  type ChainEvent,
  watch,
  type WatchEvent,
  WatchView,
} from '@finality/chain';
import type { Rebuild, Session, States, StoredEvent } from '@finality/event-store';
import { assert, type Instant } from '@finality/kernel';
import { scriptsBetween } from '../scripts.ts';
import { watchStream } from '../streams.ts';
import { announced, saveStopped, saveWanted } from './broadcasts.projection.ts';
import { loadByTxid, loadOfBlocks, saveTransactions } from './transactions.projection.ts';
import { saveScripts, saveWallet, scriptsSaved } from './wallets.projection.ts';

/** Whoever is started next reads the tables from their beginning. */
const ORDER = ['ordinal'];

/** What is watched, what was found, and what is to be broadcast: by this service's own facts. */
export function chainRebuild(network: string): Rebuild {
  assert(isNetwork(network), `a network of Bitcoin: ${network}`);
  return {
    projections: [
      { tables: ['watched_wallets'], save: saveWatched },
      {
        tables: ['watched_scripts'],
        forgets: ORDER,
        save: (session, events, states) => saveWatchedScripts(session, events, states, network),
      },
      { tables: ['transactions', 'transaction_outpoints'], forgets: ORDER, save: saveFacts },
      { tables: ['broadcasts'], forgets: ['due_at', 'attempts', 'last_answer', 'conflict'], save: saveBroadcasts },
    ],
    left: {
      headers:
        'how much work a block has stands in no event, and nodes forget what left their chain: from a backup (docs/recovery.md)',
    },
  };
}

function of<Event extends { readonly type: string }>(
  events: readonly StoredEvent[],
  { name }: { readonly name: string },
): readonly StoredEvent<Event>[] {
  return events.filter(({ stream }) => stream.startsWith(`${name}/`)) as readonly StoredEvent<Event>[];
}

const idOf = ({ stream }: StoredEvent): string => stream.slice(stream.indexOf('/') + 1);

async function saveWatched(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const walletIds = new Set(of<WatchEvent>(events, watch).map(idOf));
  for (const walletId of walletIds) {
    const state = states.state(watchStream, walletId);
    // Addresses were issued, and the wallet isn't known yet.
    if (state.walletId !== '') await saveWallet(session, state);
  }
}

async function saveWatchedScripts(
  session: Session,
  events: readonly StoredEvent[],
  states: States,
  network: Network,
): Promise<void> {
  const stored = of<WatchEvent>(events, watch).filter(({ data }) => data.type === 'scripts_watched');
  for (const walletId of new Set(stored.map(idOf))) {
    const state = states.state(watchStream, walletId);
    const before = await scriptsSaved(session, walletId);
    await saveScripts(session, { walletId, scripts: scriptsBetween(state, before, state.watched, network) });
  }
}

/** As in a batch; but a transaction that is seen once more is stored with what it needed before, too. */
async function saveFacts(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const facts = of<ChainEvent>(events, chain).map(({ data }) => data);
  for (let start = 0, end; start < facts.length; start = end) {
    const seen = new Set<string>();
    for (end = start; end < facts.length; end++) {
      const fact = facts[end]!;
      if (fact.type !== 'transaction_seen') continue;
      if (seen.has(fact.transaction.txid)) break;
      seen.add(fact.transaction.txid);
    }
    await savePart(session, facts.slice(start, end));
  }
}

async function savePart(session: Session, facts: readonly ChainEvent[]): Promise<void> {
  const view = new WatchView();
  const gone = facts.flatMap((fact) => (fact.type === 'block_disconnected' ? [{ hash: fact.hash }] : []));
  await loadOfBlocks(session, gone, view);
  await loadByTxid(session, [...new Set(facts.flatMap(txidsOf))], view);
  for (const fact of facts) view.apply(fact);
  await saveTransactions(session, view.touched());
}

function txidsOf(fact: ChainEvent): readonly Txid[] {
  if ('transaction' in fact) return [fact.transaction.txid];
  return 'txid' in fact ? [fact.txid] : [];
}

/** What nodes answered, and when it is due, is history of its own kind: all of it is due at once. */
async function saveBroadcasts(session: Session, events: readonly StoredEvent[]): Promise<void> {
  for (const event of of<BroadcastEvent>(events, broadcast)) {
    const { data } = event;
    const txid = idOf(event) as Txid;
    if (data.type === 'broadcast_wanted')
      await saveWanted(session, { ...data, raw: Buffer.from(data.raw, 'hex') }, 0 as Instant);
    else if (data.type === 'broadcast_stopped') await saveStopped(session, txid);
    else await announced(session, txid);
  }
}
