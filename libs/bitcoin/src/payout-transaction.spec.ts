import { type Sats, unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { deriveScript } from './derivation.ts';
import { bytesFromHex } from './hex.ts';
import type { ScriptHex, Txid } from './ids.ts';
import { type AccountKey, MasterKey } from './keys.ts';
import {
  buildPayoutTransaction,
  checkPayoutTransaction,
  type DeclaredPayout,
  type PayoutPlan,
} from './payout-transaction.ts';
import { signTransaction } from './signing.ts';
import { rawHex } from './transaction.ts';

const MASTER = new MasterKey(bytesFromHex('42'.repeat(32)), 'regtest');
const PAYEE = `0020${'77'.repeat(32)}` as ScriptHex;
const sats = (value: bigint): Sats => value as Sats;

describe.each(['wpkh', 'tr'] as const)('a payout of a %s wallet', (type) => {
  const account = MASTER.account(type, 0);
  const plan = planOf(account);
  const payout = buildPayoutTransaction(plan);
  const declared: DeclaredPayout = { ...plan, feeSats: sats(1_000n) };

  it('is built as DESIGN 8 asks: version 2, nSequence 0xfffffffd, nLockTime = tip, in the order given', () => {
    const transaction = unwrap(checkPayoutTransaction(payout.unsigned, declared));
    expect(transaction).toMatchObject({ txid: payout.txid, version: 2, locktime: 812_345, hasWitness: false });
    expect(transaction.inputs.map(({ sequence }) => sequence)).toEqual([0xfffffffd, 0xfffffffd]);
    expect(transaction.inputs.map(({ outpoint }) => outpoint)).toEqual(plan.inputs.map(({ outpoint }) => outpoint));
    expect(transaction.outputs).toEqual(plan.outputs.map(({ valueSats, script }) => ({ valueSats, script })));
    expect(payout.feeSats).toBe(1_000n);
  });

  it.each<[string, Partial<DeclaredPayout>]>([
    ['WRONG_LOCKTIME', { locktime: 812_346 }],
    ['WRONG_FEE', { feeSats: sats(999n) }],
    ['WRONG_FEE', { inputs: plan.inputs.map((input) => ({ ...input, valueSats: sats(input.valueSats + 1n) })) }],
    ['INPUTS_DIFFER', { inputs: plan.inputs.toReversed() }],
    ['INPUTS_DIFFER', { inputs: plan.inputs.slice(0, 1) }],
    ['OUTPUTS_DIFFER', { outputs: plan.outputs.toReversed() }],
    ['OUTPUTS_DIFFER', { outputs: plan.outputs.slice(0, 1) }],
    ['OUTPUTS_DIFFER', { outputs: plan.outputs.map((output) => ({ ...output, script: PAYEE })) }],
    [
      'OUTPUTS_DIFFER',
      { outputs: plan.outputs.map((output) => ({ ...output, valueSats: sats(output.valueSats - 1n) })) },
    ],
  ])('is refused as %s when something else was declared', (reason, change) => {
    expect(checkPayoutTransaction(payout.unsigned, { ...declared, ...change })).toMatchObject({
      ok: false,
      error: { reason },
    });
  });

  it.each([
    ['WRONG_VERSION', (raw: string) => `01${raw.slice(2)}`],
    ['WRONG_SEQUENCE', (raw: string) => raw.replace('fdffffff', 'ffffffff')],
    ['MALFORMED_TRANSACTION', (raw: string) => `${raw}00`],
  ])('is refused as %s when it was changed', (reason, change) => {
    expect(checkPayoutTransaction(change(payout.unsigned), declared)).toMatchObject({ ok: false, error: { reason } });
  });

  it('is refused once it is signed', () => {
    const signed = unwrap(
      signTransaction({ unsigned: payout.unsigned, prevouts: plan.inputs, keyFor: (i) => account.signingKey(0, i) }),
    );
    expect(checkPayoutTransaction(rawHex(signed), declared)).toMatchObject({ error: { reason: 'ALREADY_SIGNED' } });
  });
});

describe('plans that are bugs', () => {
  const plan = planOf(MASTER.account('wpkh', 0));
  it.each<[string, Partial<PayoutPlan>]>([
    ['no inputs', { inputs: [] }],
    ['no outputs', { outputs: [] }],
    ['a coin twice', { inputs: [plan.inputs[0]!, plan.inputs[0]!] }],
    [
      'an input that is not segwit',
      { inputs: [{ ...plan.inputs[0]!, script: `76a914${'00'.repeat(20)}88ac` as ScriptHex }] },
    ],
    ['more out than in', { inputs: plan.inputs.slice(1) }],
    ['a negative output', { outputs: [{ script: PAYEE, valueSats: sats(-1n) }] }],
    ['a time as height', { locktime: 500_000_000 }],
  ])('%s', (_what, change) => {
    expect(() => buildPayoutTransaction({ ...plan, ...change })).toThrow('invariant');
  });
});

function planOf(account: AccountKey): PayoutPlan {
  const inputs = [250_000n, 120_000n].map((value, index) => ({
    outpoint: { txid: `${index}f`.repeat(32) as Txid, vout: index },
    valueSats: sats(value),
    script: deriveScript(account.descriptor, 0, index).script,
    place: { descriptor: account.descriptor, branch: 0 as const, index },
  }));
  const place = { descriptor: account.descriptor, branch: 1 as const, index: 5 };
  const change = { script: deriveScript(account.descriptor, 1, 5).script, valueSats: sats(69_000n), place };
  return { inputs, outputs: [{ script: PAYEE, valueSats: sats(300_000n) }, change], locktime: 812_345 };
}
