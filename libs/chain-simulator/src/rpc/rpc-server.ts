import { createHash, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { RPC } from '../broadcast.ts';
import type { NodeFaults, WrongAnswer } from '../faults.ts';
import { BTCD_METHODS } from './btcd-methods.ts';
import { encodeRpcValue, type RpcValue } from './rpc-json.ts';
import { RPC_METHODS, type RpcNode } from './rpc-methods.ts';
import { RpcError, RpcParams } from './rpc-params.ts';

export interface RpcServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly faults: NodeFaults;
}

export interface RpcServer {
  readonly port: number;
  /** Cuts open connections. */
  close(): Promise<void>;
}

/** Bitcoin Core's limits. */
const REQUEST_BYTES_MAX = 32 * 1024 * 1024;
const KEEP_ALIVE_MS = 30_000;
const BATCH_MAX = 1_000;
const CONNECTIONS_MAX = 200;

/**
 * Bitcoin Core's JSON-RPC over HTTP: basic authentication, 1.0 and 2.0 forms, batches, and its HTTP statuses.
 * Rejects when it can't listen (`EADDRINUSE`).
 */
export async function startRpcServer(node: () => RpcNode, options: RpcServerOptions): Promise<RpcServer> {
  const server = http.createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    serve(node(), request, response, options).catch(() => request.socket.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function serve(
  node: RpcNode,
  request: http.IncomingMessage,
  response: http.ServerResponse,
  options: RpcServerOptions,
): Promise<void> {
  const body = await readBody(request);
  const { outage } = options.faults;
  if (outage === 'refuse') return void request.socket.destroy();
  if (outage === 'hang') return;
  const right = body === undefined ? plain(413, 'Request too large') : answerTo(node, request, body, options);
  const answer = WRONG_ANSWERS[options.faults.wrongAnswer ?? 'none'] ?? right;
  await options.faults.delay?.();
  // Only now: what was asked for has been done.
  if (outage === 'cut_answer') return void request.socket.destroy();
  response.writeHead(answer.status, { 'content-type': answer.type, ...answer.headers });
  response.end(answer.text);
}

interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function answerTo(node: RpcNode, request: http.IncomingMessage, body: string, options: RpcServerOptions): HttpAnswer {
  if (request.method !== 'POST') return plain(405, 'JSONRPC server handles only POST requests');
  if (!isAuthorized(request.headers.authorization, options)) {
    return { ...plain(401, ''), headers: { 'www-authenticate': 'Basic realm="jsonrpc"' } };
  }
  let asked: unknown;
  try {
    asked = JSON.parse(body);
  } catch {
    return json(500, reply({ jsonrpc: '1.0', id: null }, undefined, { code: RPC.parseError, message: 'Parse error' }));
  }
  if (!Array.isArray(asked)) {
    const { status, text } = call(node, asked);
    return json(status, text);
  }
  if (asked.length > BATCH_MAX) return plain(413, `expected at most ${BATCH_MAX} calls in a batch`);
  return json(200, `[${asked.map((each: unknown) => call(node, each).text).join(',')}]`);
}

interface RpcCall {
  readonly jsonrpc: '1.0' | '2.0';
  readonly id: RpcValue;
}

function call(node: RpcNode, asked: unknown): { readonly status: number; readonly text: string } {
  const { method, params, id, jsonrpc } = (asked ?? {}) as Readonly<Record<string, unknown>>;
  const isNew = jsonrpc === '2.0';
  const about: RpcCall = {
    jsonrpc: isNew ? '2.0' : '1.0',
    id: typeof id === 'string' || typeof id === 'number' ? id : null,
  };
  const refuse = (
    status: number,
    code: number,
    message: string,
  ): { readonly status: number; readonly text: string } => ({
    // btcd's errors are in the body alone.
    status: isNew || node.btcd ? 200 : status,
    text: reply(about, undefined, { code, message }),
  });
  if (typeof method !== 'string') return refuse(400, RPC.invalidRequest, 'Method must be a string');
  if (params !== undefined && params !== null && !Array.isArray(params))
    return refuse(400, RPC.invalidRequest, 'Params must be an array');
  const methods = node.btcd ? BTCD_METHODS : RPC_METHODS;
  const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (!run) return refuse(404, RPC.methodNotFound, 'Method not found');
  try {
    return { status: 200, text: reply(about, run(node, new RpcParams(method, params ?? [])), undefined) };
  } catch (error) {
    if (error instanceof RpcError) return refuse(500, error.fault.code, error.fault.message);
    return refuse(
      500,
      RPC.internalError,
      `Internal bug detected: ${error instanceof Error ? error.message : 'unknown'}`,
    );
  }
}

/** 1.0 has result and error both, one of them null; 2.0 has one. */
function reply(
  { jsonrpc, id }: RpcCall,
  result: RpcValue | undefined,
  error: { readonly code: number; readonly message: string } | undefined,
): string {
  const members = error ? { error: { ...error } } : { result: result ?? null };
  if (jsonrpc === '2.0') return encodeRpcValue({ jsonrpc, ...members, id });
  return encodeRpcValue({ result: null, error: null, ...members, id });
}

function isAuthorized(header: string | undefined, { user, password }: RpcServerOptions): boolean {
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  return timingSafeEqual(digest(header ?? ''), digest(expected));
}

const digest = (text: string): Uint8Array => createHash('sha256').update(text).digest();

const plain = (status: number, text: string): HttpAnswer => ({ status, type: 'text/plain', text });
const json = (status: number, text: string): HttpAnswer => ({ status, type: 'application/json', text: `${text}\n` });

const WRONG_ANSWERS: Readonly<Record<WrongAnswer | 'none', HttpAnswer | undefined>> = {
  none: undefined,
  not_json: { status: 200, type: 'text/html', text: '<html><body>It works!</body></html>' },
  wrong_type: json(200, '{"result":42,"error":null,"id":1}'),
};

/** `undefined` when it is too large. */
async function readBody(request: http.IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > REQUEST_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
