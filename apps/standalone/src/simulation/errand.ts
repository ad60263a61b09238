import type { ServiceName } from '@finality/contracts';
import type { RefusalKind } from '@finality/kernel';
import { type Answer, type Ask, type Caller, type Clients, lineOf } from './clients.ts';

export type Asking = (ask: Ask) => Promise<Answer>;

/** Something that is asked for once, with a key of its own. */
export interface Errand {
  /** Settlement, unless it is another. */
  readonly service?: ServiceName;
  readonly api: string;
  readonly method: string;
  readonly request: object;
  readonly caller: Caller;
  /** What it may be refused with beside `failed_precondition`: of whoever is frozen nothing is taken. */
  readonly mayBe?: readonly RefusalKind[];
  /** For people who read the trace. */
  readonly what: string;
}

export function askOf(clients: Clients, { service, api, method, request, caller, mayBe }: Errand): Ask {
  const refusals = [...(mayBe ?? []), 'failed_precondition'] as const;
  const keyed = { ...request, idempotencyKey: clients.newKey() };
  return { service: service ?? 'settlement', api, method, request: keyed, caller, mayBe: refusals };
}

/** @returns what became of it, in a line */
export async function run(
  clients: Clients,
  ask: Asking,
  errand: Errand,
  answered: (response: unknown) => void = () => undefined,
): Promise<string> {
  const asked = askOf(clients, errand);
  const answer = await ask(asked);
  if (answer.kind === 'answered') answered(answer.response);
  return lineOf(asked, answer, errand.what);
}

/** What nobody may ask for. @throws Violation when it is answered */
export async function nonsense(clients: Clients, errand: Errand): Promise<string> {
  const asked = askOf(clients, errand);
  return lineOf(asked, await clients.mustRefuse(asked), errand.what);
}
