import http from 'node:http';
import https from 'node:https';
import type { Runtime } from '@finality/kernel';
import {
  NodeAnswerMalformed,
  NodeError,
  NodeRpcError,
  NodeTimeout,
  NodeUnauthorized,
  NodeUnreachable,
} from './node-errors.ts';
import { parseExactJson, RpcAnswer } from './rpc-answer.ts';

export interface JsonRpcOptions {
  /** `http://host:port`, or with `https:`. */
  readonly url: URL;
  readonly user: string;
  readonly password: string;
  readonly runtime: Runtime;
  /** How long a call may take, the wait for a free connection included. */
  readonly timeoutMs: number;
}

/** btcd serves 10 clients by default, and other programs may want some. */
const CONNECTIONS_MAX = 4;
/** The largest answer is a full block in hex (8 MB) or the txids of a full mempool (about 20 MB). */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** JSON-RPC over HTTP with basic authentication, on a few connections that are kept open. */
export class JsonRpc {
  readonly #options: JsonRpcOptions;
  readonly #agent: http.Agent;
  readonly #request: typeof http.request;
  #lastId = 0;

  constructor(options: JsonRpcOptions) {
    const secure = options.url.protocol === 'https:';
    const agentOptions = { keepAlive: true, maxSockets: CONNECTIONS_MAX };
    this.#options = options;
    this.#agent = secure ? new https.Agent(agentOptions) : new http.Agent(agentOptions);
    this.#request = secure ? https.request : http.request;
  }

  /**
   * Throws a `NodeError`. `repeatable` calls are sent once more when a kept-open connection turns out to be closed by the node, which
   * HTTP can't tell in advance; the others (mining) aren't, as they may have been carried out.
   */
  async call(method: string, params: readonly unknown[], repeatable = true): Promise<RpcAnswer> {
    const id = ++this.#lastId;
    // Without "jsonrpc": "2.0": the one form that Bitcoin Core, old and new, and btcd answer alike.
    const body = JSON.stringify({ jsonrpc: '1.0', id, method, params });
    const answer = await this.#post(method, body, repeatable);
    return this.#read(method, answer);
  }

  /** Where and as whom it calls: for the connections on which a node tells unasked. */
  get options(): JsonRpcOptions {
    return this.#options;
  }

  close(): void {
    this.#agent.destroy();
  }

  async #post(method: string, body: string, repeatable: boolean): Promise<HttpAnswer> {
    const { runtime, timeoutMs } = this.#options;
    const answered = new AbortController();
    const deadline = new AbortController();
    void runtime.sleep(timeoutMs, answered.signal).then(() => deadline.abort());
    try {
      const first = await this.#exchange(body, deadline.signal);
      if (first !== 'stale connection') return first;
      if (!repeatable) throw new NodeUnreachable(this.#options.url.origin, 'the connection was closed');
      const second = await this.#exchange(body, deadline.signal);
      if (second !== 'stale connection') return second;
      throw new NodeUnreachable(this.#options.url.origin, 'the connection was closed twice');
    } catch (error) {
      if (deadline.signal.aborted && !(error instanceof NodeError)) throw new NodeTimeout(method, timeoutMs);
      if (error instanceof NodeError) throw error;
      throw new NodeUnreachable(this.#options.url.origin, describe(error));
    } finally {
      answered.abort();
    }
  }

  #exchange(body: string, signal: AbortSignal): Promise<HttpAnswer | 'stale connection'> {
    const { url, user, password } = this.#options;
    return new Promise((resolve, reject) => {
      const request = this.#request(
        url,
        {
          method: 'POST',
          agent: this.#agent,
          signal,
          auth: `${user}:${password}`,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        },
        (response) => readBody(response).then((text) => resolve({ status: response.statusCode ?? 0, text }), reject),
      );
      request.on('error', (error: NodeJS.ErrnoException) => {
        const stale = request.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
        if (stale) resolve('stale connection');
        else reject(error);
      });
      request.end(body);
    });
  }

  #read(method: string, answer: HttpAnswer): RpcAnswer {
    const { url } = this.#options;
    if (answer.status === 401 || answer.status === 403) throw new NodeUnauthorized(url.origin);
    if (answer.status === 503 || answer.status === 429) throw new NodeUnreachable(url.origin, 'it is too busy');
    let reply: unknown;
    try {
      reply = parseExactJson(answer.text);
    } catch {
      throw new NodeAnswerMalformed(
        method,
        'JSON',
        `HTTP ${answer.status} and ${answer.text.length} characters of text`,
      );
    }
    const root = new RpcAnswer(method, reply);
    const error = root.field('error');
    if (error.isMissing) return root.field('result');
    throw new NodeRpcError(method, error.field('code').integer(), error.field('message').text());
  }
}

async function readBody(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > ANSWER_BYTES_MAX) throw new NodeAnswerMalformed('a call', `at most ${ANSWER_BYTES_MAX} bytes`, 'more');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** AggregateError (all addresses of a host refused) has an empty message. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
}
