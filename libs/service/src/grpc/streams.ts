import { refusal, type Runtime } from '@finality/kernel';
import type { ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js';
import { RefusalException } from './refusal-status.ts';

/** Written and not sent yet. Streams want to be waited for at 16 of them, and each time takes a turn of the event loop, whatever else it has to do. */
const UNSENT_MAX = 128;
/** A client that doesn't read for so long is cut off: what it is sent has to wait somewhere. */
const STALL_MAX_MS = 60_000;

const ENDS = ['end', 'cancelled', 'close', 'error'] as const;

type Writable = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/**
 * The requests of a client stream, one at a time, with backpressure; ends when the client has sent all or is gone. Not the stream's own
 * iterator, which destroys the stream, and with it the status to be sent, when the call fails while it waits.
 */
export async function* requestsOf<Request>(
  call: ServerDuplexStream<Request, unknown>,
): AsyncGenerator<Request, void, undefined> {
  let changed = Promise.withResolvers<void>();
  let isOver = false;
  const change = (): void => changed.resolve();
  const end = (): void => {
    isOver = true;
    change();
  };
  call.on('readable', change);
  for (const event of ENDS) call.on(event, end);
  try {
    for (;;) {
      changed = Promise.withResolvers();
      for (let request = read<Request>(call); request !== null; request = read<Request>(call)) yield request;
      if (isOver) return;
      await changed.promise;
    }
  } finally {
    call.off('readable', change);
    for (const event of ENDS) call.off(event, end);
  }
}

/**
 * Items in batches of what has come in while the batch before was being handled: at least one, at most `sizeMax`, and no more than that
 * waiting. Never waits for a batch to fill up.
 */
export async function* inBatches<T>(
  source: AsyncIterable<T>,
  sizeMax: number,
): AsyncGenerator<readonly T[], void, undefined> {
  const queue = new BoundedQueue<T>(sizeMax);
  const reading = queue.fill(source);
  // Whoever takes the batches hears of it below; who has stopped taking them doesn't want to.
  reading.catch(() => undefined);
  try {
    for (;;) {
      const batch = await queue.take();
      if (batch.length === 0) break;
      yield batch;
    }
    await reading;
  } finally {
    queue.close();
  }
}

/**
 * Results of `work` in the order of the items, so many of which may be under way at a time, and about as many done before their turn. An item whose
 * work fails fails the taker in its turn; what was begun after it goes on.
 */
export async function* inOrder<Item, Result>(
  source: AsyncIterable<Item>,
  max: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  for await (const started of inBatches(startEach(source, work), max)) for (const { result } of started) yield result;
}

/** In an object: a generator waits for a promise that it yields. */
async function* startEach<Item, Result>(
  source: AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<{ readonly result: Promise<Result> }, void, undefined> {
  for await (const item of source) {
    const result = work(item);
    // Whoever takes it hears of it; who has stopped taking doesn't want to.
    result.catch(() => undefined);
    yield { result };
  }
}

/** Writes what a handler yields, as fast as the client reads and no faster. Returns when the client is gone as well. */
export async function writeAll(responses: AsyncIterable<unknown>, call: Writable, runtime: Runtime): Promise<void> {
  for await (const response of responses) {
    if (call.cancelled) return;
    call.write(response);
    if (call.writableLength >= UNSENT_MAX && !(await drained(call, runtime))) {
      throw new RefusalException(
        refusal('unavailable', 'SLOW_CONSUMER', `nothing was read for ${STALL_MAX_MS} ms`, { retryable: true }),
      );
    }
  }
}

/** @returns false when the client didn't read anything for STALL_MAX_MS */
async function drained(call: Writable, runtime: Runtime): Promise<boolean> {
  const over = new AbortController();
  // With a reason of our own: the default one is an exception with a stack, made each time.
  const done = (): void => over.abort('over');
  for (const event of ['drain', 'cancelled', 'close', 'error']) call.on(event, done);
  if (call.cancelled || !call.writableNeedDrain) done();
  await runtime.sleep(STALL_MAX_MS, over.signal);
  for (const event of ['drain', 'cancelled', 'close', 'error']) call.off(event, done);
  return over.signal.aborted;
}

function read<Request>(call: ServerDuplexStream<Request, unknown>): Request | null {
  return call.readableEnded || call.destroyed ? null : (call.read() as Request | null);
}

/** One reader, one taker; the reader pauses at `sizeMax`. */
class BoundedQueue<T> {
  readonly #sizeMax: number;
  #items: T[] = [];
  #ended = false;
  #closed = false;
  #changed = Promise.withResolvers<void>();

  constructor(sizeMax: number) {
    this.#sizeMax = sizeMax;
  }

  async fill(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const item of source) {
        while (this.#items.length >= this.#sizeMax && !this.#closed) await this.#changed.promise;
        if (this.#closed) return;
        this.#items.push(item);
        this.#change();
      }
    } finally {
      this.#ended = true;
      this.#change();
    }
  }

  /** Everything that is there; empty at the end. */
  async take(): Promise<readonly T[]> {
    while (this.#items.length === 0 && !this.#ended) await this.#changed.promise;
    const taken = this.#items;
    this.#items = [];
    this.#change();
    return taken;
  }

  close(): void {
    this.#closed = true;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
