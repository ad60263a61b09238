import { settlementV1, TOPICS } from '@finality/contracts';
import type { BatchReport } from '@finality/event-store';
import { describe, expect, it } from 'vitest';
import { RecentChanges } from './recent-changes.ts';

const MAX = 8;

/** A batch of the events at these positions, each of which publishes its change twice: once for settlements, once for others. */
function batch(after: number, ...positions: number[]): Pick<BatchReport, 'after' | 'changes' | 'messages'> {
  const changes = positions.map((position) => ({ event: { position: BigInt(position) } }));
  const messages = positions.flatMap((position) =>
    [TOPICS.settlement.name, TOPICS.screening.name].map((topic, ordinal) => ({
      ...{ topic, ordinal, position: BigInt(position), orderingKey: 'k', headers: { ce_institutions: 'a,b' } },
      payload: payloadOf(`s-${position}`),
    })),
  );
  return { after: BigInt(after), changes, messages } as unknown as BatchReport;
}

const payloadOf = (settlementId: string): Uint8Array =>
  settlementV1.SettlementChanged.encode(
    settlementV1.SettlementChanged.fromPartial({ settlement: { settlementId } }),
  ).finish();

function since(recent: RecentChanges, position: number, ordinal = 0, max = 100): number[] | undefined {
  return recent.since({ position: BigInt(position), ordinal }, max)?.map((change) => Number(change.position));
}

describe('what was published last is in memory', () => {
  it('knows nothing before the first batch, nor what was before it', () => {
    const recent = new RecentChanges(MAX);
    expect(since(recent, 0)).toBeUndefined();
    recent.add(batch(10, 11, 12));
    expect(since(recent, 9)).toBeUndefined();
    // Something of the same position may have been left when it was read.
    expect(since(recent, 10)).toBeUndefined();
    expect(since(recent, 11)).toEqual([12]);
  });

  it('gives what came after a place, of settlements only, no more than wanted', () => {
    const recent = new RecentChanges(MAX);
    recent.add(batch(0, 1, 2));
    recent.add(batch(2));
    recent.add(batch(2, 3));
    expect(since(recent, 1)).toEqual([2, 3]);
    expect(since(recent, 1, 0, 1)).toEqual([2]);
    expect(since(recent, 3)).toEqual([]);
    const [change] = recent.since({ position: 2n, ordinal: 0 }, 1)!;
    expect(change).toMatchObject({ institutions: 'a,b', payload: payloadOf('s-3') });
  });

  it('begins anew where something was written in between', () => {
    const recent = new RecentChanges(MAX);
    recent.add(batch(0, 1, 2));
    recent.add(batch(4, 5));
    expect(since(recent, 2)).toBeUndefined();
    expect(since(recent, 5)).toEqual([]);
    recent.add(batch(5, 6));
    expect(since(recent, 5)).toEqual([6]);
  });

  it('goes on across an epoch, whose positions begin far above', () => {
    const recent = new RecentChanges(MAX);
    recent.add(batch(0, 1));
    recent.add(batch(1, 1_000_001));
    expect(since(recent, 1)).toEqual([1_000_001]);
  });

  it('forgets the oldest, and says so', () => {
    const recent = new RecentChanges(MAX);
    for (let position = 1; position <= 3 * MAX; position++) recent.add(batch(position - 1, position));
    expect(since(recent, 0)).toBeUndefined();
    const newest = since(recent, 3 * MAX - 3);
    expect(newest).toEqual([3 * MAX - 2, 3 * MAX - 1, 3 * MAX]);
    const oldest = Array.from({ length: 3 * MAX }, (_, position) => position).find((position) =>
      since(recent, position),
    )!;
    expect(since(recent, oldest)![0]).toBe(oldest + 1);
    expect(since(recent, oldest)!.length).toBeLessThanOrEqual(MAX);
  });
});
