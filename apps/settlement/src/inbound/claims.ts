import { refusal, type Principal } from '@finality/kernel';
import { type Claim, clearingClaim } from '@finality/ledger';
import { clearingUnits } from '@finality/ledger-store';
import type { Session } from '@finality/event-store';
import { requireInstitution, toRpcException } from '@finality/service';
import { loadWallets } from '../projections/registry.ts';
import { institutionStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

/** Clearing first, in BTC and in each other unit that there has ever been an entry in, then the wallets in the order of their registration. @throws RefusalException when the caller may not see them */
export async function claimsOf(
  gateway: Gateway,
  session: Session,
  caller: Principal,
  institutionId: string,
): Promise<readonly Claim[]> {
  if (caller.roles.every((role) => role === 'institution')) {
    const own = requireInstitution(caller, institutionId);
    if (!own.ok) throw toRpcException(own.error);
  }
  const { state } = await gateway.reader.loadState(institutionStream, institutionId);
  if (state.status === 'none') {
    throw toRpcException(refusal('not_found', 'UNKNOWN_INSTITUTION', `no institution is named "${institutionId}"`));
  }
  const { wallets } = await loadWallets(session, [], [institutionId]);
  return [
    { kind: 'clearing', institutionId },
    ...(await clearingUnits(session, institutionId)).map((unit) => clearingClaim(institutionId, unit)),
    ...wallets.map(({ walletId }) => ({ kind: 'wallet', walletId }) as const),
  ];
}

/** As the API names it. */
export function claimName(claim: Claim): string {
  if (claim.kind === 'wallet') return `wallet:${claim.walletId}`;
  return claim.unit === undefined ? 'clearing' : `clearing:${claim.unit}`;
}
