import {
  type AccountKey,
  buildPayoutTransaction,
  type Coin,
  deriveScript,
  feeRate,
  MasterKey,
  outpointKey,
  type PayoutInput,
  type Prevout,
  type QuotedPayout,
  type QuotedSelection,
  rawHex,
  type ScriptHex,
  selectQuoted,
  signTransaction,
  type Txid,
  verifySignatures,
} from '@finality/bitcoin';
import { assert, type Instant, type Sats, unwrap } from '@finality/kernel';
import {
  type Account,
  approvalRulesAggregate,
  decideSigning,
  lineageAggregate,
  type SigningFacts,
  type SigningRequest,
} from '@finality/signing';
import { figure, type Measured, median } from '../figures.ts';
import { randomFrom } from './random.ts';

const PAYOUTS = 500;
const INPUTS = 200;
const COINS = 2_000;
const RUNS = 5;
const LIMIT_MS = 2_000;
const RATE = feeRate(12_000n);
const FEE_CAP = 100_000n as Sats;
const PAYEE_WALLET = 'payee';
const WALLET = 'payer';
const TIP_HEIGHT = 900_000;

interface WalletCoin extends Coin {
  readonly index: number;
  readonly script: ScriptHex;
}

interface Payout extends QuotedPayout {
  readonly settlementId: string;
  readonly index: number;
}

/** One transaction of many payouts, from the coins of a wallet to signatures that hold: what settlement and signer do, without their databases. */
export function benchPayout(): Promise<Measured> {
  const master = new MasterKey(new Uint8Array(32).fill(9), 'regtest');
  const payer = master.account('wpkh', 0);
  const payee = master.account('wpkh', 1);
  const coins = coinsOf(payer);
  const payouts = payoutsOf(payee, coins);
  const accounts = [accountOf(WALLET, payer, 0), accountOf(PAYEE_WALLET, payee, 1)];
  const facts = factsOf(accounts, [payer, payee]);
  const steps = { select: [], sign: [], build: [], check: [] } as Record<Step, number[]>;
  const totals: number[] = [];
  let weight = 0;
  for (let run = 0; run <= RUNS; run++) {
    const took = payOnce(payer, coins, payouts, facts);
    // The first warms up.
    if (run === 0) continue;
    for (const step of STEPS) steps[step].push(took[step]);
    totals.push(STEPS.reduce((sum, step) => sum + took[step], 0));
    ({ weight } = took);
  }
  const parts = STEPS.map((step) => `${step} ${median(steps[step]).toFixed(0)} ms`).join(', ');
  return Promise.resolve({
    figures: [figure('payout.batch', median(totals), 'ms', LIMIT_MS, 'agreed')],
    notes: [`payout.batch: ${PAYOUTS} payouts, ${INPUTS} inputs, ${weight} WU: ${parts}.`],
  });
}

const STEPS = ['select', 'build', 'check', 'sign'] as const;
type Step = (typeof STEPS)[number];

function payOnce(
  payer: AccountKey,
  coins: readonly WalletCoin[],
  payouts: readonly Payout[],
  facts: SigningFacts,
): Record<Step, number> & { readonly weight: number } {
  const started = performance.now();
  const selection: QuotedSelection<WalletCoin> = unwrap(
    selectQuoted({
      coins,
      payouts,
      feeRate: RATE,
      feeCapSats: (FEE_CAP * BigInt(PAYOUTS)) as Sats,
      change: { type: 'wpkh' },
    }),
  );
  assert(selection.inputs.length === INPUTS, `${INPUTS} coins pay, not ${selection.inputs.length}`);
  const selected = performance.now();

  const { changeSats } = selection;
  const inputs: PayoutInput[] = selection.inputs.map(({ outpoint, valueSats, script }) => ({
    outpoint,
    valueSats,
    script,
  }));
  const change = { script: deriveScript(payer.descriptor, 1, 0).script, valueSats: changeSats };
  const paid = payouts.map(({ script }, i) => ({ script, valueSats: selection.payouts[i]!.paidSats }));
  const outputs = [...paid, ...(changeSats > 0n ? [change] : [])];
  const transaction = buildPayoutTransaction({ inputs, outputs, locktime: TIP_HEIGHT });
  const built = performance.now();

  unwrap(decideSigning(requestOf(payouts, selection, transaction.unsigned), facts));
  const checked = performance.now();

  const prevouts: readonly Prevout[] = inputs;
  const keyFor = (input: number) => payer.signingKey(0, selection.inputs[input]!.index);
  const signed = unwrap(signTransaction({ unsigned: transaction.unsigned, prevouts, keyFor }));
  unwrap(verifySignatures(rawHex(signed), prevouts));
  const ended = performance.now();
  return {
    select: selected - started,
    build: built - selected,
    check: checked - built,
    sign: ended - checked,
    weight: signed.weight,
  };
}

function coinsOf(account: AccountKey): WalletCoin[] {
  const random = randomFrom(77);
  return Array.from({ length: COINS }, (_, index) => ({
    outpoint: { txid: index.toString(16).padStart(64, '0') as Txid, vout: 0 },
    valueSats: BigInt(500_000 + Math.floor(random() * 500_000)) as Sats,
    spend: { type: 'wpkh' },
    anchorEligible: true,
    index,
    script: deriveScript(account.descriptor, 0, index).script,
  }));
}

/** Together a little more than the most valuable coins but one bring. */
function payoutsOf(account: AccountKey, coins: readonly WalletCoin[]): Payout[] {
  const values = coins.map(({ valueSats }) => valueSats).sort((a, b) => (a > b ? -1 : 1));
  const total = values.slice(0, INPUTS - 1).reduce((sum, value) => sum + value, 0n);
  return Array.from({ length: PAYOUTS }, (_, index) => ({
    settlementId: `settlement-${index}`,
    amountSats: (total / BigInt(PAYOUTS)) as Sats,
    script: deriveScript(account.descriptor, 0, index).script,
    bearer: 'payer',
    shareMaxSats: FEE_CAP,
    payerMaxSats: FEE_CAP,
    index,
  }));
}

function accountOf(walletId: string, { descriptor }: AccountKey, accountIndex: number): Account {
  const { external, internal } = descriptor;
  return { walletId, institutionId: `bank-${walletId}`, scriptType: 'wpkh', accountIndex, external, internal };
}

/** An empty journal. Scripts are derived from the keys, as the signer does. */
function factsOf(accounts: readonly Account[], keys: readonly AccountKey[]): SigningFacts {
  return {
    network: 'regtest',
    account: (walletId) => accounts.find((account) => account.walletId === walletId),
    scriptOf: ({ accountIndex }, branch, index) => deriveScript(keys[accountIndex]!.descriptor, branch, index).script,
    indexHighest: () => 0,
    destination: () => ({ status: 'none' }),
    signatories: () => ({ signatories: [], revoked: [] }),
    approvalRules: () => approvalRulesAggregate.initialState,
    domain: 'finality',
    now: 1 as Instant,
    lineage: lineageAggregate.initialState,
    signedHead: () => undefined,
    headAnchored: null,
    coin: () => ({}),
    paymentsOf: () => [],
    ancestryOf: () => [],
    otherLineage: () => lineageAggregate.initialState,
    sentBeforeSats: 0n,
    sentInLineageSats: 0n,
    limits: {
      feeMaxSats: (10n ** 8n) as Sats,
      feeRateMax: feeRate(1_000_000n),
      rollingMaxSats: 10n ** 12n,
      windowMs: 86_400_000,
      indexGapMax: 1_000,
    },
    epochHighest: 1,
  };
}

function requestOf(
  payouts: readonly Payout[],
  selection: QuotedSelection<WalletCoin>,
  unsignedTransaction: string,
): SigningRequest {
  const inputs = selection.inputs.map(({ outpoint, valueSats, index }) => ({
    outpoint: outpointKey(outpoint),
    valueSats,
    branch: 0 as const,
    index,
  }));
  const paid = payouts.map(({ settlementId, amountSats, index }) => ({
    kind: 'payee' as const,
    valueSats: amountSats,
    settlementId,
    institutionId: `bank-${PAYEE_WALLET}`,
    walletId: PAYEE_WALLET,
    branch: 0 as const,
    index,
  }));
  const { changeSats } = selection;
  return {
    lineageId: 'lineage-1',
    version: 1,
    walletId: WALLET,
    anchor: inputs[0]!.outpoint,
    unsignedTransaction,
    inputs,
    outputs: [...paid, ...(changeSats > 0n ? [{ kind: 'change' as const, valueSats: changeSats, index: 0 }] : [])],
    epoch: 1,
    payouts: payouts.map(({ settlementId, amountSats }) => ({
      settlementId,
      network: 'regtest',
      payerInstitutionId: `bank-${WALLET}`,
      payeeInstitutionId: `bank-${PAYEE_WALLET}`,
      amountSats,
      payeeFeeMaxSats: 0n as Sats,
      requestSignature: '',
      requestKeyId: '',
      requestNonce: '',
      riskVerdictSignature: '',
      amlVerdictSignature: '',
      approvals: [],
    })),
  };
}
