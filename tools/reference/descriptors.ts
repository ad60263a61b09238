import {
  fromBinary,
  createFileRegistry,
  type DescField,
  type DescFile,
  type DescMessage,
  ScalarType,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

/** A field as the reference shows it. */
export interface FieldEntry {
  readonly number: number;
  readonly name: string;
  readonly type: string;
  /** Full name of the message or enum that it holds, if it holds one. */
  readonly refersTo?: string | undefined;
  readonly comment: string;
}

export interface MessageEntry {
  readonly name: string;
  readonly comment: string;
  readonly fields: readonly FieldEntry[];
}

export interface EnumEntry {
  readonly name: string;
  readonly comment: string;
  readonly values: readonly { readonly number: number; readonly name: string; readonly comment: string }[];
}

export interface RpcEntry {
  readonly name: string;
  readonly request: string;
  readonly isRequestStream: boolean;
  readonly response: string;
  readonly isResponseStream: boolean;
  readonly comment: string;
}

export interface ServiceEntry {
  readonly name: string;
  readonly comment: string;
  readonly rpcs: readonly RpcEntry[];
}

/** One .proto file; names are full (`finality.settlement.v1.Settlement`), comments on one line. */
export interface FileEntry {
  readonly path: string;
  readonly package: string;
  readonly services: readonly ServiceEntry[];
  readonly messages: readonly MessageEntry[];
  readonly enums: readonly EnumEntry[];
}

/** Field numbers inside descriptor.proto, of which the paths in `SourceCodeInfo` are made. */
const PATH = { message: 4, enum: 5, service: 6, field: 2, nestedMessage: 3, nestedEnum: 4, enumValue: 2, method: 2 };

/** Reads a FileDescriptorSet with source information; files in order of their path. */
export function readDescriptors(bytes: Uint8Array): FileEntry[] {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  return [...registry.files].map(readFile).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function readFile(file: DescFile): FileEntry {
  const comments = commentsOf(file);
  const messages: MessageEntry[] = [];
  const enums: EnumEntry[] = [];
  const readEnum = (desc: DescFile['enums'][number], path: readonly number[]): void => {
    const values = desc.values.map(({ number, name }, i) => ({
      number,
      name,
      comment: comments([...path, PATH.enumValue, i]),
    }));
    enums.push({ name: desc.typeName, comment: comments(path), values });
  };
  const readMessage = (desc: DescMessage, path: readonly number[]): void => {
    const fields = desc.fields.map((field, i) => readField(field, comments([...path, PATH.field, i])));
    messages.push({ name: desc.typeName, comment: comments(path), fields });
    desc.nestedEnums.forEach((nested, i) => readEnum(nested, [...path, PATH.nestedEnum, i]));
    desc.nestedMessages.forEach((nested, i) => readMessage(nested, [...path, PATH.nestedMessage, i]));
  };
  file.messages.forEach((desc, i) => readMessage(desc, [PATH.message, i]));
  file.enums.forEach((desc, i) => readEnum(desc, [PATH.enum, i]));
  const services = file.services.map((service, i) => ({
    name: service.typeName,
    comment: comments([PATH.service, i]),
    rpcs: service.methods.map((method, j) => ({
      name: method.name,
      request: method.input.typeName,
      isRequestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      response: method.output.typeName,
      isResponseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      comment: comments([PATH.service, i, PATH.method, j]),
    })),
  }));
  return { path: `${file.name}.proto`, package: file.proto.package, services, messages, enums };
}

/** Looks up what is written above (or behind) the thing at a path. */
function commentsOf(file: DescFile): (path: readonly number[]) => string {
  const byPath = new Map(
    (file.proto.sourceCodeInfo?.location ?? []).map((location) => [
      location.path.join('.'),
      `${location.leadingComments} ${location.trailingComments}`.replace(/\s+/g, ' ').trim(),
    ]),
  );
  return (path) => byPath.get(path.join('.')) ?? '';
}

function readField(field: DescField, comment: string): FieldEntry {
  const { type, refersTo } = typeOf(field);
  const label =
    field.oneof === undefined ? (field.proto.proto3Optional ? 'optional ' : '') : `oneof ${field.oneof.name}: `;
  return { number: field.number, name: field.name, type: `${label}${type}`, refersTo, comment };
}

function typeOf(field: DescField): { type: string; refersTo?: string | undefined } {
  switch (field.fieldKind) {
    case 'scalar':
      return { type: scalarName(field.scalar) };
    case 'message':
      return { type: field.message.typeName, refersTo: field.message.typeName };
    case 'enum':
      return { type: field.enum.typeName, refersTo: field.enum.typeName };
    case 'list': {
      const refersTo =
        field.listKind === 'message'
          ? field.message.typeName
          : field.listKind === 'enum'
            ? field.enum.typeName
            : undefined;
      return { type: `repeated ${refersTo ?? scalarName(field.scalar!)}`, refersTo };
    }
    case 'map': {
      const refersTo =
        field.mapKind === 'message'
          ? field.message.typeName
          : field.mapKind === 'enum'
            ? field.enum.typeName
            : undefined;
      return { type: `map<${scalarName(field.mapKey)}, ${refersTo ?? scalarName(field.scalar!)}>`, refersTo };
    }
  }
}

function scalarName(scalar: ScalarType): string {
  return ScalarType[scalar].toLowerCase();
}
