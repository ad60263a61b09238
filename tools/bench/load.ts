import { setTimeout as sleep } from 'node:timers/promises';
import { settlementV1 } from '@finality/contracts';
import { type ClientDuplexStream, type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js';
import type { Party } from './platform.ts';

// The load generator: a process of its own, so that what it costs isn't counted with the services.

export interface LoadTarget {
  readonly grpc: string;
  readonly parties: readonly [Party, Party];
  readonly watcherKey: string;
}

/** Sends `count` as fast as they are taken, or at a fixed rate whatever the answers do. */
export interface LoadOrder {
  readonly count: number;
  readonly perSecond?: number;
}

export interface LoadReport {
  /** From the first request sent to the last `settled` seen. */
  readonly seconds: number;
  /** Of each settlement: from when it should have been sent to when `settled` was seen. */
  readonly latenciesMs: readonly number[];
  /** What didn't happen as it should; must be empty. */
  readonly wrong: readonly string[];
}

type Request = settlementV1.SubmitSettlementRequest;

const { SettlementStatus: Status } = settlementV1;
/** Every change that a CENTRALIZED settlement makes known, in order. */
const EXPECTED = [
  Status.SETTLEMENT_STATUS_RECEIVED,
  Status.SETTLEMENT_STATUS_SCREENING,
  Status.SETTLEMENT_STATUS_APPROVED,
  Status.SETTLEMENT_STATUS_RESERVED,
  Status.SETTLEMENT_STATUS_SETTLED,
];
const AMOUNT_SATS = 1_000n;
/** References of what is sent here begin so. */
const OWN = 'bench-';
/** Without any change seen. */
const STALL_MS_MAX = 60_000;
const RUN_MS_MAX = 600_000;
const TICK_MS = 5;
const WRONG_MAX = 10;

interface Tracked {
  readonly dueMs: number;
  seen: number;
}

class Load {
  readonly #target: LoadTarget;
  readonly #streams: readonly ClientDuplexStream<Request, settlementV1.SubmitSettlementResult>[];
  readonly #watch: ClientReadableStream<settlementV1.SettlementEvent>;
  readonly #tracked = new Map<string, Tracked>();
  #sent = 0;
  #latenciesMs: number[] = [];
  #wrong: string[] = [];
  #wanted = 0;
  #seenMs = 0;
  #done: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(target: LoadTarget) {
    this.#target = target;
    const open = (key: string): [settlementV1.SettlementServiceClient, Metadata] => {
      const metadata = new Metadata();
      metadata.set('authorization', `Bearer ${key}`);
      return [new settlementV1.SettlementServiceClient(target.grpc, credentials.createInsecure()), metadata];
    };
    this.#streams = target.parties.map(({ apiKey }) => {
      const [client, metadata] = open(apiKey);
      const stream = client.submitSettlements(metadata);
      stream.on('data', (result) => result.error && this.#fail(`${result.idempotencyKey}: ${result.error.message}`));
      stream.on('error', (error) => this.#fail(`submitting: ${error.message}`));
      return stream;
    });
    const [client, metadata] = open(target.watcherKey);
    this.#watch = client.watchSettlements({ afterCursor: '' }, metadata);
    this.#watch.on('data', (event) => this.#seen(event));
    this.#watch.on('error', (error) => this.#fail(`watching: ${error.message}`));
  }

  async run({ count, perSecond }: LoadOrder): Promise<LoadReport> {
    this.#latenciesMs = [];
    this.#wanted = count;
    this.#done = Promise.withResolvers();
    const startMs = performance.now();
    const first = this.#sent;
    while (this.#sent - first < count && this.#wrong.length === 0) {
      if (perSecond !== undefined) {
        const dueMs = startMs + ((this.#sent - first) * 1_000) / perSecond;
        if (performance.now() < dueMs) await sleep(TICK_MS);
        else this.#send(dueMs);
      } else if (!this.#send(performance.now())) await this.#drained();
    }
    await Promise.race([this.#done.promise, this.#stalled(startMs)]);
    const seconds = (performance.now() - startMs) / 1_000;
    if (this.#latenciesMs.length < count)
      this.#wrong.push(`after ${Math.round(seconds)} s only ${this.#latenciesMs.length} of ${count} are settled`);
    this.#tracked.clear();
    return { seconds, latenciesMs: this.#latenciesMs, wrong: this.#wrong };
  }

  /** Resolves when nothing has happened for too long, or everything takes too long. */
  async #stalled(startMs: number): Promise<void> {
    this.#seenMs = performance.now();
    for (;;) {
      await sleep(1_000, undefined, { ref: false });
      const now = performance.now();
      if (now - this.#seenMs > STALL_MS_MAX || now - startMs > RUN_MS_MAX || this.#isDone) return;
    }
  }

  get #isDone(): boolean {
    return this.#latenciesMs.length === this.#wanted;
  }

  /** @returns false when the stream wants no more for now */
  #send(dueMs: number): boolean {
    const turn = this.#sent % 2;
    const [from, to] = turn === 0 ? this.#target.parties : this.#target.parties.toReversed();
    const key = `${OWN}${this.#sent}`;
    this.#sent += 1;
    this.#tracked.set(key, { dueMs, seen: 0 });
    return this.#streams[turn]!.write({
      idempotencyKey: key,
      fromInstitution: from!.id,
      toInstitution: to!.id,
      amountSats: AMOUNT_SATS,
      settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
      referenceId: key,
    });
  }

  async #drained(): Promise<void> {
    await Promise.all(
      this.#streams
        .filter((stream) => stream.writableNeedDrain)
        .map((stream) => new Promise<void>((resolve) => stream.once('drain', resolve))),
    );
  }

  #seen({ settlement }: settlementV1.SettlementEvent): void {
    if (settlement === undefined) return this.#fail('an event without a settlement');
    const { referenceId, status } = settlement;
    // Others' are watched, too.
    if (!referenceId.startsWith(OWN)) return;
    const tracked = this.#tracked.get(referenceId);
    if (tracked === undefined || EXPECTED[tracked.seen] !== status)
      return this.#fail(`${referenceId}: change ${(tracked?.seen ?? 0) + 1} is to ${Status[status]}`);
    tracked.seen += 1;
    this.#seenMs = performance.now();
    if (tracked.seen < EXPECTED.length) return;
    this.#latenciesMs.push(performance.now() - tracked.dueMs);
    if (this.#isDone) this.#done.resolve();
  }

  #fail(what: string): void {
    if (this.#wrong.length < WRONG_MAX) this.#wrong.push(what);
    this.#done.resolve();
  }
}

let load: Load | undefined;
process.on('message', (message: LoadTarget | LoadOrder) => {
  if ('grpc' in message) load = new Load(message);
  else void load?.run(message).then((report) => process.send?.(report));
});
// Nobody wants anything any more.
process.on('disconnect', () => process.exit(0));
