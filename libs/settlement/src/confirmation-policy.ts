import type { Sats } from '@finality/kernel';

/** Version of the rule below: recorded with each decision, which can be made again from its inputs. */
export const CONFIRMATION_POLICY_VERSION = 1;

export type ConfirmationPurpose = 'deposit' | 'bilateral' | 'blockchain';

/** Numbers of confirmations: what everything needs, and what is added for a reason (REQUIREMENTS S5). */
export interface ConfirmationPolicy {
  readonly base: Readonly<Record<ConfirmationPurpose, number>>;
  /** From such an amount on, so many more; of several the one that adds most. */
  readonly amounts: readonly { readonly fromSats: Sats; readonly more: number }[];
  /** Where screening has asked a person. */
  readonly reviewed: number;
  /** Where somebody else has signed the inputs, and may sign others. */
  readonly foreignInputs: number;
  /** Where so many of the last {@link STALE_WINDOW} blocks have gone stale; undefined: they aren't counted. */
  readonly stale?: { readonly blocks: number; readonly more: number };
}

/** A week. */
export const STALE_WINDOW = 1_008;

export interface ConfirmationInputs {
  readonly purpose: ConfirmationPurpose;
  readonly amountSats: Sats;
  readonly reviewed: boolean;
  /** We have signed every input: nobody else can spend them otherwise. */
  readonly ownInputs: boolean;
  /** Blocks of the last {@link STALE_WINDOW} that a reorg took. */
  readonly staleBlocks: number;
}

/** What was decided, with what it rests on. */
export interface ConfirmationDecision {
  readonly required: number;
  readonly policyVersion: number;
  readonly inputs: ConfirmationInputs;
}

/** How many confirmations make it final. Pure: the same inputs under the same policy always need as many. */
export function decideConfirmations(inputs: ConfirmationInputs, policy: ConfirmationPolicy): ConfirmationDecision {
  const { purpose, amountSats, reviewed, ownInputs, staleBlocks } = inputs;
  const forAmount = policy.amounts.filter(({ fromSats }) => amountSats >= fromSats).map(({ more }) => more);
  const isRestless = policy.stale !== undefined && staleBlocks >= policy.stale.blocks;
  const required =
    policy.base[purpose] +
    Math.max(0, ...forAmount) +
    (reviewed ? policy.reviewed : 0) +
    (ownInputs ? 0 : policy.foreignInputs) +
    (isRestless ? policy.stale.more : 0);
  return { required, policyVersion: CONFIRMATION_POLICY_VERSION, inputs };
}
