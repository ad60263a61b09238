import { expect, it } from 'vitest';
import { dustLimitSats, scriptTypeOf } from './address.ts';
import { nullDataScript } from './null-data.ts';

it('says something by one push, and costs nothing but its bytes', () => {
  expect(nullDataScript(Uint8Array.of(0xca, 0xfe))).toBe('6a02cafe');
  expect(nullDataScript(new Uint8Array(75))).toBe(`6a4b${'00'.repeat(75)}`);
  expect(nullDataScript(new Uint8Array(76))).toBe(`6a4c4c${'00'.repeat(76)}`);
  const longest = nullDataScript(new Uint8Array(80));
  expect([scriptTypeOf(longest), dustLimitSats(longest), longest.length / 2]).toEqual(['nulldata', 0n, 83]);
});

it.each([0, 81])('holds 1 to 80 bytes, not %i', (length) => {
  expect(() => nullDataScript(new Uint8Array(length))).toThrow('expected 1 to 80 bytes');
});
