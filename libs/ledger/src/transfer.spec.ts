import { describe, expect, it } from 'vitest';
import { transferId } from './transfer.ts';

/** Frozen: computed with another implementation (Python's hashlib). A change here breaks every ledger there is. */
const VECTORS = [
  [
    'reserve',
    '0198c1de-7f00-7000-8000-000000000001',
    1,
    '0198c1de7f00977a8d08c29293ccec47c5b2b5461c2168db860503e0dd65d09b',
  ],
  [
    'deposit_final',
    '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b:0',
    2,
    '3e5edc5cf51fd054bdda6f4460b0337258ed6b06b457575330879b3787f46b22',
  ],
  ['größe', 'Ω', 9007199254740991, '38e1e5171efe10d325b502a4be0fe3b3f6f3ef5959644721d9225300afcba409'],
] as const;

describe('transfer ids', () => {
  it.each(VECTORS)('%s of %s, life %i', (purpose, object, life, expected) => {
    expect(transferId({ purpose, object, life })).toBe(expected);
  });

  it('of what was begun later sort later, whatever is done to it', () => {
    const idOf = (purpose: string, object: string): string => transferId({ purpose, object, life: 1 });
    const [first, second] = ['0198c1de-7f00-7fff-8000-000000000001', '0198c1de-7f01-7000-8000-000000000002'];
    const ids = [idOf('settle', first), idOf('reserve', `${first}/0198c1de-7eff-7000-8000-000000000003`)];
    for (const id of ids) expect(id < idOf('reserve', second)).toBe(true);
    expect(new Set(ids.map((id) => id.slice(0, 12)))).toEqual(new Set(['0198c1de7f00']));
  });

  it.each([
    '0198c1de-7f00-4000-8000-000000000001',
    '0198C1DE-7F00-7000-8000-000000000001',
    ' 0198c1de-7f00-7000-8000-0000',
  ])('are nothing but a hash where no UUIDv7 comes first: %s', (object) => {
    expect(transferId({ purpose: 'reserve', object, life: 1 }).startsWith('0198c1de7f00')).toBe(false);
  });

  it('tell apart fields that only look alike when joined', () => {
    expect(transferId({ purpose: 'a', object: 'bc', life: 1 })).not.toBe(
      transferId({ purpose: 'ab', object: 'c', life: 1 }),
    );
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 53])('refuse a life of %s', (life) => {
    expect(() => transferId({ purpose: 'reserve', object: 'x', life })).toThrow('no life');
  });

  it('refuse an empty purpose or object', () => {
    expect(() => transferId({ purpose: '', object: 'x', life: 1 })).toThrow('purpose');
    expect(() => transferId({ purpose: 'x', object: '', life: 1 })).toThrow('object');
  });
});
