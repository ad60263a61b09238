import { setTimeout as sleep } from 'node:timers/promises';
import { settlementV1 } from '@finality/contracts';
import { credentials, Metadata } from '@grpc/grpc-js';
import type { Party } from './platform.ts';

// Clients that send settlements and wait for nothing but that they are accepted: a process of its own.

export interface AcceptOrder {
  readonly grpc: string;
  readonly parties: readonly [Party, Party];
  /** Of the idempotency keys. */
  readonly name: string;
  /** One call for each, or all on one stream. */
  readonly by: 'unary' | 'stream';
  /** Sent and not answered at any time. */
  readonly inFlight: number;
  /** Not counted. */
  readonly warmUpMs: number;
  readonly ms: number;
}

export interface AcceptReport {
  readonly accepted: number;
  /** Told to come again later. */
  readonly refused: number;
  /** Without saying when. */
  readonly refusedWithoutHint: number;
  readonly seconds: number;
  /** What shouldn't have been; must be empty. */
  readonly wrong: readonly string[];
}

const { refusalOf } = await import('@finality/service');

const AMOUNT_SATS = 1_000n;
const WRONG_MAX = 10;
const CLIENTS = 4;

class Clients {
  readonly #order: AcceptOrder;
  readonly #wrong: string[] = [];
  #sent = 0;
  #accepted = 0;
  #refused = 0;
  #refusedWithoutHint = 0;
  #isCounting = false;
  #isOver = false;

  constructor(order: AcceptOrder) {
    this.#order = order;
  }

  async run(): Promise<AcceptReport> {
    const { by, warmUpMs, ms } = this.#order;
    const running = by === 'unary' ? this.#callEach() : this.#stream();
    await sleep(warmUpMs);
    this.#isCounting = true;
    const startMs = performance.now();
    await sleep(ms);
    this.#isCounting = false;
    const seconds = (performance.now() - startMs) / 1_000;
    this.#isOver = true;
    await running;
    return {
      accepted: this.#accepted,
      refused: this.#refused,
      refusedWithoutHint: this.#refusedWithoutHint,
      seconds,
      wrong: this.#wrong,
    };
  }

  /** Each sends the next when the one before is accepted; told to wait it waits, and sends the same again. */
  async #callEach(): Promise<void> {
    const clients = Array.from({ length: CLIENTS }, () => this.#client());
    const loops = Array.from({ length: this.#order.inFlight }, async (_, i) => {
      const client = clients[i % clients.length]!;
      while (!this.#isOver) {
        const request = this.#next();
        while (!this.#isOver) {
          const waitMs = await this.#call(client, request);
          if (waitMs === undefined) break;
          await sleep(waitMs);
        }
      }
    });
    await Promise.all(loops);
    for (const client of clients) client.close();
  }

  /** @returns how long to wait before the same request; undefined when there is nothing to repeat */
  #call(
    client: settlementV1.SettlementServiceClient,
    request: settlementV1.SubmitSettlementRequest,
  ): Promise<number | undefined> {
    return new Promise((resolve) => {
      client.submitSettlement(request, this.#metadata(request.fromInstitution), (error) => {
        if (!error) {
          this.#count();
          return resolve(undefined);
        }
        const refused = refusalOf(error);
        if (refused?.kind !== 'resource_exhausted') {
          this.#fail(error.message);
          return resolve(undefined);
        }
        if (this.#isCounting) {
          this.#refused += 1;
          if (refused.retryAfterMs === undefined) this.#refusedWithoutHint += 1;
        }
        resolve(refused.retryAfterMs ?? 0);
      });
    });
  }

  /** One stream, of the first institution, with so many under way. */
  async #stream(): Promise<void> {
    const client = this.#client();
    const ended = Promise.withResolvers<void>();
    const stream = client.submitSettlements(this.#metadata(this.#order.parties[0].id));
    const send = (): void => {
      if (this.#isOver) stream.end();
      else stream.write(this.#next(0));
    };
    stream.on('data', ({ error }) => {
      if (error) this.#fail(error.message);
      else this.#count();
      send();
    });
    stream.on('error', (error) => {
      this.#fail(error.message);
      ended.resolve();
    });
    stream.on('end', () => ended.resolve());
    for (let i = 0; i < this.#order.inFlight; i++) send();
    await ended.promise;
    client.close();
  }

  #client(): settlementV1.SettlementServiceClient {
    // Without this option clients of one address share a connection.
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    return new settlementV1.SettlementServiceClient(this.#order.grpc, credentials.createInsecure(), options);
  }

  #metadata(institutionId: string): Metadata {
    const metadata = new Metadata();
    const party = this.#order.parties.find(({ id }) => id === institutionId);
    metadata.set('authorization', `Bearer ${party?.apiKey}`);
    return metadata;
  }

  #next(payer = this.#sent % 2): settlementV1.SubmitSettlementRequest {
    const { parties, name } = this.#order;
    const key = `${name}-${this.#sent}`;
    this.#sent += 1;
    return settlementV1.SubmitSettlementRequest.fromPartial({
      idempotencyKey: key,
      fromInstitution: parties[payer]!.id,
      toInstitution: parties[1 - payer]!.id,
      amountSats: AMOUNT_SATS,
      settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
      referenceId: key,
    });
  }

  #count(): void {
    if (this.#isCounting) this.#accepted += 1;
  }

  #fail(what: string): void {
    if (this.#wrong.length < WRONG_MAX) this.#wrong.push(what);
    this.#isOver = true;
  }
}

process.on('message', (order: AcceptOrder) => {
  void new Clients(order).run().then((report) => process.send?.(report));
});
process.on('disconnect', () => process.exit(0));
