import type { institutionV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import { institutionMessage } from '../store/messages.ts';
import { institutionStream, limitsStream } from '../store/streams.ts';
import { limitsMessage } from './limits-view.ts';
import type { Gateway } from './gateway.ts';

/** An institution in its present state. @throws RefusalException NOT_FOUND */
export async function showInstitution(gateway: Gateway, institutionId: string): Promise<institutionV1.Institution> {
  const { state } = await gateway.reader.loadState(institutionStream, institutionId);
  if (state.status !== 'none') {
    const { state: limits } = await gateway.reader.loadState(limitsStream, institutionId);
    return {
      ...institutionMessage(state),
      ...(limits.status === 'set' && { limits: limitsMessage(institutionId, limits, gateway.env.runtime.now()) }),
    };
  }
  throw toRpcException(refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`));
}
