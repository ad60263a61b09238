import type { Instant } from '@finality/kernel';
import { describe, expect, test } from 'vitest';
import { epochFloor, PREVIOUS_SEQUENCE_HEADER, previousSequence } from './epoch.ts';
import { Inbox } from './inbox.ts';
import type { MessageRef } from './port.ts';

const NOW = 0 as Instant;

function message(sequence: bigint, previous?: string): MessageRef {
  return {
    topic: 'topic',
    orderingKey: 'key',
    sequence,
    id: `${sequence}`,
    type: 'type',
    schemaVersion: 1,
    headers: previous === undefined ? {} : { [PREVIOUS_SEQUENCE_HEADER]: previous },
    payload: Buffer.alloc(0),
  };
}

const after = (last: bigint): Inbox =>
  new Inbox([{ topic: 'topic', ordering_key: 'key', last_sequence: last, parked_at: null, cause: null }], [], NOW);

describe('the first message of a key after its owner’s store was restored', () => {
  const first = message(epochFloor(2) + 1n, '5');

  test.each([5n, 7n, 1_000n])('is next, whatever was received of what is void by now: %s', (last) => {
    expect(after(last).receive(first)).toEqual({ kind: 'new' });
    expect(after(last).expected([first, message(epochFloor(2) + 2n)]).size).toBe(2);
  });

  test('isn’t next while what still stands is missing', () => {
    expect(after(4n).receive(first)).toEqual({ kind: 'gap', expected: 5n });
    expect(after(4n).expected([first])).toEqual(new Set());
  });

  test('comes once', () => expect(after(first.sequence).receive(first)).toEqual({ kind: 'skipped' }));

  test('what follows it has no gaps', () => {
    expect(after(7n).receive(message(epochFloor(2) + 2n))).toEqual({ kind: 'gap', expected: 8n });
    expect(after(first.sequence).receive(message(epochFloor(2) + 2n))).toEqual({ kind: 'new' });
  });
});

test('any other message follows the one before it, whatever a header says that is no number', () => {
  expect(previousSequence(message(8n))).toBe(7n);
  expect(previousSequence(message(8n, 'x'))).toBe(7n);
});
