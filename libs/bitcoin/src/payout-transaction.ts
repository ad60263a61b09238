import { assert, err, MAX_MONEY_SATS, ok, type Result, type Sats } from '@finality/kernel';
import { Transaction } from 'bitcoinjs-lib';
import { walletScriptTypeOf } from './address.ts';
import type { Branch } from './derivation.ts';
import type { Descriptor } from './descriptor.ts';
import { transactionWeight } from './fees.ts';
import { type Fault, fault } from './fault.ts';
import { bytesFromHex, bytesFromReversedHex, hexFromBytes } from './hex.ts';
import { type Outpoint, outpointKey, type ScriptHex, type Txid } from './ids.ts';
import { type ParsedTransaction, parseTransaction } from './transaction.ts';

/** Where a wallet has a script: for signers to find their key and their change. */
export interface WalletPlace {
  readonly descriptor: Descriptor;
  readonly branch: Branch;
  readonly index: number;
}

export interface PayoutInput {
  readonly outpoint: Outpoint;
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly place?: WalletPlace;
}

export interface PayoutOutput {
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly place?: WalletPlace;
}

/** One version of a lineage's transaction (DESIGN 8), in the order it will have: anchor first; payees first, change last. */
export interface PayoutPlan {
  readonly inputs: readonly PayoutInput[];
  readonly outputs: readonly PayoutOutput[];
  /** Height of the tip when it is built. */
  readonly locktime: number;
}

export interface PayoutTransaction {
  readonly txid: Txid;
  /** Unsigned, as hex. All inputs are segwit: signing leaves the txid as it is. */
  readonly unsigned: string;
  readonly feeSats: Sats;
  /** The most it can weigh once it is signed. */
  readonly weightMax: number;
}

export type PayoutFault = Fault<
  | 'MALFORMED_TRANSACTION'
  | 'ALREADY_SIGNED'
  | 'WRONG_VERSION'
  | 'WRONG_SEQUENCE'
  | 'WRONG_LOCKTIME'
  | 'INPUTS_DIFFER'
  | 'OUTPUTS_DIFFER'
  | 'WRONG_FEE'
>;

export const PAYOUT_VERSION = 2;
/** Signals BIP125 replacement, which btcd asks for, and lets nLockTime count. */
export const PAYOUT_SEQUENCE = 0xffff_fffd;
/** Above it nLockTime is a time. */
const LOCKTIME_HEIGHT_MAX = 499_999_999;

/** Builds the unsigned transaction of a plan. A plan that doesn't add up, spends a coin twice or isn't segwit is a bug. */
export function buildPayoutTransaction(plan: PayoutPlan): PayoutTransaction {
  const feeSats = assertPlan(plan);
  assert(
    plan.inputs.every(({ script }) => walletScriptTypeOf(script) !== undefined),
    'coins of custodial wallets are P2WPKH or P2TR',
  );
  const unsigned = unsignedPayout(plan);
  const checked = checkPayoutTransaction(unsigned, { ...plan, feeSats });
  assert(checked.ok, 'a transaction is built as it was planned');
  return { txid: checked.value.txid, unsigned, feeSats, weightMax: weightMaxOf(plan) };
}

/** The unsigned transaction of a plan as hex, of whatever wallet. A plan that doesn't add up or spends a coin twice is a bug. */
export function unsignedPayout(plan: PayoutPlan): string {
  assertPlan(plan);
  const transaction = new Transaction();
  transaction.version = PAYOUT_VERSION;
  transaction.locktime = plan.locktime;
  for (const { outpoint } of plan.inputs)
    transaction.addInput(bytesFromReversedHex(outpoint.txid), outpoint.vout, PAYOUT_SEQUENCE);
  for (const { script, valueSats } of plan.outputs) transaction.addOutput(bytesFromHex(script), valueSats);
  return hexFromBytes(transaction.toBuffer());
}

/** What somebody declared about a transaction before it was signed. */
export interface DeclaredPayout {
  /** The first is the lineage's anchor. */
  readonly inputs: readonly Pick<PayoutInput, 'outpoint' | 'valueSats'>[];
  readonly outputs: readonly Pick<PayoutOutput, 'script' | 'valueSats'>[];
  readonly locktime: number;
  readonly feeSats: Sats;
}

/**
 * Whether an unsigned transaction is exactly the declared one: version 2, nSequence 0xfffffffd, nLockTime, the same inputs and outputs in
 * the same order, nothing signed, and inputs - outputs = fee. For whoever is about to sign, store or hand out what another part built.
 */
export function checkPayoutTransaction(
  unsigned: string,
  declared: DeclaredPayout,
): Result<ParsedTransaction, PayoutFault> {
  const parsed = parseTransaction(unsigned);
  if (!parsed.ok) return parsed;
  const problem = formFault(parsed.value, declared) ?? contentFault(parsed.value, declared);
  return problem ? err(problem) : ok(parsed.value);
}

function formFault(transaction: ParsedTransaction, { locktime }: DeclaredPayout): PayoutFault | undefined {
  if (transaction.version !== PAYOUT_VERSION) {
    return fault('WRONG_VERSION', `expected version ${PAYOUT_VERSION}, got ${transaction.version}`);
  }
  if (transaction.locktime !== locktime)
    return fault('WRONG_LOCKTIME', `expected nLockTime ${locktime}, got ${transaction.locktime}`);
  for (const { sequence, scriptSig, witness } of transaction.inputs) {
    if (scriptSig.length > 0 || witness.length > 0)
      return fault('ALREADY_SIGNED', 'expected inputs without scriptSig and witness');
    if (sequence !== PAYOUT_SEQUENCE)
      return fault('WRONG_SEQUENCE', `expected nSequence fffffffd, got ${sequence.toString(16)}`);
  }
  return undefined;
}

function contentFault(transaction: ParsedTransaction, declared: DeclaredPayout): PayoutFault | undefined {
  const spent = transaction.inputs.map((input) => outpointKey(input.outpoint)).join(', ');
  const expectedSpent = declared.inputs.map((input) => outpointKey(input.outpoint)).join(', ');
  if (spent !== expectedSpent) return fault('INPUTS_DIFFER', `expected inputs ${expectedSpent}, got ${spent}`);
  const paid = transaction.outputs.map(describeOutput).join(', ');
  const expectedPaid = declared.outputs.map(describeOutput).join(', ');
  if (paid !== expectedPaid) return fault('OUTPUTS_DIFFER', `expected outputs ${expectedPaid}, got ${paid}`);
  const feeSats = sumSats(declared.inputs) - sumSats(transaction.outputs);
  if (feeSats !== declared.feeSats)
    return fault('WRONG_FEE', `expected a fee of ${declared.feeSats} sat, got ${feeSats}`);
  return undefined;
}

const describeOutput = ({ script, valueSats }: Pick<PayoutOutput, 'script' | 'valueSats'>): string =>
  `${valueSats} sat to ${script}`;

const sumSats = (list: readonly { readonly valueSats: Sats }[]): bigint =>
  list.reduce((sum, { valueSats }) => sum + valueSats, 0n);

function assertPlan({ inputs, outputs, locktime }: PayoutPlan): Sats {
  assert(inputs.length > 0 && outputs.length > 0, 'a payout has inputs and outputs');
  assert(
    new Set(inputs.map(({ outpoint }) => outpointKey(outpoint))).size === inputs.length,
    'each coin is spent once',
  );
  for (const { valueSats } of [...inputs, ...outputs])
    assert(valueSats >= 0n && valueSats <= MAX_MONEY_SATS, `${valueSats} is an amount`);
  assert(Number.isInteger(locktime) && locktime >= 0 && locktime <= LOCKTIME_HEIGHT_MAX, `${locktime} is a height`);
  const feeSats = sumSats(inputs) - sumSats(outputs);
  assert(feeSats >= 0n, `inputs cover outputs (missing ${-feeSats} sat)`);
  return feeSats as Sats;
}

function weightMaxOf({ inputs, outputs }: PayoutPlan): number {
  const types = inputs.map(({ script }) => walletScriptTypeOf(script)).filter((type) => type !== undefined);
  return transactionWeight(
    types.map((type) => ({ type })),
    outputs.map(({ script }) => script),
  );
}
