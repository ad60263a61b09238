import type { Session } from '@finality/event-store';
import type { Worker } from '@finality/kernel';
import type { Unit } from '@finality/ledger';
import { type Headroom, lineIn, type QueuedPayment, resolveGridlock, unitOfLine } from '@finality/settlement';
import type { SettlementEnv, SettlementReader, SettlementStore } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import type { RecoveryGate } from '../recovery-gate.ts';
import { ownCause } from './cause.ts';

/** Looked at, and so settled, at once: in one batch, which others wait for. What is further back in its line has its turn afterwards. */
const QUEUED_MAX = 2_000;
/** Reading all lines each time anything happens would cost more than it gains. */
const INTERVAL_MS = 1_000;
const POLL_MS = 1_000;

interface PaymentRow {
  readonly settlement_id: string;
  readonly line: string;
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
  SELECT settlement_id, payer_claim AS line, to_institution, amount FROM (
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
    const sets = await readTransaction(pool, findOffsetting);
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
async function findOffsetting(session: Session): Promise<readonly (readonly string[])[]> {
  const rows = await session.query<PaymentRow>(LINES);
  if (rows.length === 0) return [];
  const found = await session.query<HeadroomRow>(HEADROOM, [[...new Set(rows.map(({ line }) => line))]]);
  const headroom = new Map(found.map(({ line, owned, overdraft }) => [line, owned + overdraft]));
  const units = Map.groupBy(rows, ({ line }) => unitOfLine(line));
  const sets = [...units].map(([unit, queued]) => offsettingIn(unit, queued, headroom));
  return sets.filter(({ length }) => length > 0);
}

function offsettingIn(unit: Unit, rows: readonly PaymentRow[], headroom: Headroom): readonly string[] {
  const lines = Map.groupBy(
    rows.map((row) => paymentOf(row, unit)),
    ({ from }) => from,
  );
  const moves = [...lines].some(([line, [first]]) => first!.amount <= (headroom.get(line) ?? 0n));
  return moves ? [] : resolveGridlock([...lines.values()], headroom).map(({ settlementId }) => settlementId);
}

const paymentOf = (row: PaymentRow, unit: Unit): QueuedPayment => ({
  settlementId: row.settlement_id,
  from: row.line,
  to: lineIn(row.to_institution, unit),
  amount: row.amount,
});
