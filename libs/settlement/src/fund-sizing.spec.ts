import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FundMember, sizeFund } from './fund-sizing.ts';

const member = (institutionId: string, line: bigint, change: Partial<FundMember> = {}): FundMember => ({
  ...{ institutionId, line, drawn: 0n, collateral: 0n, contributed: 0n },
  ...change,
});
const requiredOf = (members: readonly FundMember[], standby = 0n): readonly bigint[] =>
  sizeFund(members, standby).members.map(({ required }) => required);

describe('the default fund', () => {
  it('covers the two that could leave most behind, by all in proportion to what each could', () => {
    const members = [member('a', 600n), member('b', 300n), member('c', 100n), member('d', 0n)];
    expect(sizeFund(members, 0n)).toMatchObject({ target: 900n, fund: 0n, short: 900n });
    expect(requiredOf(members)).toEqual([540n, 270n, 90n, 0n]);
  });

  it('needn’t cover what collateral and the standby line do', () => {
    const members = [member('a', 600n, { collateral: 500n }), member('b', 300n, { collateral: 300n })];
    expect(sizeFund(members, 0n)).toMatchObject({ target: 100n });
    expect(requiredOf(members)).toEqual([100n, 0n]);
    expect(sizeFund(members, 99n)).toMatchObject({ target: 1n, short: 1n });
    expect(sizeFund(members, 101n)).toMatchObject({ target: 0n, short: 0n });
  });

  it('counts what is drawn where a line was lowered since', () => {
    expect(sizeFund([member('a', 10n, { drawn: 70n })], 0n)).toMatchObject({ target: 70n });
  });

  it('is short as a whole, and member by member', () => {
    const members = [member('a', 500n, { contributed: 700n }), member('b', 500n, { contributed: 100n })];
    const { short, members: sized } = sizeFund(members, 0n);
    expect([short, ...sized.map((each) => each.short)]).toEqual([200n, 0n, 400n]);
  });

  it('is what members are asked for, to the satoshi, and nobody for more than it could lose others', () => {
    const amount = fc.bigInt({ min: 0n, max: 21n * 10n ** 14n });
    const line = fc.record({ line: amount, drawn: amount, collateral: amount, contributed: amount });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), amount, (lines, standby) => {
        const all = lines.map((each, i) => ({ ...each, institutionId: `i-${i}` }));
        const { target, members } = sizeFund(all, standby);
        expect(members.reduce((sum, { required }) => sum + required, 0n)).toBe(target);
        for (const { required, exposure } of members) expect(required).toBeLessThanOrEqual(exposure);
        expect(sizeFund(all.toReversed(), standby)).toEqual({ ...sizeFund(all, standby) });
      }),
    );
  });
});
