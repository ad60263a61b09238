import type { Batch, Handled, Session, StoredEvent } from '@finality/event-store';
import { type Decision, type Instant, type Refusal, assert, assertNever } from '@finality/kernel';
import {
  type ApprovalsRequired,
  decideRegisterDestination,
  decideRegisterSignatory,
  decideRemoveDestination,
  decideRequireApprovals,
  decideRevokeSignatory,
  type DestinationEvent,
  type RegisterDestination,
  type RegisterSignatory,
  type RequireApprovals,
  type RevokeSignatory,
  type SignatoriesEvent,
  type SignedStatement,
  type StatementFacts,
} from '@finality/signing';
import {
  approvalRulesStream,
  approvalRulesStreamOf,
  destinationStream,
  destinationStreamOf,
  signatoriesStream,
  signatoriesStreamOf,
} from './streams.ts';

// What may be paid besides wallets of ours, and who says so: the signer's side of destinations.

export type AllowListBody =
  | ({ readonly kind: 'register_signatory' } & RegisterSignatory)
  | ({ readonly kind: 'revoke_signatory' } & RevokeSignatory)
  | ({ readonly kind: 'register_destination' } & RegisterDestination)
  | ({ readonly kind: 'require_approvals' } & RequireApprovals)
  | { readonly kind: 'remove_destination'; readonly institutionId: string; readonly destinationId: string };

export type AllowListReply =
  | { readonly kind: 'approvals'; readonly from?: Instant }
  | { readonly kind: 'done' }
  | { readonly kind: 'destination'; readonly usableAt: Instant };

export interface AllowListTerms extends Pick<StatementFacts, 'network' | 'domain'> {
  readonly coolingMs: number;
}

/** Of the statements in a batch: those that were used before, by institution and nonce. */
export type UsedNonces = Set<string>;

const KINDS: readonly string[] = [
  'register_signatory',
  'revoke_signatory',
  'register_destination',
  'remove_destination',
  'require_approvals',
] satisfies readonly AllowListBody['kind'][];

export const isAllowListBody = (body: { readonly kind: string }): body is AllowListBody => KINDS.includes(body.kind);

export function streamsOf(body: AllowListBody): readonly string[] {
  const signatories = signatoriesStreamOf(body.institutionId);
  if (body.kind === 'require_approvals') return [signatories, approvalRulesStreamOf(body.institutionId)];
  return 'destinationId' in body ? [signatories, destinationStreamOf(body.destinationId)] : [signatories];
}

export function decideAllowList(
  body: AllowListBody,
  used: UsedNonces,
  batch: Batch,
  terms: AllowListTerms,
): Handled<AllowListReply> {
  const { institutionId } = body;
  const signatories = batch.state(signatoriesStream, institutionId);
  const facts = {
    ...terms,
    now: batch.now,
    signatories,
    isUsed: (nonce: string) => used.has(keyOf(institutionId, nonce)),
  };
  switch (body.kind) {
    case 'register_signatory':
    case 'revoke_signatory': {
      const decision: Decision<SignatoriesEvent, Refusal> =
        body.kind === 'register_signatory'
          ? decideRegisterSignatory(body, signatories, facts)
          : decideRevokeSignatory(body, signatories, facts);
      return handled(decision, (events) => {
        if (events.length > 0) batch.append(signatoriesStream, institutionId, ...events);
        note(used, events);
        return { kind: 'done' };
      });
    }
    case 'register_destination':
    case 'remove_destination': {
      const before = batch.state(destinationStream, body.destinationId);
      const decision =
        body.kind === 'remove_destination'
          ? decideRemoveDestination(body, before, batch.now)
          : decideRegisterDestination(body, before, facts);
      return handled(decision, (events) => {
        const after = events.length > 0 ? batch.append(destinationStream, body.destinationId, ...events) : before;
        note(used, events);
        if (body.kind === 'remove_destination') return { kind: 'done' };
        assert(after.status === 'registered', 'a destination that is taken is registered');
        return { kind: 'destination', usableAt: after.destination.usableAt };
      });
    }
    case 'require_approvals':
      return handled(
        decideRequireApprovals(body, batch.state(approvalRulesStream, institutionId), facts),
        (events): AllowListReply => {
          const [event] = events;
          if (event === undefined) return { kind: 'approvals' };
          batch.append(approvalRulesStream, institutionId, event);
          note(used, events);
          return { kind: 'approvals', from: event.from };
        },
      );
    default:
      return assertNever(body, 'allow-list command');
  }
}

function handled<Event>(
  decision: Decision<Event, Refusal>,
  reply: (events: readonly Event[]) => AllowListReply,
): Handled<AllowListReply> {
  if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
  return { kind: 'accepted', reply: reply(decision.events) };
}

/** Of the statements of these commands. */
export async function loadUsedNonces(session: Session, bodies: readonly AllowListBody[]): Promise<UsedNonces> {
  const nonces = bodies.flatMap((body) =>
    statementsIn(body).map(({ nonce }) => ({ institutionId: body.institutionId, nonce })),
  );
  return usedNonces(session, nonces);
}

interface Nonce {
  readonly institutionId: string;
  readonly nonce: string;
}

/** Which of these were used. */
export async function usedNonces(session: Session, nonces: readonly Nonce[]): Promise<UsedNonces> {
  if (nonces.length === 0) return new Set();
  const rows = await session.query<{ institution_id: string; nonce: string }>(
    `SELECT institution_id, nonce FROM used_nonces JOIN unnest($1::text[], $2::text[]) AS asked (institution_id, nonce)
     USING (institution_id, nonce)`,
    [nonces.map(({ institutionId }) => institutionId), nonces.map(({ nonce }) => nonce)],
  );
  return new Set(rows.map((row) => keyOf(row.institution_id, row.nonce)));
}

/** In the batch that takes them: the table's key is the promise that each is good once. */
export async function writeUsedNonces(session: Session, events: readonly StoredEvent[]): Promise<void> {
  const nonces = (events as readonly StoredEvent<ListEvent>[]).flatMap(({ data }) => noncesOf(data));
  if (nonces.length === 0) return;
  await session.query('INSERT INTO used_nonces (institution_id, nonce) SELECT * FROM unnest($1::text[], $2::text[])', [
    nonces.map(({ institutionId }) => institutionId),
    nonces.map(({ nonce }) => nonce),
  ]);
}

type ListEvent = SignatoriesEvent | DestinationEvent | ApprovalsRequired;

function noncesOf(event: ListEvent): readonly Nonce[] {
  if (event.type === 'signatory_registered') {
    const { institutionId, proof, endorsement } = event;
    return [proof, ...(endorsement ? [endorsement] : [])].map(({ nonce }) => ({ institutionId, nonce }));
  }
  if (event.type === 'signatory_revoked')
    return [{ institutionId: event.institutionId, nonce: event.revocation.nonce }];
  if (event.type !== 'destination_registered' && event.type !== 'approvals_required') return [];
  const { institutionId } = event.type === 'approvals_required' ? event : event.destination;
  return [event.request, event.approval].map(({ nonce }) => ({ institutionId, nonce }));
}

function statementsIn(body: AllowListBody): readonly SignedStatement[] {
  if (body.kind === 'register_signatory') return [body.proof, ...(body.endorsement ? [body.endorsement] : [])];
  if (body.kind === 'revoke_signatory') return [body.revocation];
  return body.kind === 'remove_destination' ? [] : [body.request, body.approval];
}

function note(used: UsedNonces, events: readonly ListEvent[]): void {
  for (const { institutionId, nonce } of events.flatMap(noncesOf)) used.add(keyOf(institutionId, nonce));
}

/** Ids of institutions have no spaces. */
const keyOf = (institutionId: string, nonce: string): string => `${institutionId} ${nonce}`;
