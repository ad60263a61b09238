import type { Session, States, StoredEvent } from '@finality/event-store';
import { institutionOf, type ProposalEvent } from '@finality/settlement';
import { proposalStream } from '../store/proposal-stream.ts';
import { changed } from './streams.ts';

/** What was proposed to another operator, in the order in which it was proposed last. */
export const proposalTables = (schema: string): readonly string[] => [
  `CREATE TABLE ${schema}.proposals (
    proposal_id text PRIMARY KEY, institution_id text NOT NULL, status text NOT NULL, expires_at bigint NOT NULL, proposed_position bigint NOT NULL)`,
  `CREATE INDEX proposals_proposed ON ${schema}.proposals (proposed_position)`,
  `CREATE INDEX proposals_open ON ${schema}.proposals (expires_at) WHERE status = 'proposed'`,
];

export async function saveProposals(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  const proposed = new Map(
    (events as readonly StoredEvent<ProposalEvent>[]).flatMap(({ data, stream, position }) =>
      data.type === 'change_proposed' ? [[stream, position] as const] : [],
    ),
  );
  const rows = [...changed(events, proposalStream.aggregate.name).keys()].flatMap((id) => {
    const state = states.state(proposalStream, id);
    return state.status === 'none' ? [] : [{ ...state, id }];
  });
  if (rows.length === 0) return;
  const name = proposalStream.aggregate.name;
  // What was decided only keeps the place at which it was proposed.
  await session.query(
    `INSERT INTO proposals (proposal_id, institution_id, status, expires_at, proposed_position)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
     ON CONFLICT (proposal_id) DO UPDATE SET status = excluded.status, expires_at = excluded.expires_at,
       proposed_position = greatest(proposals.proposed_position, excluded.proposed_position)`,
    [
      rows.map(({ id }) => id),
      rows.map(({ change }) => institutionOf(change)),
      rows.map(({ status }) => status),
      rows.map(({ expiresAt }) => BigInt(expiresAt)),
      rows.map(({ id }) => proposed.get(`${name}/${id}`) ?? 0n),
    ],
  );
}
