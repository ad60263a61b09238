import { feeRate, type FeeRate, isNetwork, type Network } from '@finality/bitcoin';
import { MAX_MONEY_SATS, sats } from '@finality/kernel';
import { BTC, type Money, parseUnit } from '@finality/ledger';
import { defineConfig, setting } from '@finality/service';
import { type SettlementPolicy, STALE_WINDOW, UNIT_LINE_MAX } from '@finality/settlement';
import type { z } from 'zod';

export interface SettlementConfig {
  readonly network: Network;
  readonly policy: SettlementPolicy;
  /** Settlements that may wait for their screening before further ones are refused. */
  readonly screeningMax: number;
  /** How long a worker leaves what the signer refused before it asks again. */
  readonly signingRetryMs: number;
  /** How old the oldest entry of the ledger may get before its segment is sealed. */
  readonly sealAfterMs: number;
  /** How far apart heads of the ledger are written into the chain; undefined: none is. */
  readonly anchorApartMs?: number;
  /** How long a netting window is open; undefined: until an operator closes it. */
  readonly windowMs?: number;
}

const FEE_CAP_MAX = 10_000_000n;
const CONFIRMATIONS_MAX = 144;
/** With their inputs they stay within the 100 kvB that nodes relay. */
const PAYOUTS_MAX = 1_000;

/** Coins that one transaction makes one, about 34 kvB of P2WPKH: it needn't be the heaviest there is. */
const CONSOLIDATED_MAX = 500;

/** A head a day costs about what one payout does, and is what auditors compare with. */
const ANCHOR_SECONDS_DEFAULT = 86_400;
const ANCHOR_SECONDS_MAX = 30 * 86_400;

/** The settlement service's variables of the environment. */
export const settlementSettings = defineConfig({
  BITCOIN_NETWORK: setting
    .oneOf('regtest', 'signet', 'testnet4', 'mainnet')
    .default('regtest')
    .describe('which network'),
  BILATERAL_CONFIRMATIONS: setting
    .integer(1, CONFIRMATIONS_MAX)
    .default(3)
    .describe('confirmations that make a BILATERAL settlement final'),
  BLOCKCHAIN_CONFIRMATIONS: setting
    .integer(1, CONFIRMATIONS_MAX)
    .default(6)
    .describe('confirmations that make a BLOCKCHAIN settlement final'),
  DEPOSIT_CONFIRMATIONS: setting
    .integer(1, CONFIRMATIONS_MAX)
    .default(3)
    .describe('confirmations before a deposit is credited'),
  LARGE_FROM_SATS: setting
    .sats(1n, MAX_MONEY_SATS)
    .default(1_000_000_000n)
    .describe('from this amount on, deposits and settlements need LARGE_CONFIRMATIONS more'),
  LARGE_CONFIRMATIONS: setting
    .integer(0, CONFIRMATIONS_MAX)
    .default(6)
    .describe('confirmations more for large amounts'),
  REVIEWED_CONFIRMATIONS: setting
    .integer(0, CONFIRMATIONS_MAX)
    .default(0)
    .describe('confirmations more for what screening has left to a person'),
  FOREIGN_CONFIRMATIONS: setting
    .integer(0, CONFIRMATIONS_MAX)
    .default(0)
    .describe(
      'confirmations more where somebody else has signed the inputs: deposits, settlements of wallets that sign for themselves',
    ),
  STALE_BLOCKS: setting
    .integer(1, STALE_WINDOW)
    .optional()
    .describe('when so many of the last 1,008 blocks went stale, everything needs STALE_CONFIRMATIONS more'),
  STALE_CONFIRMATIONS: setting
    .integer(0, CONFIRMATIONS_MAX)
    .default(3)
    .describe('confirmations more on a restless chain'),
  AGREE_FROM_SATS: setting
    .sats(1n, MAX_MONEY_SATS)
    .optional()
    .describe('from this amount on, a second node of the chain-watcher must have the block too before it counts'),
  DEEP_REORG_BLOCKS: setting
    .integer(1, CONFIRMATIONS_MAX)
    .default(10)
    .describe('a reorg of more blocks stops crediting and signing until an operator has confirmed it'),
  FEE_RATE_SAT_PER_VB: setting
    .integer(1, 1_000)
    .optional()
    .describe('feerate of payouts, in sat/vB; default: what the node estimates for six blocks, on regtest 2'),
  FEE_RATE_MIN_SAT_PER_VB: setting
    .integer(1, 1_000)
    .default(1)
    .describe('the least that payouts pay, whatever is estimated, in sat/vB'),
  FEE_RATE_MAX_SAT_PER_VB: setting
    .integer(1, 10_000)
    .default(200)
    .describe('the most that payouts pay, whatever is estimated, in sat/vB'),
  FEE_CAP_SATS: setting
    .sats(500n, FEE_CAP_MAX)
    .default(20_000n)
    .describe('the highest network fee of one settlement, reserved with its amount'),
  BUMP_FEE_PAID_BY: setting
    .oneOf('payer', 'platform')
    .default('payer')
    .describe(
      'who bears what a payout costs more than it was quoted, when its transaction is replaced by a dearer one',
    ),
  PAYOUT_BATCH_SECONDS: setting
    .integer(0, 86_400)
    .default(0)
    .describe('a BILATERAL payout waits so long for others of its wallet to share a transaction with'),
  PAYOUT_BATCH_COUNT: setting.integer(1, PAYOUTS_MAX).default(200).describe('... until there are so many of them'),
  PAYOUT_BATCH_SATS: setting.sats(1n, MAX_MONEY_SATS).default(1_000_000_000n).describe('... or so much is to be paid'),
  CONSOLIDATE_BELOW_SAT_PER_VB: setting
    .integer(1, 1_000)
    .optional()
    .describe(
      "at most at this feerate, in sat/vB, a wallet's small coins become one; its owner pays the fee. Default: never",
    ),
  CONSOLIDATE_FROM_COINS: setting
    .integer(2, CONSOLIDATED_MAX)
    .default(100)
    .describe('... when there are so many of them, beside those that are kept for payouts'),
  BUMP_AFTER_BLOCKS: setting
    .integer(1, CONFIRMATIONS_MAX)
    .default(6)
    .describe('a payout that is in no block after so many is replaced by one with a higher fee'),
  LEDGER_SEAL_SECONDS: setting
    .integer(1, 86_400)
    .default(60)
    .describe('entries of the ledger are sealed, signed and can be proven after this time'),
  LEDGER_ANCHOR_SECONDS: setting
    .integer(0, ANCHOR_SECONDS_MAX)
    .optional()
    .describe(
      'so often the newest signed head of the ledger is written into the chain, at the platform’s expense; 0: never. Default: once a day, on regtest 0',
    ),
  COUNTERPARTY_COOLING_SECONDS: setting
    .integer(0, 30 * 86_400)
    .default(86_400)
    .describe('how long after it was put on an institution’s list a counterparty is first paid'),
  WINDOW_SECONDS: setting
    .integer(1, 7 * 86_400)
    .optional()
    .describe('a netting window closes, and the next one opens, after this time; default: when an operator says so'),
  WINDOW_DEBIT_CAP_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .optional()
    .describe(
      'what an institution without a cap of its own may owe in a netting window, net, whatever its balance, in satoshi; default: as much as its liquidity allows',
    ),
  LENT_MAX_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .optional()
    .describe('what all credit lines together may have drawn at any time, in satoshi; default: as much as they are'),
  STANDBY_MAX_SATS: setting
    .sats(0n, MAX_MONEY_SATS)
    .default(0n)
    .describe(
      'what the platform itself adds, in all, where participants are in default and their own means don’t do, in satoshi',
    ),
  STANDBY_MAX_UNITS: setting
    .text()
    .refine((text) => parseAmounts(text) !== undefined, 'units other than BTC with amounts, such as USD:500000,EUR:0')
    .optional()
    .describe('the same in other units, in their smallest parts: USD:500000,EUR:0. Default: nothing'),
  SCREENING_QUEUE_MAX: setting
    .integer(1, 1_000_000)
    .default(2_000)
    .describe(
      'settlements that may wait for their screening; further ones are to be sent again later. About three seconds of what two cores settle: one that is let in is settled soon',
    ),
  SETTLEMENT_EXPIRY_SECONDS: setting
    .integer(1, 30 * 86_400)
    .default(86_400)
    .describe('a settlement that has not begun to execute by then expires'),
});

/** Depth at which a transaction is final, and blocks that a reopened settlement may stay unconfirmed (DESIGN 7 and 8). */
const FINAL_DEPTH = 6;
const REOPENED_BLOCKS_MAX = 6;
const COINS_KEPT = 10;
const VALUE_KEPT_PERMILLE = 500;
const SIGNING_RETRY_MS = 30_000;
const SAT_PER_KVB = 1_000n;
const REGTEST_SAT_PER_VB = 2;
/** What btcd, and Bitcoin Core before 30, ask of a replacement on top of what it replaces. */
const INCREMENTAL_SAT_PER_KVB = 1_000n;

/** On regtest nobody competes for room in blocks. */
function feesOf(network: Network, values: z.output<typeof settlementSettings>): SettlementPolicy['fees'] {
  const perVb = values.FEE_RATE_SAT_PER_VB ?? (network === 'regtest' ? REGTEST_SAT_PER_VB : undefined);
  if (perVb !== undefined) return { fixed: feeRate(BigInt(perVb) * SAT_PER_KVB) };
  const [floor, cap] = [values.FEE_RATE_MIN_SAT_PER_VB, values.FEE_RATE_MAX_SAT_PER_VB].map((rate) =>
    feeRate(BigInt(rate) * SAT_PER_KVB),
  ) as [FeeRate, FeeRate];
  return { floor, cap };
}

/** Tidying up costs an owner no more than a payout may; half of the wallet and its ten most valuable coins stay free for payouts meanwhile. */
function consolidationOf(values: z.output<typeof settlementSettings>): SettlementPolicy['consolidation'] {
  const perVb = values.CONSOLIDATE_BELOW_SAT_PER_VB;
  if (perVb === undefined) return undefined;
  return {
    feeRateMax: feeRate(BigInt(perVb) * SAT_PER_KVB),
    coinsMin: values.CONSOLIDATE_FROM_COINS,
    coinsMax: CONSOLIDATED_MAX,
    coinsKept: COINS_KEPT,
    valueKeptPermille: VALUE_KEPT_PERMILLE,
    feeCapSats: sats(values.FEE_CAP_SATS),
  };
}

export function settlementConfig(values: z.output<typeof settlementSettings>): SettlementConfig {
  const network = values.BITCOIN_NETWORK;
  const consolidation = consolidationOf(values);
  const anchorSeconds = values.LEDGER_ANCHOR_SECONDS ?? (network === 'regtest' ? 0 : ANCHOR_SECONDS_DEFAULT);
  if (!isNetwork(network)) throw new Error(`"${String(network)}" is no network`);
  return {
    network,
    screeningMax: values.SCREENING_QUEUE_MAX,
    signingRetryMs: SIGNING_RETRY_MS,
    sealAfterMs: values.LEDGER_SEAL_SECONDS * 1_000,
    ...(anchorSeconds > 0 && { anchorApartMs: anchorSeconds * 1_000 }),
    ...(values.WINDOW_SECONDS === undefined ? {} : { windowMs: values.WINDOW_SECONDS * 1_000 }),
    policy: {
      version: [
        values.BILATERAL_CONFIRMATIONS,
        values.BLOCKCHAIN_CONFIRMATIONS,
        values.DEPOSIT_CONFIRMATIONS,
        values.FEE_CAP_SATS,
        values.BUMP_FEE_PAID_BY,
        values.LARGE_FROM_SATS,
        values.LARGE_CONFIRMATIONS,
        values.REVIEWED_CONFIRMATIONS,
        values.FOREIGN_CONFIRMATIONS,
        values.STALE_BLOCKS ?? 'none',
        values.STALE_CONFIRMATIONS,
        values.AGREE_FROM_SATS ?? 'none',
      ].join('/'),
      confirmations: {
        base: {
          deposit: values.DEPOSIT_CONFIRMATIONS,
          bilateral: values.BILATERAL_CONFIRMATIONS,
          blockchain: values.BLOCKCHAIN_CONFIRMATIONS,
        },
        amounts: [{ fromSats: sats(values.LARGE_FROM_SATS), more: values.LARGE_CONFIRMATIONS }],
        reviewed: values.REVIEWED_CONFIRMATIONS,
        foreignInputs: values.FOREIGN_CONFIRMATIONS,
        ...(values.STALE_BLOCKS === undefined
          ? {}
          : { stale: { blocks: values.STALE_BLOCKS, more: values.STALE_CONFIRMATIONS } }),
      },
      finalDepth: FINAL_DEPTH,
      ...(values.AGREE_FROM_SATS === undefined ? {} : { agreeFromSats: sats(values.AGREE_FROM_SATS) }),
      deepReorgBlocks: values.DEEP_REORG_BLOCKS,
      reopenedBlocksMax: REOPENED_BLOCKS_MAX,
      fees: feesOf(network, values),
      feeCapSats: sats(values.FEE_CAP_SATS),
      bumpBearer: values.BUMP_FEE_PAID_BY,
      batch: {
        waitMs: values.PAYOUT_BATCH_SECONDS * 1_000,
        payoutsMax: values.PAYOUT_BATCH_COUNT,
        valueMaxSats: sats(values.PAYOUT_BATCH_SATS),
      },
      ...(consolidation && { consolidation }),
      bump: { afterBlocks: values.BUMP_AFTER_BLOCKS, incrementalFeeRate: feeRate(INCREMENTAL_SAT_PER_KVB) },
      ...(values.LENT_MAX_SATS === undefined ? {} : { lentMaxSats: sats(values.LENT_MAX_SATS) }),
      ...(values.WINDOW_DEBIT_CAP_SATS === undefined ? {} : { debitCapSats: sats(values.WINDOW_DEBIT_CAP_SATS) }),
      standbyMax: [
        { unit: BTC, amount: values.STANDBY_MAX_SATS },
        ...(parseAmounts(values.STANDBY_MAX_UNITS ?? '') ?? []),
      ],
      counterpartyCoolingMs: values.COUNTERPARTY_COOLING_SECONDS * 1_000,
      expiryMs: values.SETTLEMENT_EXPIRY_SECONDS * 1_000,
    },
  };
}

/** `USD:500000,EUR:0`, each unit once, and none of them BTC; undefined: it is something else. */
export function parseAmounts(text: string): readonly Money[] | undefined {
  if (text === '') return [];
  const parts = text.split(',').map((part) => AMOUNT_IN_UNIT.exec(part.trim()));
  const amounts = parts.flatMap((match) => {
    const unit = parseUnit(match?.[1] ?? '');
    const amount = BigInt(match?.[2] ?? 0);
    return unit === undefined || unit === BTC || amount > UNIT_LINE_MAX ? [] : [{ unit, amount }];
  });
  const isAll = amounts.length === parts.length && new Set(amounts.map(({ unit }) => unit)).size === parts.length;
  return isAll ? amounts : undefined;
}

const AMOUNT_IN_UNIT = /^([A-Z]{3}):(\d{1,19})$/;
