import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeJson, encodeJson } from './json.ts';

/** Everything that may be stored. */
const { value: stored } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'binary' }),
    fc.bigInt(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((n) => !Number.isInteger(n)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    fc.dictionary(
      fc.string({ unit: 'binary' }).filter((key) => key !== '$bigint'),
      tie('value'),
    ),
  ),
}));

describe('canonical JSON', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(stored, (value) => {
        expect(decodeJson(encodeJson(value))).toEqual(value);
      }),
    );
  });

  it('doesn’t depend on the order of members, and leaves out what is undefined', () => {
    expect(encodeJson({ b: 1n, a: [true, null, 'x'], c: undefined })).toBe('{"a":[true,null,"x"],"b":{"$bigint":"1"}}');
    expect(encodeJson({ c: undefined, a: [true, null, 'x'], b: 1n })).toBe('{"a":[true,null,"x"],"b":{"$bigint":"1"}}');
  });

  it('writes each character as JSON.stringify does, lone surrogates too', () => {
    const texts = Array.from({ length: 0x10000 }, (_, unit) => `a${String.fromCharCode(unit)}z`);
    expect(texts.filter((text) => encodeJson(text) !== JSON.stringify(text))).toEqual([]);
    expect(encodeJson({ '"😀': '😀' })).toBe(JSON.stringify({ '"😀': '😀' }));
  });

  it('keeps integers that a number can’t hold', () => {
    expect(decodeJson(encodeJson({ sats: 2n ** 53n + 1n }))).toEqual({ sats: 9_007_199_254_740_993n });
  });

  it('keeps members whose names mean something to JavaScript', () => {
    const text = '{"__proto__":{"$bigint":"7"},"constructor":{"__proto__":{"a":1}}}';
    const decoded = decodeJson(text) as object;
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(decoded, '__proto__')?.value).toBe(7n);
    expect(encodeJson(decoded)).toBe(text);
  });

  it.each([
    ['a number that isn’t exact', 2 ** 53],
    ['a number that isn’t finite', NaN],
    ['a function', () => 0],
    ['an instance', new Map()],
    ['a member that looks like a tag', { $bigint: '1' }],
    ['undefined in a list', [undefined]],
  ])('refuses %s', (_what, value) => {
    expect(() => encodeJson(value)).toThrow();
  });
});
