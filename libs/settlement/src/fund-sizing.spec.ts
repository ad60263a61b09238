import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FundMember, sizeFund } from './fund-sizing.ts';

const member = (institutionId: string, lineSats: bigint, change: Partial<FundMember> = {}): FundMember => ({
  ...{ institutionId, lineSats, drawnSats: 0n, collateralSats: 0n, contributedSats: 0n },
  ...change,
});
const requiredOf = (members: readonly FundMember[], standbySats = 0n): readonly bigint[] =>
  sizeFund(members, standbySats).members.map(({ requiredSats }) => requiredSats);

describe('the default fund', () => {
  it('covers the two that could leave most behind, by all in proportion to what each could', () => {
    const members = [member('a', 600n), member('b', 300n), member('c', 100n), member('d', 0n)];
    expect(sizeFund(members, 0n)).toMatchObject({ targetSats: 900n, fundSats: 0n, shortSats: 900n });
    expect(requiredOf(members)).toEqual([540n, 270n, 90n, 0n]);
  });

  it('needn’t cover what collateral and the standby line do', () => {
    const members = [member('a', 600n, { collateralSats: 500n }), member('b', 300n, { collateralSats: 300n })];
    expect(sizeFund(members, 0n)).toMatchObject({ targetSats: 100n });
    expect(requiredOf(members)).toEqual([100n, 0n]);
    expect(sizeFund(members, 99n)).toMatchObject({ targetSats: 1n, shortSats: 1n });
    expect(sizeFund(members, 101n)).toMatchObject({ targetSats: 0n, shortSats: 0n });
  });

  it('counts what is drawn where a line was lowered since', () => {
    expect(sizeFund([member('a', 10n, { drawnSats: 70n })], 0n)).toMatchObject({ targetSats: 70n });
  });

  it('is short as a whole, and member by member', () => {
    const members = [member('a', 500n, { contributedSats: 700n }), member('b', 500n, { contributedSats: 100n })];
    const { shortSats, members: sized } = sizeFund(members, 0n);
    expect([shortSats, ...sized.map((each) => each.shortSats)]).toEqual([200n, 0n, 400n]);
  });

  it('is what members are asked for, to the satoshi, and nobody for more than it could lose others', () => {
    const amount = fc.bigInt({ min: 0n, max: 21n * 10n ** 14n });
    const line = fc.record({ lineSats: amount, drawnSats: amount, collateralSats: amount, contributedSats: amount });
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), amount, (lines, standbySats) => {
        const all = lines.map((each, i) => ({ ...each, institutionId: `i-${i}` }));
        const { targetSats, members } = sizeFund(all, standbySats);
        expect(members.reduce((sum, { requiredSats }) => sum + requiredSats, 0n)).toBe(targetSats);
        for (const { requiredSats, exposureSats } of members) expect(requiredSats).toBeLessThanOrEqual(exposureSats);
        expect(sizeFund(all.toReversed(), standbySats)).toEqual({ ...sizeFund(all, standbySats) });
      }),
    );
  });
});
