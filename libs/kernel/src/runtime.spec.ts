import { expect, it } from 'vitest';
import { type Instant, uuidV7 } from './runtime.ts';

it('makes the UUIDv7 of RFC 9562, appendix A.6', () => {
  // rand_a = 0xCC3, rand_b = 0x18C4DC0C0C07398F; what the version and the variant overwrite may be anything.
  const random = Uint8Array.from([0xfc, 0xc3, 0xd8, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
  expect(uuidV7(0x017f22e279b0 as Instant, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
});

it('sorts later what was made later', () => {
  const random = new Uint8Array(10).fill(0xff);
  const ids = [0, 1, 255, 256, 1_795_305_716_264].map((now) => uuidV7(now as Instant, random));
  expect([...ids].sort()).toEqual(ids);
});
