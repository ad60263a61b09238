import type { EventTransport } from '@finality/messaging';
import { type PublicApi, setCallContext } from '@finality/service';
import { Metadata } from '@grpc/grpc-js';
import { type CustomTransportStrategy, type MessageHandler, Server } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';

type Handler = (...args: readonly unknown[]) => unknown;

export interface ApiCall {
  /** Full name's last part: `SettlementService`. */
  readonly service: string;
  /** As generated: `submitSettlement`. */
  readonly method: string;
  /** `fin_…`; none: a call without. */
  readonly apiKey?: string;
  readonly correlationId: string;
}

const TRACEPARENT = '00-00000000000000000000000000000001-0000000000000001-01';

/** The public API of one service without a port: calls go to the same handlers, through the same filters, as over gRPC. */
export class InProcessApi implements PublicApi {
  readonly #handlers = new Map<string, Handler>();

  strategyFor(_service: string, _services: object, events: EventTransport): CustomTransportStrategy {
    return new CollectingStrategy(this.#handlers, events);
  }

  /** Rejects with what the handler throws. Unary calls only. */
  async call(request: object, { service, method, apiKey, correlationId }: ApiCall): Promise<unknown> {
    const handler = this.#handlers.get(`${service}/${method}`);
    if (!handler) throw new Error(`nobody serves ${service}/${method}`);
    const metadata = new Metadata();
    if (apiKey !== undefined) metadata.set('authorization', `Bearer ${apiKey}`);
    const call = {};
    setCallContext(call, { correlationId, traceparent: TRACEPARENT, signal: new AbortController().signal });
    const result: unknown = await handler(request, metadata, call);
    return isObservable(result) ? lastValueFrom(result) : result;
  }
}

class CollectingStrategy extends Server implements CustomTransportStrategy {
  override readonly propagatesEventHandlerErrors = true;
  readonly #handlers: Map<string, Handler>;
  readonly #events: EventTransport;

  constructor(handlers: Map<string, Handler>, events: EventTransport) {
    super();
    this.#handlers = handlers;
    this.#events = events;
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false): void {
    if (isEventHandler) return this.#events.addHandler(pattern, callback, true);
    if (typeof pattern !== 'object' || pattern === null || !('service' in pattern) || !('rpc' in pattern)) return;
    this.#handlers.set(`${String(pattern.service)}/${String(pattern.rpc)}`, callback as unknown as Handler);
  }

  listen(callback: (error?: unknown) => void): void {
    callback();
  }

  close(): Promise<void> {
    return this.#events.close();
  }

  on(): void {
    throw new Error('calls within the process have no client events');
  }

  unwrap<T>(): T {
    throw new Error('calls within the process have no server');
  }
}
