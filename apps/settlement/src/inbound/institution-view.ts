import type { institutionV1 } from '@finality/contracts';
import { refusal } from '@finality/kernel';
import { readBalances } from '@finality/ledger-store';
import { toRpcException } from '@finality/service';
import type { Institution } from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { institutionMessage } from '../store/messages.ts';
import { institutionStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

/** An institution in its present state, and what it owes. @throws RefusalException NOT_FOUND */
export async function showInstitution(gateway: Gateway, institutionId: string): Promise<institutionV1.Institution> {
  const institution = await knownInstitution(gateway, institutionId);
  const [balance] = await readTransaction(gateway.env.pool, (session) =>
    readBalances(session, [{ kind: 'clearing', institutionId }]),
  );
  return { ...institutionMessage(institution), creditLineDrawnSats: drawnSats(balance!) };
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
