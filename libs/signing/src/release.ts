import type { OutpointKey } from '@finality/bitcoin';
import { accept, type Decision, type Instant, refusal, refuse, type Refusal } from '@finality/kernel';
import type { CoinsReleased, LineageState } from './lineage.ts';

/** Coins that a lineage keeps for nothing, as settlement says, for two of its operators. */
export interface ReleaseCoins {
  readonly lineageId: string;
  readonly outpoints: readonly OutpointKey[];
  /** API keys: who asked for it, and who agreed. */
  readonly proposedBy: string;
  readonly confirmedBy: string;
  readonly reason: string;
}

export interface ReleaseFacts {
  readonly now: Instant;
  /** The lineage that has a coin now. */
  ownerOf(outpoint: OutpointKey): string | undefined;
}

/**
 * Another lineage may have these coins, and this one never again: whatever it signs later spends none of them. The signer can't see the chain, and
 * needn't believe what is said of it: two transactions that spend one coin exclude each other, and what pays a settlement is bound to its lineage
 * by the anchor whatever becomes of other coins. Told falsely, it signs what delays, as versions that leave a payout out do (ADR 14).
 * What is released already is no news.
 * @returns the event; or SAME_PERSON, COIN_OF_OTHER_LINEAGE
 */
export function decideReleaseCoins(
  command: ReleaseCoins,
  { released }: LineageState,
  { now, ownerOf }: ReleaseFacts,
): Decision<CoinsReleased, Refusal> {
  const { lineageId, proposedBy, confirmedBy, reason } = command;
  if (proposedBy === confirmedBy) return refused('SAME_PERSON', `expected two persons, got ${proposedBy} twice`);
  const outpoints = [...new Set(command.outpoints)].filter((outpoint) => !released.includes(outpoint));
  for (const outpoint of outpoints) {
    const owner = ownerOf(outpoint);
    if (owner !== undefined && owner !== lineageId)
      return refused('COIN_OF_OTHER_LINEAGE', `${outpoint} belongs to lineage ${owner}`);
  }
  if (outpoints.length === 0) return accept();
  return accept<CoinsReleased>({
    type: 'coins_released',
    lineageId,
    outpoints,
    proposedBy,
    confirmedBy,
    reason,
    at: now,
  });
}

const refused = (reason: string, message: string): Decision<CoinsReleased, Refusal> =>
  refuse(refusal('failed_precondition', reason, message));
