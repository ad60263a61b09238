import type { institutionV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { readBalances } from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import type { Institution } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { institutionMessage } from '../store/messages.ts';
import { institutionStream, limitsStream } from '../store/streams.ts';
import { limitsMessage } from './limits-view.ts';
import type { Gateway } from './gateway.ts';

/** An institution in its present state, what it owes, and what it may pay. @throws RefusalException NOT_FOUND */
export async function showInstitution(gateway: Gateway, institutionId: string): Promise<institutionV1.Institution> {
  const institution = await knownInstitution(gateway, institutionId);
  const [balance] = await readTransaction(gateway.env.pool, (session) =>
    readBalances(session, [{ kind: 'clearing', institutionId }]),
  );
  const { state: limits } = await gateway.reader.loadState(limitsStream, institutionId);
  return {
    ...institutionMessage(institution),
    creditLineDrawnSats: drawnSats(balance!),
    ...(limits.status === 'set' && { limits: limitsMessage(institutionId, limits, gateway.env.runtime.now()) }),
  };
}

/** @throws RefusalException NOT_FOUND */
export async function knownInstitution(
  gateway: Gateway,
  institutionId: string,
): Promise<Exclude<Institution, { status: 'none' }>> {
  const { state } = await gateway.reader.loadState(institutionStream, institutionId);
  if (state.status !== 'none') return state;
  throw toRpcException(refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`));
}

/** What is owed on clearing, reservations included. */
export const drawnSats = ({ available }: { readonly available: bigint }): bigint => (available < 0n ? -available : 0n);
