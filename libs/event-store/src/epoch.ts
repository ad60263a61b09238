import type { MessageRef } from './port.ts';

/**
 * A store that was restored from an old copy goes on in a new epoch. Others may have handled what the lost store had said after that copy was
 * made, so its numbers mustn't be given out again: positions and sequences of each epoch begin here, far beyond any that the one before used.
 */
const NUMBERS_PER_EPOCH = 10n ** 12n;

/** The number before the first of an epoch; 0 in the first one. */
export const epochFloor = (epoch: number): bigint => BigInt(epoch - 1) * NUMBERS_PER_EPOCH;

/** On the first message of a key in an epoch: the sequence of the last one before it that still stands. What lies between is void. */
export const PREVIOUS_SEQUENCE_HEADER = 'ce_previoussequence';

/** The sequence that comes right before a message in its key. */
export function previousSequence({ sequence, headers }: Pick<MessageRef, 'sequence' | 'headers'>): bigint {
  const said = headers[PREVIOUS_SEQUENCE_HEADER];
  return said !== undefined && /^\d{1,19}$/.test(said) ? BigInt(said) : sequence - 1n;
}
