import type { Instant } from '@finality/kernel';
import { describe, expect, test } from 'vitest';
import { formatInstant, parseInstant } from './envelope.ts';

describe('times in envelopes', () => {
  test('are what the platform’s own calendar says, leap days and centuries included', () => {
    const hours = [
      0, 1, 951_782_400_000, 951_868_799_999, 1_709_164_800_000, 1_735_689_599_999, 4_107_542_400_000,
      253_402_300_799_999, -1,
    ];
    const days = Array.from({ length: 2_000 }, (_, i) => i * 43_200_000 * 61 + i);
    for (const ms of [...hours, ...days]) {
      const text = formatInstant(ms as Instant);
      expect(text).toBe(new Date(ms).toISOString());
      expect(parseInstant(text)).toBe(ms);
    }
  });

  test.each([
    '',
    'yesterday',
    '2026-02-30T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-01-01T00:00:00Z',
    '2026-01-01T24:00:00.000Z',
  ])('anything else isn’t one: %s', (text) => expect(parseInstant(text)).toBeUndefined());
});
