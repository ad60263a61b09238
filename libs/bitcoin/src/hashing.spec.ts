import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hmacSha512 } from './hashing.ts';

it('HMAC-SHA-512 is the one that node has', () => {
  const key = fc.uint8Array({ maxLength: 128 });
  const data = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(key, data, (k, d) => {
      expect(Buffer.from(hmacSha512(k, d))).toEqual(createHmac('sha512', k).update(d).digest());
    }),
    { numRuns: 50 },
  );
  expect(() => hmacSha512(new Uint8Array(129), new Uint8Array(1))).toThrow('longer key');
});
