import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServerUnavailable } from './program.ts';

const ATTEMPTS_MAX = 4;
const ATTEMPT_PAUSE_MS = 1_000;
/** Of silence, not of the whole file. */
const SILENCE_MS_MAX = 30_000;
const CONNECTIONS_MAX = 6;
const FILE_BYTES_MAX = 64 * 1024 * 1024;

export interface Download {
  readonly url: string;
  readonly sha256: string;
  /** Where it goes. */
  readonly file: string;
}

export interface DownloadOptions {
  /** Is called after each file with how many there are by now. */
  readonly progressed: (count: number) => void;
  /** Where HTTP_PROXY, HTTPS_PROXY and NO_PROXY are looked up. Default: the process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Before the second attempt; grows. Default 1 s. */
  readonly attemptPauseMs?: number;
}

/**
 * Fetches files, several at a time, each checked against its SHA-256 before it is written.
 * @throws ServerUnavailable `NOT_FETCHED` when one can't be had in a few attempts
 */
export async function downloadAll(
  downloads: readonly Download[],
  { progressed, env = process.env, attemptPauseMs = ATTEMPT_PAUSE_MS }: DownloadOptions,
): Promise<void> {
  const settings = { keepAlive: true, maxSockets: CONNECTIONS_MAX, proxyEnv: env };
  const agents = { 'http:': new http.Agent(settings), 'https:': new https.Agent(settings) };
  const waiting = [...downloads];
  let count = 0;
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      writeFileSync(next.file, await download(next, agents, attemptPauseMs));
      progressed(++count);
    }
  };
  try {
    await Promise.all(Array.from({ length: CONNECTIONS_MAX }, worker));
  } finally {
    waiting.length = 0;
    agents['http:'].destroy();
    agents['https:'].destroy();
  }
}

type Agents = Readonly<Record<'http:' | 'https:', http.Agent>>;

async function download({ url, sha256 }: Download, agents: Agents, attemptPauseMs: number): Promise<Buffer> {
  for (let attempt = 1; ; attempt++) {
    try {
      const content = await get(new URL(url), agents);
      const got = createHash('sha256').update(content).digest('hex');
      if (got === sha256) return content;
      throw new Error(`its SHA-256 is ${got}, expected ${sha256}`);
    } catch (error) {
      if (attempt >= ATTEMPTS_MAX) throw new ServerUnavailable('NOT_FETCHED', `can't get ${url}: ${messageOf(error)}`);
    }
    await sleep(attempt * attemptPauseMs);
  }
}

function get(url: URL, agents: Agents): Promise<Buffer> {
  const isPlain = url.protocol === 'http:';
  return new Promise((resolve, reject) => {
    const request = (isPlain ? http : https).get(url, { agent: agents[isPlain ? 'http:' : 'https:'] }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(new Error(`HTTP status ${response.statusCode}`));
        return;
      }
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > FILE_BYTES_MAX) request.destroy(new Error(`it is longer than ${FILE_BYTES_MAX} bytes`));
        else chunks.push(chunk);
      });
      response.once('end', () => resolve(Buffer.concat(chunks)));
      response.once('error', reject);
    });
    request.setTimeout(SILENCE_MS_MAX, () => request.destroy(new Error(`silent for ${SILENCE_MS_MAX / 1000} s`)));
    request.once('error', reject);
  });
}

/** A failed connection to several addresses is an AggregateError without a message. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
