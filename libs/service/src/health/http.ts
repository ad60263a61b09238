import { FastifyAdapter } from '@nestjs/platform-fastify';
import { portTaken } from '../grpc/shared-server.ts';
import { errorCode } from '../startup-error.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { HealthRegistry } from './health.ts';

const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

export interface HttpOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The environment variable that sets the port, for the message when it is taken. */
  readonly portVariable: string;
  readonly health: HealthRegistry;
  readonly metrics: Pick<Metrics, 'render'>;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * `/healthz` the process lives · `/readyz` each dependency's state, 200 when all are well, else 503 (also for a standby,
 * but with `?standby=ok`) · `/metrics` for Prometheus.
 * @throws StartupError PORT_TAKEN
 */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const { host, health, metrics } = options;
  const app = new FastifyAdapter({
    bodyLimit: BODY_BYTES_MAX,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
  }).getInstance();
  app.get('/healthz', () => ({ status: 'alive' }));
  app.get<{ Querystring: { standby?: string } }>('/readyz', async (request, reply) => {
    const report = await health.report();
    const isWell = report.status === 'ready' || (report.status === 'standby' && request.query.standby === 'ok');
    return reply.code(isWell ? 200 : 503).send(report);
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await metrics.render();
    return reply.header('content-type', contentType).send(body);
  });
  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    await app.close();
    throw errorCode(error) === 'EADDRINUSE' ? portTaken(host, options.port, options.portVariable, error) : error;
  }
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  return { host, port, close: () => app.close() };
}
