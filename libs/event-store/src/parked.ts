import type { Runtime } from '@finality/kernel';
import type { Pool } from 'pg';
import type { Outcome, PublishedMessage } from './port.ts';

/** A key whose messages wait behind one that can't be handled. */
export interface ParkedKey {
  readonly topic: string;
  readonly orderingKey: string;
  readonly parkedAt: number;
  readonly cause: string;
  /** Sequence of the first message waiting. */
  readonly sequence: bigint;
  readonly messages: number;
}

/** What an operator can do about parked messages (DESIGN 4). */
export class ParkedKeys {
  constructor(readonly options: { readonly pool: Pool; readonly schema: string; readonly runtime: Runtime }) {}
  list(_limit?: number): Promise<ParkedKey[]> {
    throw new Error('being written');
  }
  count(): Promise<number> {
    throw new Error('being written');
  }
  /** Tries the waiting messages of a key again, in order, through the service's own handler of that topic, until one is parked again. */
  replay(
    _key: { topic: string; orderingKey: string },
    _handler: (messages: readonly PublishedMessage[]) => Promise<readonly Outcome<unknown>[]>,
  ): Promise<{ replayed: number; parked: boolean }> {
    throw new Error('being written');
  }
  /** Gives up the first waiting message of a key. It stays on record with who skipped it and why. */
  skip(
    _key: { topic: string; orderingKey: string },
    _by: string,
    _reason: string,
  ): Promise<{ skipped: bigint | undefined }> {
    throw new Error('being written');
  }
}
