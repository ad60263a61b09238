import { describe, expect, it } from 'vitest';
import { NodeAnswerMalformed } from './node-errors.ts';
import { parseExactJson, RpcAnswer } from './rpc-answer.ts';

const answer = (json: string): RpcAnswer => new RpcAnswer('method', parseExactJson(json));

describe('an amount in a node’s answer', () => {
  it.each([
    ['0.00000001', 1n],
    ['1e-8', 1n],
    ['1.1e-07', 11n],
    ['50', 5_000_000_000n],
    ['50.00000000', 5_000_000_000n],
    ['0.30000003', 30_000_003n],
    // Neither sum nor product of floats gives these.
    ['20999999.99999999', 2_099_999_999_999_999n],
    ['9007199.25474099', 900_719_925_474_099n],
    ['21000000', 2_100_000_000_000_000n],
  ])('%s is %s sat', (text, valueSats) => {
    expect(answer(`{"value":${text}}`).field('value').btc()).toBe(valueSats);
  });
  it.each(['0.000000001', '21000000.00000001', '-1', '"1.0"', 'null', '90071992547409.93'])('%s is refused', (text) => {
    expect(() => answer(`{"value":${text}}`).field('value').btc()).toThrow(NodeAnswerMalformed);
  });
});

describe('a feerate in a node’s answer', () => {
  it.each([
    ['0.00001', 1_000n],
    ['0.00000100', 100n],
    ['1e-06', 100n],
    // As btcd's floats come out: rounded up.
    ['0.000065361111', 6_537n],
    ['0', 0n],
  ])('%s BTC/kvB is %s sat/kvB', (text, rate) => {
    expect(answer(text).feeRate()).toBe(rate);
  });
  it.each(['-1', '1', '"0.1"'])('%s is refused', (text) => {
    expect(() => answer(text).feeRate()).toThrow(NodeAnswerMalformed);
  });
});

describe('an answer of the wrong form', () => {
  it('is refused, and the place named', () => {
    const root = answer('{"a":[{"b":1}],"hash":"AB"}');
    expect(() => root.field('a').items()[0]!.field('b').text()).toThrow('method.a[0].b');
    expect(() => root.field('none').field('deeper').integer()).toThrow('method.none.deeper');
    expect(() => root.field('a').text()).toThrow(NodeAnswerMalformed);
    expect(() => root.items()).toThrow(NodeAnswerMalformed);
    expect(() => root.field('hash').txid()).toThrow(NodeAnswerMalformed);
    expect(() => root.field('hash').blockHash()).toThrow(NodeAnswerMalformed);
    expect(() => answer('1.5').integer()).toThrow(NodeAnswerMalformed);
    expect(() => answer('"0"').bytes()).toThrow(NodeAnswerMalformed);
    expect(() => answer('0').boolean()).toThrow(NodeAnswerMalformed);
  });
});
