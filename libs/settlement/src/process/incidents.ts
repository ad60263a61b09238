import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import { BTC, type Unit } from '@finality/ledger';
import type { Book } from '../book.ts';
import type { ChainFact } from '../chain-fact.ts';
import type { Incident } from '../chain-tip.ts';
import type { Obligation } from '../credit.ts';
import { defaultIdOf, type KnownDefault } from '../default.ts';

/** Opens one for what was never told before. */
function open(book: Book, incident: Omit<Incident, 'openedAt'>): void {
  const { incidents, confirmed } = book.tip.get();
  const { incidentId } = incident;
  if (confirmed.includes(incidentId) || incidents.some((each) => each.incidentId === incidentId)) return;
  book.tip.record({ type: 'incident_opened', at: book.now, incident: { ...incident, openedAt: book.now } });
}

/** The first block that a reorg takes, from the tip: is the reorg one to be expected? */
export function reorgSeen(book: Book, { block, forkHeight }: Extract<ChainFact, { kind: 'block_disconnected' }>): void {
  const { height, recent } = book.tip.get();
  const depth = height - forkHeight;
  const { deepReorgBlocks } = book.policy;
  if (block.height !== height || recent.at(-1)?.hash !== block.hash || depth <= deepReorgBlocks) return;
  open(book, {
    incidentId: `deep_reorg:${block.hash}`,
    kind: 'deep_reorg',
    reason: `a reorg takes ${depth} blocks, more than ${deepReorgBlocks}, from height ${height} on down`,
  });
}

/** Somebody else has spent a coin of ours, with a signature that only we can make. */
export function unknownSpend(book: Book, txid: string, outpoint: string): void {
  open(book, {
    incidentId: `unknown_spend:${txid}`,
    kind: 'unknown_spend',
    reason: `${txid}, which is none of ours, spends our coin ${outpoint}`,
  });
}

/** A transaction of ours is in a block whose coin was released, for it was taken for excluded for good: a reorg past finality. */
export function releasedCoinSpent(book: Book, txid: string, outpoint: string): void {
  open(book, {
    incidentId: `released_coin_spent:${txid}`,
    kind: 'released_coin_spent',
    reason: `${txid}, which was taken for dead, spends ${outpoint}, which operators had released`,
  });
}

/** A participant hasn't paid what was due, and won't: it is being closed out. */
export function participantDefaulted(book: Book, of: KnownDefault): void {
  const { defaultId, institutionId, windowId, unit, owed } = of;
  open(book, {
    incidentId: `participant_default:${defaultId}`,
    kind: 'participant_default',
    reason: `${institutionId} hasn't paid what was due for window ${windowId}: it owes ${countedIn(owed, unit)} in all`,
  });
}

/** A participant hasn't paid what was due in another unit than BTC. @param owed as people read it */
export function debtOverdue(book: Book, institutionId: string, obligation: Obligation, owed: string): void {
  open(book, {
    incidentId: `debt_overdue:${defaultIdOf(obligation, institutionId)}`,
    kind: 'participant_default',
    reason: `${institutionId} hasn't paid ${owed}: see at the bank whether it has come in`,
  });
}

/** An amount as people read it. */
export const countedIn = (amount: bigint, unit: Unit): string => `${amount} ${unit === BTC ? 'sat' : `of ${unit}`}`;

/** A person has looked at it: what it stopped goes on, crediting with the next block. */
export function confirmIncident(book: Book, incidentId: string, by: string, reason: string): Result<void, Refusal> {
  const { incidents, confirmed } = book.tip.get();
  if (confirmed.includes(incidentId)) return ok(undefined);
  const incident = incidents.find((each) => each.incidentId === incidentId);
  if (incident === undefined)
    return err(refusal('not_found', 'UNKNOWN_INCIDENT', `no incident has the id "${incidentId.slice(0, 200)}"`));
  book.tip.record({ type: 'incident_confirmed', at: book.now, incident, by, reason });
  return ok(undefined);
}
