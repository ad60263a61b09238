import type { PublishedMessage } from '@finality/event-store';

/** The log of the service that owns a topic, by remote calls: what was published, whatever the broker still has. */
export interface OwnerMessages {
  /** Messages of a topic after a place, oldest first. Fewer than `limit` may come although there are more; none: that was all. */
  list(
    topic: string,
    after: { readonly position: bigint; readonly ordinal: number },
    limit: number,
  ): Promise<readonly PublishedMessage[]>;
  /** Messages of one key from a sequence on, in order. */
  ofKey(
    key: { readonly topic: string; readonly orderingKey: string },
    from: bigint,
    limit: number,
  ): Promise<readonly PublishedMessage[]>;
}
