import type { AnyStreamType, Projection, Rebuild, States, StoredEvent, WritingSession } from '@finality/event-store';
import { LEDGER_DERIVED, LEDGER_RECORD } from '@finality/ledger-store';
import { legsOf, type LineageEvent, living, PositionBook, type SettlementEvent } from '@finality/settlement';
import { CREDIT_STREAMS } from '../store/credit-streams.ts';
import { EXCHANGE_STREAMS } from '../store/exchange-streams.ts';
import { proposalStream } from '../store/proposal-stream.ts';
import { lineageStream, settlementStream, STREAMS } from '../store/streams.ts';
import { saveBankBookings } from './bank-bookings.ts';
import { saveDefaults } from './defaults.ts';
import { saveHeadAnchors } from './head-anchors.ts';
import { saveProposals } from './proposals.ts';
import { saveRates } from './rates.ts';
import { saveDeposits, saveInstitutions, saveLineages, saveSettlements, saveVersions } from './streams.ts';
import { saveSuspense, settlementsInSuspense } from './suspense.ts';
import { savePositions, saveWindows } from './windows.ts';

/** Every type of stream in this service's store. */
export const SETTLEMENT_STREAMS: readonly AnyStreamType[] = [
  ...STREAMS,
  ...EXCHANGE_STREAMS,
  ...CREDIT_STREAMS,
  proposalStream,
];

/** Everything that follows from this service's own events. */
const PROJECTIONS: readonly Projection[] = [
  { tables: ['settlements'], save: saveSettlements },
  { tables: ['institutions'], save: saveInstitutions },
  { tables: ['lineages'], save: saveLineages },
  { tables: ['lineage_versions'], save: (session, events) => saveVersions(session, versionsIn(events)) },
  { tables: ['head_anchors'], save: saveHeadAnchors },
  { tables: ['deposits'], save: saveDeposits },
  // Only in which order they came.
  { tables: ['suspense'], forgets: ['number'], needs: settlementsInSuspense, save: saveSuspense },
  { tables: ['bank_bookings'], save: saveBankBookings },
  { tables: ['rates'], save: saveRates },
  { tables: ['proposals'], save: saveProposals },
  { tables: ['defaults'], save: saveDefaults },
  { tables: ['windows'], save: saveWindows },
  { tables: ['window_positions'], save: savePositionsIn },
];

/** What others have said (wallets, addresses, destinations, and what the chain did to coins) stands in no event of this service. */
export const SETTLEMENT_REBUILD: Rebuild = {
  projections: PROJECTIONS,
  derived: LEDGER_DERIVED,
  left: {
    ...Object.fromEntries(
      LEDGER_RECORD.map((table) => [table, 'the ledger itself: "npm run ledger -- verify" proves it']),
    ),
    ...Object.fromEntries(
      ['wallets', 'addresses', 'destinations'].map((table) => [
        table,
        'what address-issuer has said, in messages that were taken already: from a backup (docs/recovery.md)',
      ]),
    ),
    ...Object.fromEntries(
      ['coins', 'maturities', 'previous_transactions'].map((table) => [
        table,
        'what the chain did, in messages of chain-watcher that were taken already: from a backup (docs/recovery.md)',
      ]),
    ),
  },
};

/** Transactions that these events offered, with their lineages. */
function versionsIn(events: readonly StoredEvent[]): ReadonlyMap<string, string> {
  const prefix = `${lineageStream.aggregate.name}/`;
  const versions = new Map<string, string>();
  for (const { stream, data } of events as readonly StoredEvent<LineageEvent>[])
    if (stream.startsWith(prefix) && data.type === 'version_offered')
      versions.set(data.version.txid, stream.slice(prefix.length));
  return versions;
}

/** Each settlement counts in the window that its event names. */
function savePositionsIn(session: WritingSession, events: readonly StoredEvent[], states: States): void {
  const prefix = `${settlementStream.aggregate.name}/`;
  const positions = new PositionBook();
  for (const { stream, data } of events as readonly StoredEvent<SettlementEvent>[]) {
    if (!stream.startsWith(prefix) || data.type !== 'settlement_settled' || data.windowId === undefined) continue;
    positions.add(data.windowId, legsOf(living(states.state(settlementStream, stream.slice(prefix.length))).terms));
  }
  savePositions(session, positions.added());
}
