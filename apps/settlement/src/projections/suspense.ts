import type { States, StoredEvent, WritingSession } from '@finality/event-store';
import type { Sats } from '@finality/kernel';
import {
  type ChainTipEvent,
  isGivenUp,
  type LineageEvent,
  living,
  suspendedSats,
  type TakenCoin,
  versionNumbered,
} from '@finality/settlement';
import { chainTipStream, depositStream, lineageStream, settlementStream } from '../store/streams.ts';

/** Why value is nobody's for the time being: what the accounts `suspense/…` consist of. */
export type SuspenseKind =
  | 'deposit'
  /** Missing: somebody else has spent it. */
  | 'taken_coin'
  | 'settlement'
  /** Missing: it has left although it had been given up. */
  | 'late_payout';

interface Row {
  readonly kind: SuspenseKind;
  /** Outpoint, or settlement; of a late payout lineage and settlement, with a space between. */
  readonly item: string;
  /** Missing: it isn't in suspense any more. */
  readonly is?: { readonly amountSats: bigint; readonly walletId: string; readonly reason: string };
}

/** What came into suspense with a batch, and what has left it. */
export function saveSuspense(session: WritingSession, events: readonly StoredEvent[], states: States): void {
  const rows = new Map<string, Row>();
  for (const event of events) for (const row of rowsOf(event, states)) rows.set(`${row.kind} ${row.item}`, row);
  if (rows.size === 0) return;
  const gone = [...rows.values()].filter(({ is }) => is === undefined);
  const there = [...rows.values()].flatMap(({ kind, item, is }) => (is === undefined ? [] : [{ kind, item, ...is }]));
  if (gone.length > 0)
    session.send(
      'DELETE FROM suspense USING unnest($1::text[], $2::text[]) AS gone (kind, item) WHERE suspense.kind = gone.kind AND suspense.item = gone.item',
      [gone.map(({ kind }) => kind), gone.map(({ item }) => item)],
    );
  if (there.length > 0)
    session.send(
      `INSERT INTO suspense (kind, item, amount_sats, wallet_id, reason)
       SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
       ON CONFLICT (kind, item) DO UPDATE SET amount_sats = excluded.amount_sats, reason = excluded.reason`,
      [
        there.map(({ kind }) => kind),
        there.map(({ item }) => item),
        there.map(({ amountSats }) => amountSats),
        there.map(({ walletId }) => walletId),
        there.map(({ reason }) => reason),
      ],
    );
}

/** Those whose payouts have confirmed: whether they had been given up by then is for them to say. */
export function settlementsInSuspense(events: readonly StoredEvent[], states: States): readonly string[] {
  const prefix = `${lineageStream.aggregate.name}/`;
  return (events as readonly StoredEvent<LineageEvent>[]).flatMap(({ stream, data }) => {
    if (!stream.startsWith(prefix) || data.type !== 'version_confirmed') return [];
    const lineage = states.state(lineageStream, stream.slice(prefix.length));
    if (!('versions' in lineage)) return [];
    const { payouts } = versionNumbered(lineage, data.version);
    return payouts.map(({ settlementId }) => `${settlementStream.aggregate.name}/${settlementId}`);
  });
}

function rowsOf({ stream, data }: StoredEvent, states: States): readonly Row[] {
  const slash = stream.indexOf('/');
  const [name, id] = [stream.slice(0, slash), stream.slice(slash + 1)];
  switch (name) {
    case depositStream.aggregate.name:
      return [depositRow(id, states)];
    case settlementStream.aggregate.name:
      return settlementRow(id, states);
    case chainTipStream.aggregate.name:
      return takenRow(data as ChainTipEvent);
    case lineageStream.aggregate.name:
      return lateRows(id, data as LineageEvent, states);
    default:
      return [];
  }
}

function depositRow(item: string, states: States): Row {
  const deposit = states.state(depositStream, item);
  const kind = 'deposit';
  const isThere = deposit.status !== 'none' && deposit.status !== 'gone' && deposit.status !== 'reversed';
  if (!isThere || deposit.beneficiary.kind !== 'suspense') return { kind, item };
  const { terms, beneficiary } = deposit;
  return { kind, item, is: { amountSats: terms.valueSats, walletId: terms.walletId, reason: beneficiary.reason } };
}

/** Nearly none has ever been there. */
function settlementRow(item: string, states: States): readonly Row[] {
  const state = living(states.state(settlementStream, item));
  if (state.settledTimes === 0) return [];
  const amountSats: Sats = suspendedSats(state);
  const kind = 'settlement';
  if (amountSats === 0n) return [{ kind, item }];
  return [{ kind, item, is: { amountSats, walletId: '', reason: state.status } }];
}

function takenRow(event: ChainTipEvent): readonly Row[] {
  if (event.type !== 'coin_taken' && event.type !== 'coin_returned') return [];
  const { outpoint: item, walletId, valueSats, byTxid, inSuspense }: TakenCoin = event.coin;
  if (!inSuspense) return [];
  const kind = 'taken_coin';
  if (event.type === 'coin_returned') return [{ kind, item }];
  return [{ kind, item, is: { amountSats: -valueSats, walletId, reason: `spent by ${byTxid}` } }];
}

function lateRows(lineageId: string, event: LineageEvent, states: States): readonly Row[] {
  if (event.type !== 'version_confirmed' && event.type !== 'version_unconfirmed') return [];
  const lineage = states.state(lineageStream, lineageId);
  if (!('versions' in lineage)) return [];
  const kind = 'late_payout';
  return versionNumbered(lineage, event.version).payouts.flatMap(({ settlementId, payee, amountSats, feeSats }) => {
    const item = `${lineageId} ${settlementId}`;
    if (event.type === 'version_unconfirmed') return [{ kind, item }];
    if (!isGivenUp(living(states.state(settlementStream, settlementId)))) return [];
    const leftSats = payee.kind === 'destination' ? amountSats + feeSats : feeSats;
    const is = { amountSats: -leftSats, walletId: lineage.walletId, reason: 'paid after it had been given up' };
    return [{ kind, item, is }];
  });
}
