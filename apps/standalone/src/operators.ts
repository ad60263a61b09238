import { institutionV1, type proposalV1 } from '@finality/contracts';
import type { Runtime } from '@finality/kernel';
import { makeApiKey } from '@finality/service';
import type { Clients } from './clients.ts';

type Proposing = Pick<Clients, 'proposals'>;

/** What takes two operators: one proposes it, the other one confirms it. Repeated with the same key, it is the same. */
export async function agree(
  [first, second]: readonly [Proposing, Proposing],
  change: proposalV1.Change,
  idempotencyKey: string,
): Promise<proposalV1.Proposal> {
  const request = { idempotencyKey, change, reason: 'as agreed' };
  const { proposalId } = await first.proposals.proposeChange(request);
  return second.proposals.confirmProposal({ idempotencyKey, proposalId, reason: 'seen' });
}

/** A new key, and the change that issues it. @param institutionId empty: of those who run the platform */
export function newKey(
  runtime: Runtime,
  institutionId: string,
  label: string,
  role: institutionV1.Role = institutionV1.Role.ROLE_INSTITUTION,
): { readonly keyId: string; readonly apiKey: string; readonly change: proposalV1.Change } {
  const { keyId, apiKey, secretSha256 } = makeApiKey(runtime);
  const issueApiKey = { keyId, institutionId, roles: [role], label, secretSha256: Buffer.from(secretSha256) };
  return { keyId, apiKey, change: { issueApiKey } };
}
