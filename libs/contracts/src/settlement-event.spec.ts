import { describe, expect, it } from 'vitest';
import type { Instant } from '@finality/kernel';
import { toTimestamp } from './time.ts';
import { settlementEventOf } from './settlement-event.ts';
import { SettlementChanged } from './generated/finality/settlement/v1/settlement_events.ts';
import { SettlementEvent } from './generated/finality/settlement/v1/settlement_service.ts';

const settlement = {
  ...{ settlementId: 's-1', fromInstitution: 'a', toInstitution: 'b', amountSats: 2_100_000_000_000_000n },
  ...{ referenceId: 'Überweisung', updatedAt: toTimestamp(2_007 as Instant) },
};

const encoded = (change: SettlementChanged): Uint8Array => SettlementChanged.encode(change).finish();

describe('settlementEventOf', () => {
  it('is what encoding the decoded settlement gives, byte for byte', () => {
    const changed = encoded(SettlementChanged.fromPartial({ settlement, previousStatus: 3, submittedBy: 'key-1' }));
    const expected = SettlementEvent.fromPartial({ cursor: 'MS4w', settlement, occurredAt: settlement.updatedAt });
    expect(settlementEventOf(changed, 'MS4w')).toEqual(Buffer.from(SettlementEvent.encode(expected).finish()));
  });

  it('has a time and a cursor of nothing where there are none', () => {
    const event = settlementEventOf(
      encoded(SettlementChanged.fromPartial({ settlement: { settlementId: 's-1' } })),
      '',
    )!;
    const expected = SettlementEvent.fromPartial({ settlement: { settlementId: 's-1' }, occurredAt: {} });
    expect(event).toEqual(Buffer.from(SettlementEvent.encode(expected).finish()));
    expect(SettlementEvent.decode(event).occurredAt).toEqual({ seconds: 0n, nanos: 0 });
  });

  it('is nothing of a change without a settlement, and fails on what is cut off', () => {
    expect(settlementEventOf(encoded(SettlementChanged.fromPartial({ submittedBy: 'key-1' })), 'MS4w')).toBeUndefined();
    expect(() =>
      settlementEventOf(encoded(SettlementChanged.fromPartial({ settlement })).subarray(0, 20), 'MS4w'),
    ).toThrow();
  });
});
