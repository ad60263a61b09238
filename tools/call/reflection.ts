import {
  create,
  createFileRegistry,
  type DescMethod,
  type DescService,
  type FileRegistry,
  fromBinary,
} from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { Client, ClientDuplexStream } from '@grpc/grpc-js';

// https://github.com/grpc/grpc/blob/master/doc/server-reflection.md; of its messages only the fields that are needed here.

const METHOD = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const FIELD = { fileByName: 3, fileOfSymbol: 4, listServices: 7 } as const;
const ANSWER = { files: 4, services: 6, error: 7 } as const;
/** What packed details of errors are; a server needn't know them. */
const DETAILS = ['google.rpc.BadRequest', 'google.rpc.ErrorInfo'];
const FILES_MAX = 1_000;

/** What a server says of itself: services and all messages that they use. */
export interface Described {
  readonly services: readonly DescService[];
  readonly registry: FileRegistry;
}

/** Asks a server that has reflection on. @throws what the connection throws, or Error when the answers make no sense */
export async function describe(client: Client): Promise<Described> {
  const reflection = new Reflection(client);
  try {
    const names = await reflection.services();
    const files = new Map<string, FileDescriptorProto>();
    for (const name of names) {
      const found = await filesOf(reflection, name);
      if (isComplete(found)) for (const [path, file] of found) files.set(path, file);
    }
    for (const name of DETAILS) {
      for (const [path, file] of await filesOf(reflection, name).catch(() => [])) files.set(path, file);
    }
    const registry = createFileRegistry(inOrder(files));
    const services = names.map((name) => registry.getService(name)).filter((service) => service !== undefined);
    return { services, registry };
  } finally {
    reflection.close();
  }
}

/** grpc-js describes services of its own, such as health, without the full names of their types: those can't be called. */
function isComplete(files: ReadonlyMap<string, FileDescriptorProto>): boolean {
  try {
    createFileRegistry(inOrder(files));
    return true;
  } catch {
    return false;
  }
}

/** By its full name `package.Service/Method`, or as much of its end as is unambiguous. */
export function findMethod(services: readonly DescService[], name: string): DescMethod | readonly string[] {
  const all = services.flatMap((service) => service.methods);
  const matching = all.filter((method) => {
    const full = nameOf(method);
    return full === name || full.endsWith(`.${name}`) || full.endsWith(`/${name}`);
  });
  return matching.length === 1 ? matching[0]! : matching.map(nameOf);
}

export const nameOf = (method: DescMethod): string => `${method.parent.typeName}/${method.name}`;

/** The file that defines a symbol, and all that it imports. */
async function filesOf(reflection: Reflection, symbol: string): Promise<Map<string, FileDescriptorProto>> {
  const files = new Map<string, FileDescriptorProto>();
  const add = (found: readonly FileDescriptorProto[]): void => found.forEach((file) => void files.set(file.name, file));
  add(await reflection.files('fileOfSymbol', symbol));
  for (let fetched = 0; fetched < FILES_MAX; fetched++) {
    const missing = [...files.values()].flatMap((file) => file.dependency).find((name) => !files.has(name));
    if (missing === undefined) return files;
    add(await reflection.files('fileByName', missing));
    if (!files.has(missing)) throw new Error(`the server doesn't give ${missing}, which others import`);
  }
  throw new Error(`${symbol} takes more than ${FILES_MAX} files`);
}

/** Imported files first, as a registry wants them. */
function inOrder(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorSet {
  const ordered = new Set<FileDescriptorProto>();
  const add = (file: FileDescriptorProto): void => {
    if (ordered.has(file)) return;
    for (const name of file.dependency) add(files.get(name)!);
    ordered.add(file);
  };
  for (const file of files.values()) add(file);
  return create(FileDescriptorSetSchema, { file: [...ordered] });
}

/** One question at a time over one stream. */
class Reflection {
  readonly #call: ClientDuplexStream<Uint8Array, Buffer>;
  #waiting: PromiseWithResolvers<Buffer> | undefined;

  constructor(client: Client) {
    this.#call = client.makeBidiStreamRequest<Uint8Array, Buffer>(METHOD, Buffer.from, (bytes) => bytes);
    this.#call.on('data', (answer: Buffer) => this.#waiting?.resolve(answer));
    this.#call.on('error', (error) => this.#waiting?.reject(error));
  }

  async services(): Promise<string[]> {
    const answer = await this.#ask(FIELD.listServices, '*');
    return fieldsOf(answer.get(ANSWER.services), 1).map((service) => textOf(service, 1));
  }

  async files(by: 'fileByName' | 'fileOfSymbol', name: string): Promise<FileDescriptorProto[]> {
    const answer = await this.#ask(FIELD[by], name);
    return fieldsOf(answer.get(ANSWER.files), 1).map((file) => fromBinary(FileDescriptorProtoSchema, file));
  }

  close(): void {
    this.#call.end();
  }

  async #ask(field: number, text: string): Promise<ReadonlyMap<number, Uint8Array>> {
    this.#waiting = Promise.withResolvers();
    const question = new BinaryWriter();
    question.uint32((field << 3) | 2).string(text);
    this.#call.write(question.finish());
    const answer = lastOfEach(await this.#waiting.promise);
    const error = answer.get(ANSWER.error);
    if (error !== undefined) throw new Error(`${text}: ${textOf(error, 2)}`);
    return answer;
  }
}

/** Length-delimited fields of a message; others are passed over. */
function* delimited(bytes: Uint8Array): Generator<[number, Uint8Array], void, undefined> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (Number(wireType) === 2) yield [field, reader.bytes()];
    else reader.skip(wireType, field);
  }
}

const lastOfEach = (bytes: Uint8Array): ReadonlyMap<number, Uint8Array> => new Map(delimited(bytes));

function fieldsOf(bytes: Uint8Array | undefined, field: number): Uint8Array[] {
  return [...delimited(bytes ?? new Uint8Array())].flatMap(([number, value]) => (number === field ? [value] : []));
}

function textOf(bytes: Uint8Array, field: number): string {
  return fieldsOf(bytes, field)
    .map((value) => Buffer.from(value).toString('utf8'))
    .join('');
}
