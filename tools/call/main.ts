import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  type DescMethod,
  fromBinary,
  fromJson,
  type JsonValue,
  type Registry,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { googleRpc } from '@finality/contracts';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, findMethod, nameOf } from './reflection.ts';

const USAGE = `npm run call -- <rpc> ['<request>'…] [--as <who> | --key <api key>] [--address <host:port>] [--field <name>]
npm run call -- --list

  rpc        finality.settlement.v1.SettlementService/SubmitSettlement, or as much of its end as is unambiguous: SubmitSettlement
  request    protobuf's JSON; several where the rpc takes a stream of them; default {}
  --as       whose API key of .finality/demo.json is sent: an institution's id, operator, operator-2 or compliance
  --key      an API key: fin_<key id>_<secret>
  --address  default: that of .finality/demo.json, else 127.0.0.1:50051
  --field    prints nothing but this field of each answer, as it is: with csv, a StreamStatement makes a file
  --list     names every rpc of the server

What can be called is asked of the server (gRPC reflection). Answers are printed as JSON, one per line if there are many; Ctrl-C ends
a stream. Exit code 1: the call was refused, with the reason on standard error.
`;
const ADDRESS_DEFAULT = '127.0.0.1:50051';
const DEADLINE_MS = 60_000;
const CONNECT_MS = 5_000;
const DETAILS_KEY = 'grpc-status-details-bin';

/** What `npm start` leaves for whoever wants to try it. */
interface Demo {
  readonly grpc: string;
  readonly institutions: readonly { readonly id: string; readonly apiKey: string }[];
  readonly operator: { readonly apiKey: string };
  readonly secondOperator: { readonly apiKey: string };
  readonly compliance: { readonly apiKey: string };
}

interface Options {
  readonly values: { as?: string; key?: string; address?: string; field?: string; list?: boolean; help?: boolean };
  readonly positionals: readonly string[];
}

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(
    error instanceof UsageError
      ? `${error.message}\n\n${USAGE}`
      : `${error instanceof Error ? error.message : String(error)}\n`,
  );
  return error instanceof UsageError ? 64 : 1;
});

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [rpc, ...requests] = positionals;
  if (rpc === undefined && values.list !== true) throw new UsageError('which rpc?');
  const demo = readDemo();
  const address = values.address ?? demo?.grpc ?? ADDRESS_DEFAULT;
  const metadata = new Metadata();
  const key = values.as === undefined ? values.key : keyOf(demo, values.as);
  if (key !== undefined) metadata.set('authorization', `Bearer ${key}`);
  const client = new Client(address, credentials.createInsecure());
  try {
    await ready(client, address);
    const { services, registry } = await describe(client);
    if (rpc === undefined) {
      for (const method of services.flatMap((service) => service.methods)) process.stdout.write(`${nameOf(method)}\n`);
      return 0;
    }
    const method = findMethod(services, rpc);
    if (!('parent' in method)) {
      const why = method.length === 0 ? 'no rpc has that name' : `it could be ${method.join(' or ')}`;
      throw new UsageError(`${rpc}: ${why}`);
    }
    return await call(client, method, { requests, metadata, registry, field: values.field });
  } finally {
    client.close();
  }
}

function parse(args: readonly string[]): Options {
  const texts = {
    as: { type: 'string' },
    key: { type: 'string' },
    address: { type: 'string' },
    field: { type: 'string' },
  } as const;
  const flags = { list: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...texts, ...flags } });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readDemo(): Demo | undefined {
  const root = path.resolve(import.meta.dirname, '../..');
  const file = path.resolve(root, process.env['FINALITY_DATA_DIR'] ?? '.finality', 'demo.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Demo) : undefined;
}

function keyOf(demo: Demo | undefined, who: string): string {
  if (demo === undefined) throw new UsageError('--as needs .finality/demo.json, which npm start makes');
  const known = new Map([
    ...demo.institutions.map(({ id, apiKey }) => [id, apiKey] as const),
    ['operator', demo.operator.apiKey],
    ['operator-2', demo.secondOperator.apiKey],
    ['compliance', demo.compliance.apiKey],
  ]);
  const key = known.get(who);
  if (key === undefined) throw new UsageError(`--as: expected ${[...known.keys()].join(', ')}, got ${who}`);
  return key;
}

function ready(client: Client, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + CONNECT_MS, (error) =>
      error ? reject(new Error(`nothing answers on ${address}: is the platform up (npm start)?`)) : resolve(),
    );
  });
}

interface Asked {
  readonly requests: readonly string[];
  readonly metadata: Metadata;
  readonly registry: Registry;
  /** Of an answer: print only this. */
  readonly field: string | undefined;
}

/** On the wire every kind of call is a stream of requests and a stream of answers. */
function call(client: Client, method: DescMethod, { requests, metadata, registry, field }: Asked): Promise<number> {
  const takesMany = method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
  const givesMany = method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
  if (!takesMany && requests.length > 1) throw new UsageError(`${nameOf(method)} takes one request`);
  if (field !== undefined && !method.output.fields.some(({ name }) => name === field))
    throw new UsageError(`--field: expected ${method.output.fields.map(({ name }) => name).join(', ')}, got ${field}`);
  const messages = (requests.length === 0 ? ['{}'] : requests).map((text) => encode(method, text, registry));
  const stream = client.makeBidiStreamRequest<Uint8Array, Buffer>(
    `/${nameOf(method)}`,
    Buffer.from,
    (bytes) => bytes,
    metadata,
    givesMany ? {} : { deadline: Date.now() + DEADLINE_MS },
  );
  return new Promise((resolve) => {
    stream.on('data', (bytes: Buffer) => {
      const json = toJson(method.output, fromBinary(method.output, bytes), {
        registry,
        useProtoFieldName: true,
        alwaysEmitImplicit: true,
      });
      process.stdout.write(
        field === undefined ? `${JSON.stringify(json, undefined, givesMany ? undefined : 2)}\n` : textOf(json, field),
      );
    });
    stream.on('error', (error) => {
      const refused = error as ServiceError;
      if (refused.code === status.CANCELLED) return resolve(0);
      process.stderr.write(explain(refused));
      resolve(1);
    });
    // Of a call that failed, the end may be seen before the error.
    stream.on('status', ({ code }) => code === status.OK && stream.on('end', () => resolve(0)));
    process.once('SIGINT', () => stream.cancel());
    for (const message of messages) stream.write(message);
    stream.end();
  });
}

/** A text as it is, for a file; anything else as JSON, a line each; nothing where the answer doesn't have it. */
function textOf(json: JsonValue, field: string): string {
  const value = (json as Readonly<Record<string, JsonValue>>)[field];
  if (value === undefined) return '';
  return typeof value === 'string' ? value : `${JSON.stringify(value)}\n`;
}

function encode(method: DescMethod, text: string, registry: Registry): Uint8Array {
  try {
    return toBinary(method.input, fromJson(method.input, JSON.parse(text) as JsonValue, { registry }));
  } catch (error) {
    throw new UsageError(`${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Status, message, and what the details say: the reason, and the fields that are to blame. */
function explain({ code, details, metadata }: ServiceError): string {
  const lines = [`${status[code]}: ${details}`];
  const [bytes] = metadata.get(DETAILS_KEY);
  const packed = Buffer.isBuffer(bytes) ? googleRpc.Status.decode(bytes).details : [];
  for (const { typeUrl, value } of packed) {
    if (typeUrl.endsWith('.ErrorInfo')) lines.push(`  reason: ${googleRpc.ErrorInfo.decode(value).reason}`);
    if (!typeUrl.endsWith('.BadRequest')) continue;
    for (const { field, description } of googleRpc.BadRequest.decode(value).fieldViolations)
      lines.push(`  ${field}: ${description}`);
  }
  const [cursor] = metadata.get('finality-cursor');
  if (cursor !== undefined) lines.push(`  finality-cursor: ${String(cursor)}`);
  return `${lines.join('\n')}\n`;
}
