import type { Session } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import {
  type CappedPlace,
  type CapRoom,
  capOf,
  type Headroom,
  lineIn,
  type Netting,
  type QueuedPayment,
  resolveGridlock,
  type SettlementPolicy,
  unitOfLine,
  windowBetween,
} from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { type Capped, cappedPlaces, loadCapped } from '../store/capped.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { ownCause } from './cause.ts';

/** Looked at, and so settled, at once: in one batch, which others wait for. What is further back in its line has its turn afterwards. */
const QUEUED_MAX = 2_000;
/** Reading all lines each time anything happens would cost more than it gains. */
const INTERVAL_MS = 1_000;
const POLL_MS = 1_000;

interface PaymentRow {
  readonly settlement_id: string;
  readonly line: string;
  readonly from_institution: string;
  readonly to_institution: string;
  readonly amount: bigint;
}

interface HeadroomRow {
  readonly line: string;
  readonly owned: bigint;
  readonly overdraft: bigint;
}

/** The first of each line before the second of any, each up to its first exchange: where there are too many, each line is cut short at its end. */
const LINES = `
  SELECT settlement_id, payer_claim AS line, from_institution, to_institution, amount FROM (
    SELECT *, row_number() OVER line AS place, bool_or(exchanges) OVER line AS ends
    FROM settlements WHERE status = 'queued' AND mode = 'centralized'
    WINDOW line AS (PARTITION BY payer_claim ORDER BY queue_rank, updated_position ROWS UNBOUNDED PRECEDING)) queued
  WHERE NOT ends ORDER BY place, updated_position LIMIT ${QUEUED_MAX}`;

const HEADROOM = `
  SELECT line, coalesce(credits_posted - debits_posted - debits_pending, 0)::bigint AS owned, coalesce(overdraft, 0)::bigint AS overdraft
  FROM unnest($1::text[]) AS line LEFT JOIN ledger_accounts ON id = line || '/available'`;

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
    const sets = await readTransaction(pool, (session) => findOffsetting(session, netting, debitCapSats));
    this.#lookedAt = { position, ms };
    if (sets.length === 0) return 'idle';
    const outcomes = await this.#store.execute(
      sets.map((settlementIds) => {
        const gridlockId = runtime.id();
        const request = { gridlockId, settlementIds };
        return { body: { type: 'resolve_gridlock', request }, cause: ownCause(this.#env, gridlockId) };
      }),
    );
    for (const outcome of outcomes) if (outcome.kind === 'failed') throw outcome.error;
    return 'progress';
  }
}

/** Of each unit by itself: what waits for dollars doesn't depend on what becomes of euros. */
async function findOffsetting(
  session: Session,
  netting: Netting,
  everybodySats: SettlementPolicy['debitCapSats'],
): Promise<readonly (readonly string[])[]> {
  const rows = await session.query<PaymentRow>(LINES);
  if (rows.length === 0) return [];
  const found = await session.query<HeadroomRow>(HEADROOM, [[...new Set(rows.map(({ line }) => line))]]);
  const headroom = new Map(found.map(({ line, owned, overdraft }) => [line, owned + overdraft]));
  const units = Map.groupBy(rows, ({ line }) => unitOfLine(line));
  const payers = rows.map(({ line, from_institution }) => ({
    institutionId: from_institution,
    unit: unitOfLine(line),
  }));
  const capRoom = await roomsOf(session, netting, payers, everybodySats);
  const sets = [...units].map(([unit, queued]) =>
    offsettingIn(
      queued.map((row) => paymentOf(row, unit, netting)),
      headroom,
      capRoom,
    ),
  );
  return sets.filter(({ length }) => length > 0);
}

function offsettingIn(payments: readonly QueuedPayment[], headroom: Headroom, capRoom: CapRoom): readonly string[] {
  const lines = [...Map.groupBy(payments, ({ from }) => from).values()];
  const moves = lines.some(([first]) => isPayable(first!, headroom, capRoom));
  return moves ? [] : resolveGridlock(lines, headroom, capRoom).map(({ settlementId }) => settlementId);
}

const isPayable = ({ from, amount, windowId = '' }: QueuedPayment, headroom: Headroom, capRoom: CapRoom): boolean =>
  amount <= (headroom.get(from) ?? 0n) && amount <= (capRoom.get(from)?.get(windowId) ?? amount);

async function roomsOf(
  session: Session,
  netting: Netting,
  payers: readonly Capped[],
  everybodySats: SettlementPolicy['debitCapSats'],
): Promise<CapRoom> {
  const places = cappedPlaces(netting, payers, everybodySats);
  const positions = await loadCapped(session, places);
  const byLine = Map.groupBy(places, ({ institutionId, unit }) => lineIn(institutionId, unit));
  const roomIn = (place: CappedPlace): bigint =>
    (capOf(netting, place.institutionId, place.unit, everybodySats) ?? 0n) + positions.netOf(place);
  return new Map(
    [...byLine].map(([line, own]) => [line, new Map(own.map((place) => [place.windowId, roomIn(place)]))]),
  );
}

function paymentOf(row: PaymentRow, unit: Unit, netting: Netting): QueuedPayment {
  const { settlement_id: settlementId, line: from, from_institution: payer, to_institution: payee, amount } = row;
  const window = windowBetween(netting, payer, payee);
  const place = window === undefined ? {} : { windowId: window.windowId };
  return { settlementId, from, to: lineIn(payee, unit), amount, ...place };
}
