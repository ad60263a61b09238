import { describe, expect, it } from 'vitest';
import { settlementV1, signingV1, type ServicePort } from './index.ts';

const ABOVE_DOUBLE = 2n ** 53n + 1n;

describe('int64 on the wire', () => {
  it('keeps 2^53 + 1 sat exact', () => {
    const request = settlementV1.SubmitSettlementRequest.fromPartial({ idempotencyKey: 'k', amountSats: ABOVE_DOUBLE });
    const bytes = settlementV1.SubmitSettlementRequest.encode(request).finish();
    expect(settlementV1.SubmitSettlementRequest.decode(bytes).amountSats).toBe(ABOVE_DOUBLE);
  });
});

describe('service ports', () => {
  it('turn unary calls into promises', async () => {
    const port: Pick<ServicePort<signingV1.SigningServiceServer>, 'listJournal'> = {
      listJournal: async () => ({ entries: [], lastPosition: ABOVE_DOUBLE }),
    };
    expect((await port.listJournal({ afterPosition: 0n, pageSize: 1 })).lastPosition).toBe(ABOVE_DOUBLE);
  });
});
