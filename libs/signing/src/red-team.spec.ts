import {
  hexFromBytes,
  outpointKey,
  type ParsedTransaction,
  parseTransaction,
  type Prevout,
  rawHex,
  type ScriptHex,
  type SigningKey,
  signTransaction,
  verifySignatures,
} from '@finality/bitcoin';
import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { type Account, type DeclaredOutput, type SigningRule } from './index.ts';
import {
  sats,
  LIMIT_SATS,
  FEE,
  INDEX_GAP,
  FOREIGN,
  BANK_A,
  BANK_A_TAPROOT,
  BANK_B,
  keyOf,
  scriptOn,
  scriptOf,
  type Coin,
  coin,
  type Output,
  pay,
  change,
  type Attempt,
  authorised,
  requestOf,
  Journal,
  fresh,
} from './red-team.fixture.ts';

/** What a compromised settlement service may try, over several requests, against a signer that remembers. */

/** 60,000 sat of 100,000, with the change. */
const GOOD: Attempt = { inputs: [coin(BANK_A, 100_000n)], outputs: [pay('s-1', 60_000n), change(39_000n)] };
const withChange = (output: Output): Attempt => ({ ...GOOD, outputs: [pay('s-1', 60_000n), output] });

it('signs what everything is right with', () => {
  expect(fresh(GOOD)).toBe('signed');
});

describe('change', () => {
  it.each<[string, ScriptHex]>([
    ['on the external branch, where a payee could be told to look', scriptOf(BANK_A, 0, 5)],
    ['at another index than the declared one', scriptOf(BANK_A, 1, 6)],
    ['in another wallet of the same institution', scriptOf(BANK_A_TAPROOT, 1, 5)],
    ['in the payee’s wallet', scriptOf(BANK_B, 1, 5)],
    ['of the right key and another script type', scriptOf({ ...BANK_A, scriptType: 'tr' }, 1, 5)],
    ['of somebody else', FOREIGN],
  ])('%s is refused', (_what, script) => {
    expect(fresh(withChange(change(39_000n, script)))).toBe('CHANGE_NOT_OURS');
  });

  it('of another value than declared is refused, and so are two', () => {
    expect(fresh(withChange({ ...change(39_000n), valueSats: sats(38_000n) }))).toBe('OUTPUT_VALUE_DIFFERS');
    const two = [pay('s-1', 60_000n), change(20_000n), change(19_000n)];
    expect(fresh({ ...GOOD, outputs: two })).toBe('SEVERAL_CHANGE_OUTPUTS');
  });
});

describe('lies about what inputs spend', () => {
  it.each([BANK_A, BANK_A_TAPROOT])('make signatures that are worth nothing: %j', (of) => {
    const inputs = [coin(of, 100_000n), coin(of, 50_000n, 1)];
    const request = requestOf({ ...GOOD, from: of, inputs });
    const key = keyOf(of);
    const keyFor = (i: number): SigningKey => key.signingKey(0, inputs[i]!.index);
    const sign = (prevouts: readonly Prevout[]): ParsedTransaction =>
      unwrap(signTransaction({ unsigned: request.unsignedTransaction, prevouts, keyFor }));
    expect(verifySignatures(rawHex(sign(inputs)), inputs).ok).toBe(true);
    const less = inputs.with(1, { ...inputs[1]!, valueSats: sats(10_000n) });
    expect(verifySignatures(rawHex(sign(less)), inputs)).toMatchObject({ error: { reason: 'INVALID_SIGNATURE' } });
  });

  it('hold for ever once they are told: the same coin is worth the same in every version', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    const [first] = GOOD.inputs;
    const more = { ...first!, valueSats: sats(110_000n) };
    const outputs = [pay('s-1', 60_000n), change(49_000n)];
    expect(journal.ask({ version: 2, inputs: [more], outputs })).toBe('COIN_VALUE_DIFFERS');
    expect(journal.ask({ version: 1, inputs: [more], outputs: GOOD.outputs })).toBe('VERSION_ALREADY_SIGNED');
  });

  it('don’t help where the signer has made the coin itself', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    const { txid } = unwrap(parseTransaction(requestOf(GOOD).unsignedTransaction));
    const own: Coin = { ...coin(BANK_A, 39_000n, 5), branch: 1, outpoint: outpointKey({ txid, vout: 1 }) };
    const next = { lineageId: 'l-2', outputs: [pay('s-2', 30_000n), change(8_000n)] };
    expect(journal.ask({ ...next, inputs: [{ ...own, valueSats: sats(40_000n) }] })).toBe('COIN_VALUE_DIFFERS');
    expect(journal.ask({ ...next, inputs: [{ ...own, index: 6 }] })).toBe('COIN_SCRIPT_DIFFERS');
    expect(journal.ask({ ...next, inputs: [{ ...own, branch: 0 }] })).toBe('COIN_SCRIPT_DIFFERS');
    expect(journal.ask({ ...next, inputs: [own] })).toBe('signed');
  });
});

describe('sighash types', () => {
  const signedBy = (of: Account, inputs: readonly Coin[]): ParsedTransaction => {
    const { unsignedTransaction: unsigned } = requestOf({ ...GOOD, from: of, inputs });
    const keyFor = (): SigningKey => keyOf(of).signingKey(0, 0);
    return unwrap(signTransaction({ unsigned, prevouts: inputs, keyFor }));
  };

  it('other than ALL and DEFAULT can’t be asked for', () => {
    const [der] = signedBy(BANK_A, [coin(BANK_A, 100_000n)]).inputs[0]!.witness;
    expect(der!.at(-1)).toBe(1);
    const [schnorr] = signedBy(BANK_A_TAPROOT, [coin(BANK_A_TAPROOT, 100_000n)]).inputs[0]!.witness;
    expect(schnorr).toHaveLength(64);
  });

  // NONE, SINGLE, and each with ANYONECANPAY; ALL with ANYONECANPAY; DEFAULT spelled out, which BIP341 forbids.
  it.each([0x02, 0x03, 0x81, 0x82, 0x83, 0x00])('%i is refused in what comes back signed', (type) => {
    const hashType = type.toString(16).padStart(2, '0');
    for (const owner of [BANK_A, BANK_A_TAPROOT]) {
      const inputs = [coin(owner, 100_000n)];
      const signed = signedBy(owner, inputs);
      const signature = hexFromBytes(signed.inputs[0]!.witness[0]!);
      const other = owner === BANK_A ? `${signature.slice(0, -2)}${hashType}` : `${signature}${hashType}`;
      const length = (hex: string): string => (hex.length / 2).toString(16);
      const raw = rawHex(signed).replace(`${length(signature)}${signature}`, `${length(other)}${other}`);
      const verified = verifySignatures(raw, inputs);
      expect(verified.ok ? 'valid' : verified.error.reason).toMatch(/WRONG_SIGHASH|MALFORMED_WITNESS/);
    }
  });
});

describe('paying twice', () => {
  const twice = (...outputs: readonly Output[]): Attempt => ({ ...GOOD, outputs: [...outputs, change(9_000n)] });

  it.each<[string, Attempt, SigningRule]>([
    ['one settlement by two outputs', twice(pay('s-1', 45_000n), pay('s-1', 45_000n)), 'NOT_AUTHORISED'],
    [
      'one settlement by two outputs, authorised once',
      { ...twice(pay('s-1', 45_000n), pay('s-1', 45_000n)), payouts: authorised(pay('s-1', 45_000n)) },
      'SETTLEMENT_PAID_TWICE',
    ],
    [
      'by a second output of a settlement that nobody authorised',
      { ...twice(pay('s-1', 45_000n), pay('s-2', 45_000n)), payouts: authorised(pay('s-1', 45_000n)) },
      'NOT_AUTHORISED',
    ],
    [
      'by an output that isn’t declared',
      { ...GOOD, outputs: [pay('s-1', 60_000n), { ...change(39_000n), script: scriptOf(BANK_B, 0, 3) }] },
      'CHANGE_NOT_OURS',
    ],
  ])('%s is refused', (_what, attempt, rule) => {
    expect(fresh(attempt)).toBe(rule);
  });

  it('in another lineage is refused, whatever coins, amount and version', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    for (const version of [1, 2, 9]) {
      const again = {
        lineageId: 'l-2',
        version,
        inputs: [coin(BANK_A, 50_000n)],
        outputs: [pay('s-1', 40_000n + BigInt(version))],
      };
      expect(journal.ask({ ...again, outputs: [...again.outputs, change(9_000n)] })).toBe(
        'SETTLEMENT_OF_OTHER_LINEAGE',
      );
    }
  });

  it('in a later version pays what it paid before to whom it paid it, whatever the authorisation says by now', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    const later = (payee: Output, left: bigint) => journal.ask({ ...GOOD, version: 2, outputs: [payee, change(left)] });
    expect(later(pay('s-1', 70_000n), 28_000n)).toBe('PAYOUT_DIFFERS');
    const elsewhere = pay('s-1', 60_000n, scriptOf(BANK_B, 0, 4));
    const moved = { ...elsewhere, declared: { ...elsewhere.declared, index: 4 } as DeclaredOutput };
    expect(later(moved, 38_000n)).toBe('PAYOUT_DIFFERS');
    expect(later(pay('s-1', 60_000n), 38_000n)).toBe('signed');
  });

  it('hidden among others in another lineage is refused, and the others aren’t taken', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    const batch = { lineageId: 'l-2', inputs: [coin(BANK_A, 100_000n)] };
    expect(journal.ask({ ...batch, outputs: [pay('s-2', 30_000n), pay('s-1', 60_000n), change(9_000n)] })).toBe(
      'SETTLEMENT_OF_OTHER_LINEAGE',
    );
    expect(journal.ask({ ...batch, outputs: [pay('s-2', 30_000n), change(69_000n)] })).toBe('signed');
  });

  it('by a version without the anchor, or with a coin of another lineage, is refused', () => {
    const journal = new Journal();
    expect(journal.ask(GOOD)).toBe('signed');
    expect(journal.ask({ ...GOOD, version: 2, inputs: [coin(BANK_A, 100_000n)] })).toBe('OTHER_ANCHOR_IN_LINEAGE');
    const other = { lineageId: 'l-2', outputs: [pay('s-2', 60_000n), change(89_000n)] };
    expect(journal.ask({ ...other, inputs: [coin(BANK_A, 50_000n), ...GOOD.inputs] })).toBe('COIN_OF_OTHER_LINEAGE');
    // Nor can the settlement's own lineage be left by taking it out of a later version first.
    const without = { version: 2, inputs: GOOD.inputs, outputs: [pay('s-3', 50_000n), change(49_000n)] };
    expect(journal.ask(without)).toBe('signed');
    expect(journal.ask({ lineageId: 'l-3', inputs: [coin(BANK_A, 100_000n)], outputs: GOOD.outputs })).toBe(
      'SETTLEMENT_OF_OTHER_LINEAGE',
    );
  });
});

describe('indices that nobody would look for', () => {
  const changeAt = (index: number): Attempt => withChange(change(39_000n, scriptOf(BANK_A, 1, index), index));
  const payAt = (index: number): Attempt => {
    const paid = pay('s-1', 60_000n, scriptOf(BANK_B, 0, index));
    return {
      ...GOOD,
      outputs: [{ ...paid, declared: { ...paid.declared, index } as DeclaredOutput }, change(39_000n)],
    };
  };

  it.each([changeAt, payAt])('are refused: the last one that is looked for isn’t', (attempt) => {
    expect(fresh(attempt(INDEX_GAP - 1))).toBe('signed');
    for (const index of [INDEX_GAP, 2 ** 31 - 1]) expect(fresh(attempt(index))).toBe('INDEX_TOO_FAR');
  });

  it('are counted from the last one issued, of that branch of that wallet', () => {
    const journal = new Journal();
    journal.issued('b-1', 0, 50_000);
    journal.issued('a-1', 0, 50_000);
    expect(journal.ask(changeAt(50_000))).toBe('INDEX_TOO_FAR');
    expect(journal.ask(payAt(51_001))).toBe('INDEX_TOO_FAR');
    expect(journal.ask(payAt(51_000))).toBe('signed');
  });
});

describe('another network', () => {
  // The same keys, scripts, coins and ids: only what the parties agreed to says which network they meant.
  it.each(['signet', 'testnet4', 'mainnet', ''])(
    'is named by an authorisation for “%s”: refused on regtest',
    (network) => {
      const payouts = authorised(pay('s-1', 60_000n)).map((each) => ({ ...each, network }));
      expect(fresh({ ...GOOD, payouts })).toBe('AUTHORISED_NETWORK_DIFFERS');
    },
  );

  it('is refused for one payout among others', () => {
    const outputs = [pay('s-1', 30_000n), pay('s-2', 30_000n), change(39_000n)];
    const payouts = outputs.flatMap(authorised).map((each, i) => (i === 1 ? { ...each, network: 'signet' } : each));
    expect(fresh({ ...GOOD, outputs, payouts })).toBe('AUTHORISED_NETWORK_DIFFERS');
    expect(fresh({ ...GOOD, outputs })).toBe('signed');
  });

  it('has other scripts on mainnet: a request made for it is refused', () => {
    const outputs = [pay('s-1', 60_000n, scriptOn('mainnet', BANK_B, 0, 3)), change(39_000n)];
    expect(fresh({ ...GOOD, outputs })).toBe('OUTPUT_SCRIPT_DIFFERS');
    expect(fresh(withChange(change(39_000n, scriptOn('mainnet', BANK_A, 1, 5))))).toBe('CHANGE_NOT_OURS');
  });

  it('has coins of other keys on mainnet: what is signed here spends none of them', () => {
    const inputs = [{ ...coin(BANK_A, 100_000n), script: scriptOn('mainnet', BANK_A, 0, 0) }];
    const { unsignedTransaction: unsigned } = requestOf({ ...GOOD, inputs });
    const keyFor = (): SigningKey => keyOf(BANK_A).signingKey(0, 0);
    expect(signTransaction({ unsigned, prevouts: inputs, keyFor })).toMatchObject({
      error: { reason: 'KEY_MISMATCH' },
    });
  });
});

describe('limits', () => {
  /** What can be taken with requests that are each within all limits, one after the other. */
  function taken(attempt: (journal: Journal, round: number) => SigningRule | 'signed', rounds = 40): number {
    const journal = new Journal();
    return Array.from({ length: rounds }, (_, round) => attempt(journal, round)).filter((answer) => answer === 'signed')
      .length;
  }

  it('count what leaves in many lineages together', () => {
    const each = 99_000n + FEE;
    const signed = taken((journal, i) =>
      journal.ask({ lineageId: `l-${i}`, inputs: [coin(BANK_A, 100_000n)], outputs: [pay(`s-${i}`, 99_000n)] }),
    );
    expect(signed).toBe(Number(LIMIT_SATS / each));
  });

  it('count what leaves several wallets of an institution together', () => {
    const journal = new Journal();
    const from = (of: Account, lineageId: string, value: bigint): SigningRule | 'signed' =>
      journal.ask({ lineageId, from: of, inputs: [coin(of, value + FEE)], outputs: [pay(lineageId, value)] });
    expect(from(BANK_A, 'l-1', 600_000n)).toBe('signed');
    expect(from(BANK_A_TAPROOT, 'l-2', 400_000n)).toBe('ROLLING_LIMIT');
    expect(from(BANK_A_TAPROOT, 'l-2', 300_000n)).toBe('signed');
  });

  it('count what leaves in many outputs of one transaction together', () => {
    const outputs = Array.from({ length: 11 }, (_, i) => pay(`s-${i}`, 99_000n));
    const inputs = [coin(BANK_A, 11n * 99_000n + FEE)];
    expect(fresh({ inputs, outputs })).toBe('ROLLING_LIMIT');
    expect(fresh({ inputs: [coin(BANK_A, 10n * 99_000n + FEE)], outputs: outputs.slice(0, 10) })).toBe('signed');
  });

  it('count the dearest version of a lineage, which alone can confirm, and nothing less', () => {
    const journal = new Journal();
    const inputs = [coin(BANK_A, 2_000_000n)];
    const version = (number: number, value: bigint): SigningRule | 'signed' =>
      journal.ask({
        version: number,
        inputs,
        outputs: [pay(`s-${number}`, value), change(2_000_000n - value - FEE)],
      });
    expect(version(1, 900_000n)).toBe('signed');
    expect(version(2, 100_000n)).toBe('signed');
    expect(version(3, LIMIT_SATS)).toBe('ROLLING_LIMIT');
    const more = { lineageId: 'l-2', inputs: [coin(BANK_A, 101_000n)], outputs: [pay('s-9', 100_000n)] };
    expect(journal.ask(more)).toBe('ROLLING_LIMIT');
  });

  it('count fees: many transactions that only burn come to an end', () => {
    const burnt = 10_000n;
    const signed = taken(
      (journal, i) =>
        journal.ask({ lineageId: `l-${i}`, inputs: [coin(BANK_A, 100_000n)], outputs: [change(100_000n - burnt)] }),
      100,
    );
    expect(signed).toBe(Number(LIMIT_SATS / burnt));
  });
});
