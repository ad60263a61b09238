import { destination as fileDestination, pino, type DestinationStream, type Logger } from 'pino';
import type { Log } from './log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Fields of every line, `service` above all. */
  readonly fields?: Readonly<Record<string, string>>;
  /** One readable line per entry instead of JSON; default: when stderr is a terminal. */
  readonly pretty?: boolean;
  /** Default: stderr. */
  readonly destination?: DestinationStream;
}

/** Fields whose value is never written, at the top and down to two levels below. */
const SECRET_FIELDS = [
  'authorization',
  'password',
  'passphrase',
  'secret',
  'apiKey',
  'api_key',
  'token',
  'seed',
  'mnemonic',
  'privateKey',
  'private_key',
  'xprv',
  'wif',
];

/** What gives a secret away inside a text: API keys, URLs with a password, extended private keys, bearer tokens. */
const SECRET_TEXT = [
  { pattern: /\bfin_([A-Za-z0-9]+)_[A-Za-z0-9_-]{8,}/g, replacement: 'fin_$1_[redacted]' },
  { pattern: /([a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@/]+@/g, replacement: '$1:[redacted]@' },
  { pattern: /\b[xyztuv]prv[1-9A-HJ-NP-Za-km-z]{50,}/g, replacement: '[redacted private key]' },
  { pattern: /\b(bearer)\s+[\w.~+/=-]+/gi, replacement: '$1 [redacted]' },
];

/** A JSON logger to stderr (stdout belongs to what a program prints as its result). Amounts (`bigint`) are written as strings. */
export function createLogger(options: LoggerOptions): Log {
  const sink = options.destination ?? fileDestination({ fd: 2, sync: true });
  const pretty = options.pretty ?? (options.destination === undefined && process.stderr.isTTY);
  return pino(
    {
      level: options.level,
      base: { ...options.fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: writable },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]), censor: '[redacted]' },
      hooks: { streamWrite: (line) => (pretty ? prettyLine(redactText(line)) : redactText(line)) },
    },
    sink,
  ) satisfies Logger;
}

/** The text without what looks like a secret. */
export function redactText(text: string): string {
  return SECRET_TEXT.reduce((redacted, { pattern, replacement }) => redacted.replace(pattern, replacement), text);
}

function writable(fields: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(fields);
  if (!entries.some(([, value]) => typeof value === 'bigint')) return fields;
  return Object.fromEntries(
    entries.map(([name, value]) => [name, typeof value === 'bigint' ? value.toString() : value]),
  );
}

/** `12:30:01.123 WARN  settlement  message  field=value` */
function prettyLine(line: string): string {
  const { time, level, service, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
  );
  const stack = typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : '';
  const head = `${String(time).slice(11, 23)} ${String(level).toUpperCase().padEnd(5)} ${String(service ?? '').padEnd(14)}`;
  return `${head} ${String(msg)}${fields.length > 0 ? `  ${fields.join(' ')}` : ''}${stack}\n`;
}
