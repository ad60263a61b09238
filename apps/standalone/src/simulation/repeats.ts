import type { VirtualClock } from '@finality/testing/simulation';
import type { Ask, Clients } from './clients.ts';
import { Violation } from './violation.ts';

/** Longer than anything that is signed, quoted or waited for is good for, and shorter than keys are kept. */
const LATER_MS = 7 * 86_400_000;
/** Of each call: the first that was answered, and the last ones. */
const LAST = 3;

/**
 * Long after, when everybody is frozen, whatever was answered is asked for again with its key, and is answered again.
 * @param last what is asked for just before, and may be refused
 * @returns the calls: `DestinationService/revokeSignatory`
 * @throws Violation
 */
export async function repeatAnswered(
  clients: Clients,
  clock: VirtualClock,
  last: readonly Ask[],
): Promise<readonly string[]> {
  for (const ask of last) await clients.ask(ask);
  const asked = [...clients.answered];
  for (const { institutionId } of clients.institutions) {
    const request = { idempotencyKey: clients.newKey(), institutionId, reason: 'all is over' };
    await mustAnswer(clients, clients.operators('freezeInstitution', request));
  }
  clock.advance(LATER_MS);
  const byName = Map.groupBy(asked, ({ api, method }) => `${api}/${method}`);
  for (const all of byName.values()) {
    const some = all.length <= LAST ? all : [all[0]!, ...all.slice(-LAST)];
    for (const ask of some) await mustAnswer(clients, ask);
  }
  return [...byName.keys()];
}

async function mustAnswer(clients: Clients, ask: Ask): Promise<void> {
  const { kind } = await clients.ask(ask);
  if (kind !== 'answered') throw new Violation([`${ask.method} ${ask.request.idempotencyKey} is ${kind} in the end`]);
}
