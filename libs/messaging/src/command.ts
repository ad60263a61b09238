import { assert, type CauseContext, type Instant } from '@finality/kernel';
import { type InboxNote, parseInstant, type StoreCommand } from '@finality/event-store';
import type { IncomingMessage } from './port.ts';

/**
 * Why a command that comes from a message happens: the message's correlation and trace go on, the message is the cause, its owner the actor.
 * What the message lacks (a foreign producer) is made up from its id.
 */
export function causeOf(message: IncomingMessage): CauseContext {
  const { headers } = message;
  const service = /^\/finality\/([a-z0-9-]+)$/.exec(headers['ce_source'] ?? '')?.[1] ?? 'unknown';
  const occurredAt = parseInstant(headers['ce_time'] ?? '') ?? parseInstant(headers['ce_recordedtime'] ?? '');
  const { traceparent } = headers;
  return {
    actor: { kind: 'service', id: service },
    occurredAt: occurredAt ?? (0 as Instant),
    correlationId: headers['ce_correlationid'] || message.id,
    causationId: message.id,
    ...(traceparent ? { traceparent } : {}),
  };
}

/** What a service makes of a message: a command's body, or that it doesn't know this type or version (counted, skipped). */
export type Interpreted<Body> = { readonly kind: 'command'; readonly body: Body } | { readonly kind: 'unknown' };

export const command = <Body>(body: Body): Interpreted<Body> => ({ kind: 'command', body });

export const unknownMessage: Interpreted<never> = { kind: 'unknown' };

/** Who counts messages of unknown type or future version, and those whose payload can't be decoded. */
export interface MessageCounter {
  unknown(message: IncomingMessage): void;
  undecodable(message: IncomingMessage, cause: string): void;
}

export interface CommandOptions<Body> {
  /** Decodes and maps one message. What it throws parks the message with that cause. */
  readonly interpret: (message: IncomingMessage) => Interpreted<Body>;
  /** Full protobuf name and the newest schema version that `interpret` understands; anything else is unknown. */
  readonly type: string;
  readonly schemaVersionMax: number;
  readonly counter?: MessageCounter;
}

/** One store command per message, in their order: to be handed to `store.execute` as they are. */
export function commandsOf<Body>(
  messages: readonly IncomingMessage[],
  options: CommandOptions<Body>,
): (StoreCommand<Body> | InboxNote)[] {
  assert(options.schemaVersionMax >= 1, 'schema versions begin at 1');
  return messages.map((message) => commandOf(message, options));
}

function commandOf<Body>(message: IncomingMessage, options: CommandOptions<Body>): StoreCommand<Body> | InboxNote {
  const cause = causeOf(message);
  const interpreted = interpretSafely(message, options);
  switch (interpreted.kind) {
    case 'command':
      return { body: interpreted.body, cause, message };
    case 'unknown':
      options.counter?.unknown(message);
      return { message, cause, note: { kind: 'skip' } };
    case 'undecodable':
      options.counter?.undecodable(message, interpreted.cause);
      return { message, cause, note: { kind: 'park', cause: interpreted.cause } };
  }
}

function interpretSafely<Body>(
  message: IncomingMessage,
  options: CommandOptions<Body>,
): Interpreted<Body> | { readonly kind: 'undecodable'; readonly cause: string } {
  if (message.type !== options.type || message.schemaVersion > options.schemaVersionMax) return unknownMessage;
  try {
    return options.interpret(message);
  } catch (error) {
    return { kind: 'undecodable', cause: error instanceof Error ? error.message : String(error) };
  }
}
