import type { ConsolidationRules, FeeRate, FeeTerms } from '@finality/bitcoin';
import type { Sats } from '@finality/kernel';
import type { Money, Unit } from '@finality/ledger';
import type { ConfirmationPolicy } from './confirmation-policy.ts';

/** The numbers behind decisions: configuration, versioned, recorded with each settlement (REQUIREMENTS S5, DESIGN 7). */
export interface SettlementPolicy {
  readonly version: string;
  /** What makes deposits and on-chain settlements final. */
  readonly confirmations: ConfirmationPolicy;
  /** A transaction this deep is final: what it excludes is dead (DESIGN 8). */
  readonly finalDepth: number;
  /** What is worth as much counts once a second node has its block too (REQUIREMENTS C7); undefined: there is no second node. */
  readonly agreeFromSats?: Sats;
  /** A reorg of more blocks isn't to be expected: crediting and signing stop until somebody confirms it. */
  readonly deepReorgBlocks: number;
  /** Blocks that a reopened settlement may stay unconfirmed before it is reversed. */
  readonly reopenedBlocksMax: number;
  /** What payouts pay: always this, or what is decided for the `normal` target between the floor and the cap. */
  readonly fees: { readonly fixed: FeeRate } | { readonly floor: FeeRate; readonly cap: FeeRate };
  /** A payout's share of the network fee never exceeds it. Reserved on top of the amount, or what the payer has beside it where the payee bears the fee. */
  readonly feeCapSats: Sats;
  /** Who bears what later versions of a transaction cost more than the first. */
  readonly bumpBearer: FeeTerms['bumpBearer'];
  /** Payouts of a wallet that may share a transaction wait for others: so long at most, until so many or so much is to be paid. */
  readonly batch: { readonly waitMs: number; readonly payoutsMax: number; readonly valueMaxSats: Sats };
  /** When small coins of a wallet become one; undefined: never. */
  readonly consolidation?: ConsolidationRules;
  /** A transaction that isn't in a block so many blocks after it was offered is replaced by one that pays more. */
  readonly bump: { readonly afterBlocks: number; readonly incrementalFeeRate: FeeRate };
  /** What all credit lines together may have drawn, whatever each is; undefined: as much as they are. */
  readonly lentMaxSats?: Sats;
  /** What the platform itself adds where a defaulter's own means don't do, before anybody else's are touched; in all, until it is paid back. Each unit once; of others nothing. */
  readonly standbyMax?: readonly Money[];
  /** What an institution without a cap of its own may owe in a window, net; undefined: whatever its liquidity allows. */
  readonly debitCapSats?: Sats;
  /** Between adding a counterparty to a list and paying it. */
  readonly counterpartyCoolingMs: number;
  /** A settlement that hasn't begun to execute by then expires. */
  readonly expiryMs: number;
}

/** What the platform's standby line is in a unit. */
export const standbyMaxIn = ({ standbyMax = [] }: Pick<SettlementPolicy, 'standbyMax'>, unit: Unit): bigint =>
  standbyMax.find((each) => each.unit === unit)?.amount ?? 0n;
