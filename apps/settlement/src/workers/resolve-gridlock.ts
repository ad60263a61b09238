import type { Session } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import {
  type CapRoom,
  capOf,
  type Headroom,
  type Netting,
  type QueuedPayment,
  resolveGridlock,
  type SettlementPolicy,
  windowBetween,
} from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { cappedPlaces, loadCapped } from '../store/capped.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

/** Looked at, and so settled, at once: in one batch, which others wait for. What is further back in its line has its turn afterwards. */
const QUEUED_MAX = 2_000;
/** Reading all lines each time anything happens would cost more than it gains. */
const INTERVAL_MS = 1_000;
const POLL_MS = 1_000;

interface PaymentRow {
  readonly settlement_id: string;
  readonly from_institution: string;
  readonly to_institution: string;
  readonly amount_sats: bigint;
}

interface HeadroomRow {
  readonly institution_id: string;
  readonly sats: bigint;
}

/** The first of each line before the second of any: where there are too many, each line is cut short at its end. */
const LINES = `
  SELECT settlement_id, from_institution, to_institution, amount_sats FROM (
    SELECT *, row_number() OVER (PARTITION BY payer_claim ORDER BY queue_rank, updated_position) AS place
    FROM settlements WHERE status = 'queued' AND mode = 'centralized' AND payer_claim = 'clearing/' || from_institution) line
  ORDER BY place, updated_position LIMIT ${QUEUED_MAX}`;

const HEADROOM = `
  SELECT institution_id, coalesce(credits_posted - debits_posted - debits_pending + overdraft, 0)::bigint AS sats
  FROM unnest($1::text[]) AS payer(institution_id) LEFT JOIN ledger_accounts ON id = 'clearing/' || institution_id || '/available'`;

/**
 * CENTRALIZED settlements that wait because each payer waits for another one are settled together, where they pay for each other. Whoever can pay the first of its line
 * by itself does that first. What is found here is decided on in a batch, all of it or nothing: the state may have moved on.
 */
export class ResolveGridlock implements Worker {
  readonly name = 'settlement resolve gridlock';
  readonly pollMs = POLL_MS;
  readonly #env: SettlementEnv;
  readonly #store: SettlementStore;
  readonly #reader: SettlementReader;
  readonly #gate: RecoveryGate;
  #lookedAt = { position: -1n, ms: Number.NEGATIVE_INFINITY };

  constructor(env: SettlementEnv, store: SettlementStore, reader: SettlementReader, gate: RecoveryGate) {
    this.#env = env;
    this.#store = store;
    this.#reader = reader;
    this.#gate = gate;
  }

  async step(): Promise<'progress' | 'idle'> {
    if (!this.#gate.isOpen) return 'idle';
    const { pool, runtime } = this.#env;
    const ms = runtime.monotonicMs();
    if (ms < this.#lookedAt.ms + INTERVAL_MS) return 'idle';
    const { position } = await this.#reader.head();
    if (position === this.#lookedAt.position) return 'idle';
    const { state: netting } = await this.#reader.loadState(nettingStream, NETTING_ID);
    const { debitCapSats } = this.#env.config.policy;
    const settlementIds = await readTransaction(pool, (session) => findOffsetting(session, netting, debitCapSats));
    this.#lookedAt = { position, ms };
    if (settlementIds.length === 0) return 'idle';
    const gridlockId = runtime.id();
    const [outcome] = await this.#store.execute([
      {
        body: { type: 'resolve_gridlock', request: { gridlockId, settlementIds } },
        cause: ownCause(this.#env, gridlockId),
      },
    ]);
    if (outcome?.kind === 'failed') throw outcome.error;
    return 'progress';
  }
}

async function findOffsetting(
  session: Session,
  netting: Netting,
  everybodySats: SettlementPolicy['debitCapSats'],
): Promise<readonly string[]> {
  const rows = await session.query<PaymentRow>(LINES);
  if (rows.length === 0) return [];
  const payments = rows.map((row) => paymentOf(row, netting));
  const lines = Map.groupBy(payments, ({ from }) => from);
  const found = await session.query<HeadroomRow>(HEADROOM, [[...lines.keys()]]);
  const headroom = new Map(found.map(({ institution_id: id, sats }) => [id, sats]));
  const capRoom = await roomsOf(session, netting, [...lines.keys()], everybodySats);
  const moves = [...lines.values()].some(([first]) => isPayable(first!, headroom, capRoom));
  return moves ? [] : resolveGridlock([...lines.values()], headroom, capRoom).map(({ settlementId }) => settlementId);
}

const isPayable = ({ from, amountSats, windowId = '' }: QueuedPayment, headroom: Headroom, capRoom: CapRoom): boolean =>
  amountSats <= (headroom.get(from) ?? 0n) && amountSats <= (capRoom.get(from)?.get(windowId) ?? amountSats);

async function roomsOf(
  session: Session,
  netting: Netting,
  institutionIds: readonly string[],
  everybodySats: SettlementPolicy['debitCapSats'],
): Promise<CapRoom> {
  const places = cappedPlaces(netting, institutionIds, everybodySats);
  const positions = await loadCapped(session, places);
  const byInstitution = Map.groupBy(places, ({ institutionId }) => institutionId);
  return new Map(
    [...byInstitution].map(([id, windows]) => {
      const capSats = capOf(netting, id, everybodySats) ?? 0n;
      return [id, new Map(windows.map(({ windowId }) => [windowId, capSats + positions.netOf(windowId, id)]))];
    }),
  );
}

function paymentOf(row: PaymentRow, netting: Netting): QueuedPayment {
  const { from_institution: from, to_institution: to } = row;
  const window = windowBetween(netting, from, to);
  const place = window === undefined ? {} : { windowId: window.windowId };
  return { settlementId: row.settlement_id, from, to, amountSats: row.amount_sats, ...place };
}
