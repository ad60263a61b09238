import { parseOutpointKey } from '@finality/bitcoin';
import type { settlementV1 } from '@finality/contracts';
import { assert, type FieldError, fieldError } from '@finality/kernel';
import { known, type Resolution } from '@finality/settlement';
import { depositStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

export function checkOutpoint(text: string): FieldError | undefined {
  const parsed = parseOutpointKey(text);
  return parsed.ok ? undefined : fieldError('outpoint', parsed.error.message);
}

/** Of a deposit that somebody has just decided on. */
export async function showResolution(
  { reader }: Pick<Gateway, 'reader'>,
  outpoint: string,
): Promise<settlementV1.SuspenseResolution> {
  const { resolution } = known((await reader.loadState(depositStream, outpoint)).state);
  assert(resolution !== undefined, `${outpoint} has a resolution`);
  return resolutionMessage(outpoint, resolution);
}

export const resolutionMessage = (outpoint: string, resolution: Resolution): settlementV1.SuspenseResolution => ({
  outpoint,
  institutionId: resolution.institutionId,
  reason: resolution.reason,
  evidence: resolution.evidence,
  proposedBy: resolution.proposedBy,
  confirmedBy: resolution.confirmedBy ?? '',
  confirmationReason: resolution.confirmationReason ?? '',
});
