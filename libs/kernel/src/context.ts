import type { Instant } from './runtime.ts';

/** Who did it: an API key of an institution or a person, one of our services, or a timer. */
export interface Actor {
  readonly kind: 'institution' | 'operator' | 'compliance' | 'auditor' | 'service' | 'timer';
  readonly id: string;
}

/** Why something happens, carried from the request or message through every event and message it leads to. */
export interface CauseContext {
  readonly actor: Actor;
  /** When it happened where it happened (a request's arrival, the causing event's time). */
  readonly occurredAt: Instant;
  /** Same for everything that one request led to. */
  readonly correlationId: string;
  /** The id of the request or event that caused this directly. */
  readonly causationId: string;
  /** W3C trace context. */
  readonly traceparent?: string;
}

export type Role = 'institution' | 'operator' | 'compliance' | 'auditor';

/** Who is calling, as an API key says. `institutionId` is there for the institution role only. */
export interface Principal {
  readonly keyId: string;
  readonly institutionId?: string;
  readonly roles: readonly Role[];
}
