import { once } from 'node:events';
import { createServer, type Server } from 'node:http';

export interface Span {
  readonly traceId: string;
  readonly name: string;
  /** `service.name` of whoever made it. */
  readonly service: string;
}

/** Of the standard's JSON, what is looked at here. */
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly { key: string; value: { stringValue?: string } }[] };
    readonly scopeSpans: readonly { readonly spans: readonly Pick<Span, 'traceId' | 'name'>[] }[];
  }[];
}

/** An OpenTelemetry collector that remembers what it is sent (OTLP over HTTP, JSON). */
export class SpanCollector {
  readonly #server: Server;
  readonly #spans: Span[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<SpanCollector> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        collector.#take(JSON.parse(Buffer.concat(chunks).toString()) as Export);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    }).listen(0, '127.0.0.1');
    const collector = new SpanCollector(server);
    await once(server, 'listening');
    return collector;
  }

  /** Variables by which the SDK finds it. */
  get environment(): Readonly<Record<string, string>> {
    const address = this.#server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    return { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' };
  }

  of(traceId: string): readonly Span[] {
    return this.#spans.filter((span) => span.traceId === traceId);
  }

  close(): void {
    this.#server.close();
  }

  #take({ resourceSpans }: Export): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
      for (const { traceId, name } of scopeSpans.flatMap(({ spans }) => spans)) {
        this.#spans.push({ traceId, name, service });
      }
    }
  }
}
