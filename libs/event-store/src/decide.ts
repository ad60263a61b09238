import { type Instant, refusal } from '@finality/kernel';
import { type BatchState, timerKey } from './batch.ts';
import { answerRepeated, claimName, type KeptKey, storedFields } from './idempotency.ts';
import type { Inbox } from './inbox.ts';
import type { Handled, IdempotencyClaim, InboxNote, Outcome, StoreCommand, TimerRef } from './port.ts';

export type Item<Body> = StoreCommand<Body> | InboxNote;

export const isNote = <Body>(item: Item<Body>): item is InboxNote => 'note' in item;

/** A timer that the batch has taken out of the table. */
export interface FiredTimer extends TimerRef {
  readonly dueAt: Instant;
  readonly attempts: number;
}

/** What step 2 of the batch found (DESIGN 4). */
export interface Claims {
  readonly inbox: Inbox;
  /** By `claimName`: keys used before this batch. */
  readonly keptKeys: ReadonlyMap<string, KeptKey>;
  /** By `timerKey`. */
  readonly firedTimers: ReadonlyMap<string, FiredTimer>;
  /** `leaseName` of those asked for that are still held. */
  readonly heldLeases: ReadonlySet<string>;
}

export interface Decided<Reply> {
  /** In the order of the items. `deferred`: its key is that of a command refused in this batch; the next batch decides. */
  readonly outcomes: readonly (Outcome<Reply> | 'deferred')[];
  readonly accepted: number;
  /** Keys taken in step 2 whose command was refused. */
  readonly freedKeys: readonly IdempotencyClaim[];
  /** Timers taken in step 2 whose command was refused. */
  readonly restoredTimers: readonly FiredTimer[];
}

export const leaseName = (lease: { readonly name: string; readonly fencing: bigint }): string =>
  `${lease.name}#${lease.fencing}`;

/** The commands that will be handled if all goes well: what the handler has to load for. */
export function expectedCommands<Body>(items: readonly Item<Body>[], claims: Claims): StoreCommand<Body>[] {
  const messages = claims.inbox.expected(items.flatMap((item) => (item.message ? [item.message] : [])));
  const keys = new Set<string>();
  return items.filter((item): item is StoreCommand<Body> => {
    if (isNote(item)) return false;
    if (item.message && !messages.has(item.message)) return false;
    if (item.timer && !claims.firedTimers.has(timerKey(item.timer))) return false;
    if (item.lease && !claims.heldLeases.has(leaseName(item.lease))) return false;
    if (!item.idempotency) return true;
    const name = claimName(item.idempotency);
    if (claims.keptKeys.has(name) || keys.has(name)) return false;
    keys.add(name);
    return true;
  });
}

/** Step 4: one command after the other, in memory, each seeing what the ones before it did. */
export class Decider<Body, Reply> {
  readonly #claims: Claims;
  readonly #batch: BatchState;
  readonly #handle: (command: StoreCommand<Body>) => Handled<Reply>;
  /** Keys taken by a command of this batch, the first one that has it: accepted or not. */
  readonly #leaders = new Map<string, { readonly claim: IdempotencyClaim; accepted: boolean }>();
  readonly #doneTimers = new Set<string>();
  #accepted = 0;

  constructor(claims: Claims, batch: BatchState, handle: (command: StoreCommand<Body>) => Handled<Reply>) {
    this.#claims = claims;
    this.#batch = batch;
    this.#handle = handle;
  }

  decideAll(items: readonly Item<Body>[]): Decided<Reply> {
    const outcomes = items.map((item) => (isNote(item) ? this.#note(item) : this.#decide(item)));
    const freedKeys = [...this.#leaders.values()].filter((leader) => !leader.accepted).map((leader) => leader.claim);
    const restoredTimers = [...this.#claims.firedTimers]
      .filter(([key]) => !this.#doneTimers.has(key) && !this.#batch.timers.has(key))
      .map(([, timer]) => timer);
    return { outcomes, accepted: this.#accepted, freedKeys, restoredTimers };
  }

  #note(item: InboxNote): Outcome<Reply> {
    const received = this.#claims.inbox.receive(item.message);
    if (received.kind !== 'new' && received.kind !== 'replay') return received;
    if (item.note.kind === 'park') return this.#claims.inbox.park(item.message, item.note.cause);
    this.#claims.inbox.advance(item.message);
    return { kind: 'skipped' };
  }

  #decide(command: StoreCommand<Body>): Outcome<Reply> | 'deferred' {
    const answer = this.#answerKnown(command);
    if (answer) return answer;
    const handled = this.#batch.handling(command.cause, () => this.#handle(command));
    if (handled.kind === 'accepted') return this.#accept(command, handled.reply);
    if (!command.message) return { kind: 'refused', refusal: handled.refusal };
    return this.#claims.inbox.park(command.message, `${handled.refusal.reason}: ${handled.refusal.message}`);
  }

  /** What is known without the handler: done before, too early, or not allowed any more. */
  #answerKnown(command: StoreCommand<Body>): Outcome<Reply> | 'deferred' | undefined {
    const { lease, idempotency, timer, message } = command;
    const repeated = idempotency && this.#takeKey(idempotency);
    if (repeated) return repeated;
    if (lease && !this.#claims.heldLeases.has(leaseName(lease))) {
      return {
        kind: 'refused',
        refusal: refusal('aborted', 'LEASE_LOST', `lease ${lease.name} is held by somebody else now`, {
          retryable: false,
        }),
      };
    }
    if (timer && !this.#isDue(timer)) return { kind: 'skipped' };
    if (!message) return undefined;
    const received = this.#claims.inbox.receive(message);
    return received.kind === 'new' || received.kind === 'replay' ? undefined : received;
  }

  #takeKey(claim: IdempotencyClaim): Outcome<Reply> | 'deferred' | undefined {
    const name = claimName(claim);
    const kept = this.#claims.keptKeys.get(name);
    if (kept) return answerRepeated(claim, kept);
    const leader = this.#leaders.get(name);
    if (leader?.accepted)
      return answerRepeated(claim, { fields: storedFields(leader.claim), resourceId: leader.claim.resourceId });
    if (leader) return 'deferred';
    this.#leaders.set(name, { claim, accepted: false });
    return undefined;
  }

  /** A timer fires once; one that an earlier command of the batch cancelled or set anew doesn't fire. */
  #isDue(timer: TimerRef): boolean {
    const key = timerKey(timer);
    return this.#claims.firedTimers.has(key) && !this.#doneTimers.has(key) && !this.#batch.timers.has(key);
  }

  #accept(command: StoreCommand<Body>, reply: Reply): Outcome<Reply> {
    this.#accepted += 1;
    const { idempotency, message, timer } = command;
    const leader = idempotency && this.#leaders.get(claimName(idempotency));
    if (leader) leader.accepted = true;
    if (message) this.#claims.inbox.advance(message);
    if (timer) this.#doneTimers.add(timerKey(timer));
    return { kind: 'accepted', reply, position: this.#batch.position };
  }
}
