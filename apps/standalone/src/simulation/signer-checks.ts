import type { ScriptHex } from '@finality/bitcoin';
import { verifyMessage } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import {
  type ApprovalsRequired,
  type DestinationEvent,
  isPaid,
  type PaidOutput,
  type PayoutAuthorisation,
  type RequiredApprovals,
  type SignatoriesEvent,
  type SignedStatement,
  type SigningAccepted,
  type Statement,
  statementText,
} from '@finality/signing';

/** As configured (settings.ts). */
const DOMAIN = 'finality';
const NETWORK = 'regtest';

interface EventRow {
  readonly stream: string;
  readonly type: string;
  readonly data: string;
}

/** What the signer's own log says at one of its places. */
interface Registry {
  /** By institution and address. */
  readonly signatories: Map<string, ScriptHex>;
  readonly destinations: Map<string, Extract<DestinationEvent, { type: 'destination_registered' }>>;
  readonly rules: Map<string, ApprovalsRequired[]>;
  readonly paid: Set<string>;
}

/**
 * What the signer has signed, judged anew by its own log and by the signatures themselves: the first time that a settlement is paid, its destination is on the
 * list and has cooled, two persons have put it there, and as many signatories as the payer's rules ask for have approved exactly that payout.
 */
export async function signerProblems(session: Session): Promise<readonly string[]> {
  const rows = await session.query<EventRow>(
    `SELECT stream, type, data FROM signer.events
     WHERE type IN ('signatory_registered', 'signatory_revoked', 'destination_registered', 'destination_removed', 'approvals_required', 'signing_accepted')
     ORDER BY position`,
  );
  const registry: Registry = { signatories: new Map(), destinations: new Map(), rules: new Map(), paid: new Set() };
  return rows.flatMap((row) => problemsOf(row, registry));
}

function problemsOf({ stream, type, data }: EventRow, registry: Registry): readonly string[] {
  const id = stream.slice(stream.indexOf('/') + 1);
  const event: unknown = decodeJson(data);
  switch (type) {
    case 'signatory_registered': {
      const { signatory } = event as Extract<SignatoriesEvent, { type: 'signatory_registered' }>;
      registry.signatories.set(`${id} ${signatory.address}`, signatory.script);
      return [];
    }
    case 'signatory_revoked':
      registry.signatories.delete(`${id} ${(event as { readonly address: string }).address}`);
      return [];
    case 'destination_removed':
      registry.destinations.delete(id);
      return [];
    case 'destination_registered': {
      const registered = event as Extract<DestinationEvent, { type: 'destination_registered' }>;
      registry.destinations.set(id, registered);
      const { request, approval, requestedBy, approvedBy } = registered;
      const isOne = request.signatory === approval.signatory || requestedBy === approvedBy;
      return isOne ? [`destination ${id} was asked for and approved by the same`] : [];
    }
    case 'approvals_required':
      registry.rules.set(id, [...(registry.rules.get(id) ?? []), event as ApprovalsRequired]);
      return [];
    default:
      return signedProblems(event as SigningAccepted, registry);
  }
}

function signedProblems({ request, acceptedAt }: SigningAccepted, registry: Registry): readonly string[] {
  const first = request.outputs.filter(isPaid).filter(({ settlementId }) => !registry.paid.has(settlementId));
  return first.flatMap((output) => {
    registry.paid.add(output.settlementId);
    const authorised = request.payouts.find(({ settlementId }) => settlementId === output.settlementId);
    if (authorised === undefined) return [`settlement ${output.settlementId} was signed without anybody's word`];
    const problems = [
      ...destinationProblems(output, acceptedAt, registry),
      ...missingApprovals(output, authorised, request.walletId, acceptedAt, registry),
    ];
    return problems.map((problem) => `settlement ${output.settlementId}: signed, and ${problem}`);
  });
}

function destinationProblems(output: PaidOutput, at: number, { destinations }: Registry): readonly string[] {
  if (output.destinationId === undefined) return [];
  const destination = destinations.get(output.destinationId)?.destination;
  if (destination === undefined) return [`destination ${output.destinationId} isn't on the list`];
  const problems: string[] = [];
  if (destination.institutionId !== output.institutionId) problems.push(`its destination is another institution's`);
  if (destination.usableAt > at) problems.push(`its destination cools for ${destination.usableAt - at} ms still`);
  return problems;
}

function missingApprovals(
  output: PaidOutput,
  { payerInstitutionId, amountSats, approvals, request }: PayoutAuthorisation,
  walletId: string,
  at: number,
  registry: Registry,
): readonly string[] {
  const { approvals: needed, aboveSats } = requiredOf(registry.rules.get(payerInstitutionId) ?? [], at);
  if (amountSats <= aboveSats || needed === 0) return [];
  const payout = {
    settlementId: output.settlementId,
    mode: request?.mode ?? '',
    amountSats,
    payeeInstitutionId: output.institutionId,
    walletId,
    to: output.kind === 'destination' ? `destination ${output.destinationId}` : `wallet ${output.walletId}`,
  };
  const purpose = 'approve payout';
  const statement = { purpose, domain: DOMAIN, institutionId: payerInstitutionId, network: NETWORK, payout } as const;
  const good = new Set(
    approvals.filter((each) => holds(statement, each, at, registry)).map(({ signatory }) => signatory),
  );
  return good.size >= needed ? [] : [`${good.size} signatories of ${needed} have approved it`];
}

/** What was said last and had cooled by then. */
function requiredOf(rules: readonly ApprovalsRequired[], at: number): RequiredApprovals {
  return (
    rules.findLast(({ from }) => from <= at)?.required ?? {
      aboveSats: 0n as RequiredApprovals['aboveSats'],
      approvals: 0,
    }
  );
}

function holds(statement: Statement, signed: SignedStatement, at: number, { signatories }: Registry): boolean {
  const script = signatories.get(`${statement.institutionId} ${signed.signatory}`);
  if (script === undefined || signed.validUntil <= at) return false;
  return verifyMessage(statementText(statement, signed), script, signed.signature).ok;
}
