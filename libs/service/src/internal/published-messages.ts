import { messagingV1, SERVICE_NAMES, type ServicePort } from '@finality/contracts';
import {
  MESSAGE_COLUMNS,
  type MessageRow,
  poolQuery,
  type PublishedMessage,
  publishedMessageOf,
  quoteIdentifier,
} from '@finality/event-store';
import { refusal } from '@finality/kernel';
import type { OwnerMessages } from '@finality/messaging';
import type { Pool } from 'pg';
import { RefusalException } from '../grpc/refusal-status.ts';
import type { InternalService } from './internal-server.ts';

export type MessagePort = ServicePort<messagingV1.MessageServiceServer>;

const PAGE_MAX = 1_000;
/** An answer is cut off behind it: well under what a gRPC message may have. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** What is published is for all of our services, by whichever way they read it. */
export const messageService: InternalService = {
  definition: messagingV1.MessageServiceService,
  callers: { listMessages: SERVICE_NAMES, listMessagesOfKey: SERVICE_NAMES },
};

/** The owner's side: what stands in its own log. @param topics the names of the topics it owns */
export function messagesOf(
  store: { readonly pool: Pool; readonly schema: string },
  topics: readonly string[],
): MessagePort {
  const table = `${quoteIdentifier(store.schema)}.published_messages`;
  const list = async (topic: string, size: number, where: string, values: readonly unknown[]) => {
    if (!topics.includes(topic)) throw refused('topic', `${JSON.stringify(topic)} isn’t a topic of this service`);
    if (size < 1 || size > PAGE_MAX) throw refused('page_size', `expected 1 to ${PAGE_MAX}, found ${size}`);
    const text = `SELECT ${MESSAGE_COLUMNS} FROM ${table}
      WHERE topic = $1 AND ${where} LIMIT ${size}`;
    return { messages: page(await poolQuery<MessageRow>(store.pool, text, [topic, ...values])) };
  };
  return {
    listMessages: ({ topic, afterPosition, afterOrdinal, pageSize }) =>
      list(topic, pageSize, '(position, ordinal) > ($2::bigint, $3::integer) ORDER BY position, ordinal', [
        afterPosition,
        afterOrdinal,
      ]),
    listMessagesOfKey: ({ topic, orderingKey, fromSequence, pageSize }) =>
      list(topic, pageSize, 'ordering_key = $2 AND sequence >= $3 ORDER BY sequence', [orderingKey, fromSequence]),
  };
}

/** The others' side. @param portOf how to reach the owner of a topic */
export function ownersMessages(portOf: (topic: string) => MessagePort): OwnerMessages {
  const pageSize = (limit: number): number => Math.min(limit, PAGE_MAX);
  return {
    list: async (topic, { position, ordinal }, limit) => {
      const request = { topic, afterPosition: position, afterOrdinal: ordinal, pageSize: pageSize(limit) };
      return (await portOf(topic).listMessages(request)).messages.map(publishedOf);
    },
    ofKey: async ({ topic, orderingKey }, from, limit) => {
      const request = { topic, orderingKey, fromSequence: from, pageSize: pageSize(limit) };
      return (await portOf(topic).listMessagesOfKey(request)).messages.map(publishedOf);
    },
  };
}

/** At least one, however big. */
function page(rows: readonly MessageRow[]): messagingV1.Message[] {
  let bytes = 0;
  const fitting = rows.filter(({ payload }, i) => (bytes += payload.length) <= PAGE_BYTES_MAX || i === 0);
  return fitting.map(({ ordering_key: orderingKey, ...row }) => ({ ...row, orderingKey }));
}

function publishedOf({ orderingKey, payload, ...message }: messagingV1.Message): PublishedMessage {
  return publishedMessageOf({ ...message, ordering_key: orderingKey, payload: Buffer.from(payload) });
}

const refused = (field: string, description: string): RefusalException =>
  new RefusalException(
    refusal('invalid_argument', 'REQUEST_INVALID', description, { fields: [{ field, description }] }),
  );
