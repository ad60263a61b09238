import type { PublicMessage } from '@finality/event-store';

const SCHEMA_VERSION = 1;

/** What is published of an event, on a topic of the catalogue. */
export function message(
  topic: { readonly name: string; readonly message: string },
  orderingKey: string,
  payload: Uint8Array,
): PublicMessage {
  return { topic: topic.name, orderingKey, type: topic.message, schemaVersion: SCHEMA_VERSION, payload };
}
