import { NEXT_STATES } from './settlement-states.ts';
import { type Instant, sats } from '@finality/kernel';
import type { OutpointKey, Txid } from '@finality/bitcoin';
import { describe, expect, it } from 'vitest';
import {
  confirmationsAt,
  living,
  type Payout,
  type Settlement,
  settlementAggregate,
  type SettlementEvent,
  type SettlementStatus,
  type Terms,
} from './settlement.ts';

const at = 1 as Instant;
const block = { height: 100, hash: 'aa' };
const terms: Terms = {
  settlementId: 's',
  from: 'a',
  to: 'b',
  amountSats: sats(1_000n),
  mode: 'blockchain',
  fees: { bearer: 'payer', bumpBearer: 'payer' },
  referenceId: '',
  idempotencyKey: 'key',
  submittedBy: 'k',
  payer: { kind: 'wallet', walletId: 'w-a' },
  payee: { kind: 'wallet', walletId: 'w-b' },
  policyVersion: '1',
};
const payout: Payout = {
  lineageId: 's',
  formerLineages: [],
  txid: 'bb' as Txid,
  outpoint: 'bb:0' as OutpointKey,
  feeSats: sats(300n),
  droppedSats: sats(0n),
  quoteSats: sats(300n),
  payeeFeeSats: sats(0n),
  heldSats: sats(300n),
  life: 0,
};

/** The event that leads into each state. */
const INTO: Readonly<Record<SettlementStatus, SettlementEvent>> = {
  received: { type: 'settlement_received', at, terms },
  scheduled: { type: 'settlement_scheduled', at },
  screening: { type: 'screening_requested', at, sources: [] },
  under_review: { type: 'review_required', at, reason: 'large', compliance: true },
  approved: { type: 'settlement_approved', at, reason: '', by: 'screening' },
  rejected: { type: 'settlement_rejected', at, reason: 'listed', by: 'screening' },
  queued: { type: 'liquidity_awaited', at, waitsFor: 'INSUFFICIENT_LIQUIDITY', reason: 'insufficient' },
  reserved: { type: 'liquidity_reserved', at, lineageId: 's', feeReservedSats: sats(300n) },
  awaiting_signature: { type: 'signature_awaited', at },
  executing: { type: 'payout_offered', at, payout },
  confirming: { type: 'payout_confirmed', at, block, payout: { ...payout, life: 1 } },
  settled: { type: 'settlement_settled', at },
  reopened: { type: 'settlement_reopened', at, reason: 'reorg', height: 99 },
  reversed: { type: 'settlement_reversed', at, reason: 'excluded', because: 'excluded' },
  failed: { type: 'settlement_failed', at, reason: 'dead' },
  cancelled: { type: 'settlement_cancelled', at, reason: 'asked', by: 'a' },
  expired: { type: 'settlement_expired', at, reason: 'late' },
};

/** A legal way into each state. */
const WAY: Readonly<Record<Settlement['status'], readonly SettlementStatus[]>> = {
  none: [],
  received: ['received'],
  scheduled: ['received', 'scheduled'],
  screening: ['received', 'screening'],
  under_review: ['received', 'screening', 'under_review'],
  approved: ['received', 'screening', 'approved'],
  rejected: ['received', 'screening', 'rejected'],
  queued: ['received', 'screening', 'approved', 'queued'],
  reserved: ['received', 'screening', 'approved', 'reserved'],
  awaiting_signature: ['received', 'screening', 'approved', 'reserved', 'awaiting_signature'],
  executing: ['received', 'screening', 'approved', 'reserved', 'executing'],
  confirming: ['received', 'screening', 'approved', 'reserved', 'executing', 'confirming'],
  settled: ['received', 'screening', 'approved', 'reserved', 'executing', 'confirming', 'settled'],
  reopened: ['received', 'screening', 'approved', 'reserved', 'executing', 'confirming', 'settled', 'reopened'],
  reversed: [
    ...['received', 'screening', 'approved', 'reserved', 'executing', 'confirming', 'settled', 'reopened'],
    'reversed',
  ] as SettlementStatus[],
  failed: ['received', 'screening', 'approved', 'reserved', 'executing', 'failed'],
  cancelled: ['received', 'cancelled'],
  expired: ['received', 'expired'],
};

const fold = (state: Settlement, ...events: readonly SettlementEvent[]): Settlement =>
  events.reduce((before, event) => settlementAggregate.evolve(before, event), state);
const inState = (status: Settlement['status']): Settlement =>
  fold(settlementAggregate.initialState, ...WAY[status].map((step) => INTO[step]));

/** Ways into a state that aren't its usual one: a payout out of its block, and one in a block again. */
const eventFor = (from: Settlement['status'], to: SettlementStatus): SettlementEvent =>
  from === 'confirming' && to === 'executing'
    ? { type: 'payout_unconfirmed', at, reason: 'reorg', height: 99 }
    : INTO[to];

const confirmedAgain: SettlementEvent = { type: 'payout_confirmed', at, block, payout: { ...payout, life: 2 } };
const unconfirmedAgain: SettlementEvent = { type: 'payout_unconfirmed', at, reason: 'reorg', height: 99 };

describe.each(Object.keys(NEXT_STATES) as Settlement['status'][])('%s', (from) => {
  const legal = NEXT_STATES[from];

  it.each(Object.keys(INTO) as SettlementStatus[])(`leads to %s if the table says so`, (to) => {
    // What is reopened settles in a block only.
    const state = from === 'reopened' && to === 'settled' ? fold(inState(from), confirmedAgain) : inState(from);
    const event = eventFor(from, to);
    if (legal.includes(to)) {
      const next = living(fold(state, event));
      expect(next.status).toBe(to);
      expect(next.transitions.at(-1)?.status).toBe(to);
    } else if (event.type === 'payout_confirmed' && (from === 'reopened' || from === 'reversed')) {
      expect(fold(state, event).status).toBe(from);
    } else {
      expect(() => fold(state, event)).toThrow();
    }
  });
});

describe('a payout on the chain', () => {
  it('is confirmed again and again, each time a life of its own', () => {
    const state = fold(inState('confirming'), unconfirmedAgain, confirmedAgain);
    expect(state).toMatchObject({ status: 'confirming', block, payout: { life: 2 } });
    expect(
      living(state)
        .transitions.map(({ status }) => status)
        .slice(-3),
    ).toEqual(['confirming', 'executing', 'confirming']);
  });

  it('reopened, is in a block or out of it, and settles in one only', () => {
    const reopened = inState('reopened');
    expect(reopened).toMatchObject({ unconfirmedSince: 99 });
    expect(() => fold(reopened, INTO.settled)).toThrow();
    const back = fold(reopened, confirmedAgain);
    expect(back).toMatchObject({ status: 'reopened', block });
    expect(fold(back, unconfirmedAgain)).toMatchObject({ status: 'reopened', unconfirmedSince: 99 });
    expect(fold(back, INTO.settled)).toMatchObject({ status: 'settled', settledTimes: 2 });
  });

  it('overdue, may turn out to be excluded, and stays reversed', () => {
    const overdue = fold(inState('reopened'), { ...INTO.reversed, because: 'overdue' } as SettlementEvent);
    expect(fold(overdue, INTO.reversed)).toMatchObject({ status: 'reversed', because: 'excluded' });
    expect(() => fold(inState('reversed'), INTO.reversed)).toThrow();
  });

  it('has as many confirmations as blocks from its own to the tip', () => {
    const state = living(inState('confirming'));
    expect([99, 100, 105].map((tip) => confirmationsAt(state, tip))).toEqual([0, 1, 6]);
    expect(confirmationsAt(living(inState('executing')), 105)).toBe(0);
  });
});

it('keeps what was agreed and what was said', () => {
  const assessment = { recommendation: 'approve', rulesVersion: '1', reason: '' } as const;
  const state = fold(
    inState('screening'),
    { type: 'risk_assessed', at, assessment },
    { type: 'aml_assessed', at, assessment },
    INTO.approved,
    INTO.reserved,
    INTO.executing,
  );
  expect(state).toMatchObject({ terms, risk: assessment, aml: assessment, payout });
});
