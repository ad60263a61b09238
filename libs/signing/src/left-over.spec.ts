import { outpointKey, parseTransaction } from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  BANK_A,
  scriptOf,
  type Coin,
  coin,
  pay,
  change,
  type Attempt,
  requestOf,
  Journal,
} from './red-team.fixture.ts';

describe('what a version leaves over', () => {
  const anchor = coin(BANK_A, 100_000n);
  const alone: Attempt = { inputs: [anchor], outputs: [pay('s-1', 40_000n), change(59_000n)] };
  const both: Attempt = {
    version: 2,
    inputs: [anchor],
    outputs: [pay('s-1', 40_000n), pay('s-2', 20_000n), change(37_000n)],
  };
  /** Change of a version: the last of its outputs. */
  const changeOf = (attempt: Attempt): Coin => {
    const { txid } = unwrap(parseTransaction(requestOf(attempt).unsignedTransaction));
    const vout = attempt.outputs.length - 1;
    const { valueSats } = attempt.outputs[vout]!.declared;
    const made = { branch: 1, index: 5, script: scriptOf(BANK_A, 1, 5) } as const;
    return { outpoint: outpointKey({ txid, vout }), valueSats, ...made };
  };
  const paidFrom = (lineageId: string, first: Coin, ...rest: readonly Coin[]): Attempt => ({
    lineageId,
    inputs: [first, ...rest],
    outputs: [pay('s-2', 20_000n), change(first.valueSats - 21_000n)],
  });
  const signed = (...attempts: readonly Attempt[]): Journal => {
    const journal = new Journal();
    for (const attempt of attempts) expect(journal.ask(attempt)).toBe('signed');
    return journal;
  };

  it('is paid by a lineage whose anchor is change of that version', () => {
    expect(signed(alone, both).ask(paidFrom('l-2', changeOf(alone)))).toBe('signed');
  });

  it('is paid by no lineage that only spends that change beside its anchor, or needs the version that pays it', () => {
    const other = coin(BANK_A, 90_000n);
    expect(signed(alone, both).ask(paidFrom('l-2', other))).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
    expect(signed(alone, both).ask(paidFrom('l-2', other, changeOf(alone)))).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
    expect(signed(alone, both).ask(paidFrom('l-2', changeOf(both)))).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
  });

  it('is paid there as it was to be here', () => {
    const outputs = [pay('s-2', 21_000n), change(10_000n)];
    const more: Attempt = { lineageId: 'l-2', inputs: [changeOf(alone)], outputs };
    expect(signed(alone, both).ask(more)).toBe('PAYOUT_DIFFERS');
  });

  it('is not paid by the first lineage any more', () => {
    const journal = signed(alone, both, paidFrom('l-2', changeOf(alone)));
    expect(journal.ask({ ...both, version: 3, outputs: [...both.outputs.slice(0, 2), change(36_000n)] })).toBe(
      'SETTLEMENT_OF_OTHER_LINEAGE',
    );
  });

  it('once more is paid by a third, which comes from both', () => {
    const second: Attempt = {
      lineageId: 'l-2',
      inputs: [changeOf(alone)],
      outputs: [pay('s-3', 9_000n), change(49_000n)],
    };
    const secondToo: Attempt = {
      ...second,
      version: 2,
      outputs: [pay('s-3', 9_000n), pay('s-2', 20_000n), change(28_000n)],
    };
    const third = paidFrom('l-3', changeOf(second));
    expect(signed(alone, both, second, secondToo).ask(third)).toBe('signed');
    expect(signed(alone, both, second, secondToo).ask(paidFrom('l-3', changeOf(alone)))).toBe('COIN_OF_OTHER_LINEAGE');
  });
});
