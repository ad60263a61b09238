import type { EventTransport } from '@finality/messaging';
import { type GrpcServices, type PublicApi, setCallContext } from '@finality/service';
import { Metadata } from '@grpc/grpc-js';
import { type CustomTransportStrategy, type MessageHandler, ServerGrpc } from '@nestjs/microservices';
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

  strategyFor(_service: string, services: GrpcServices, events: EventTransport): CustomTransportStrategy {
    return new CollectingStrategy(this.#handlers, services, events);
  }

  /** Rejects with what the handler throws. Of a stream of answers, all of them; requests come one at a time. */
  async call(request: object, { service, method, apiKey, correlationId }: ApiCall): Promise<unknown> {
    const handler = this.#handlers.get(`${service}/${method}`);
    if (!handler) throw new Error(`nobody serves ${service}/${method}`);
    const metadata = new Metadata();
    if (apiKey !== undefined) metadata.set('authorization', `Bearer ${apiKey}`);
    const call = {};
    setCallContext(call, { correlationId, traceparent: TRACEPARENT, signal: new AbortController().signal });
    const result: unknown = await handler(request, metadata, call);
    const answer: unknown = isObservable(result) ? await lastValueFrom(result) : result;
    return isStream(answer) ? allOf(answer) : answer;
  }
}

const isStream = (answer: unknown): answer is AsyncIterable<unknown> =>
  typeof answer === 'object' && answer !== null && Symbol.asyncIterator in answer;

async function allOf(stream: AsyncIterable<unknown>): Promise<readonly unknown[]> {
  const answers: unknown[] = [];
  for await (const answer of stream) answers.push(answer);
  return answers;
}

/** Nest gives handlers a call's metadata and the call itself only under a strategy that is its gRPC one. */
class CollectingStrategy extends ServerGrpc {
  override readonly propagatesEventHandlerErrors = true;
  readonly #handlers: Map<string, Handler>;
  readonly #events: EventTransport;

  constructor(handlers: Map<string, Handler>, services: GrpcServices, events: EventTransport) {
    const packages = Object.keys(services).map((name) => name.slice(0, name.lastIndexOf('.')));
    super({ package: packages, packageDefinition: services });
    this.#handlers = handlers;
    this.#events = events;
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false): void {
    if (isEventHandler) return this.#events.addHandler(pattern, callback, true);
    if (typeof pattern !== 'object' || pattern === null || !('service' in pattern) || !('rpc' in pattern)) return;
    this.#handlers.set(`${String(pattern.service)}/${String(pattern.rpc)}`, callback as unknown as Handler);
  }

  override listen(callback: (error?: unknown) => void): Promise<void> {
    callback();
    return Promise.resolve();
  }

  override close(): Promise<void> {
    return this.#events.close();
  }
}
