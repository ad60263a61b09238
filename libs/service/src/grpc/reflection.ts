import { ReflectionService } from '@grpc/reflection';
import type { Server } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';

/** Lets generic tools (grpcurl) ask the server for its services and messages, v1 and v1alpha of the reflection protocol. */
export function addReflection(server: Server, descriptorSet: Uint8Array, services: readonly string[]): void {
  // Only the files of a definition count; this is the kind of definition that has nothing else.
  const format = 'Protocol Buffer 3 EnumDescriptorProto' as const;
  const ours = { format, type: {}, fileDescriptorProtos: filesOf(descriptorSet) };
  const health = Object.values(healthService).map((method) => method.requestType);
  const definition = Object.fromEntries([ours, ...health].map((type, index) => [`type${index}`, type]));
  new ReflectionService(definition, { services: [...services, 'grpc.health.v1.Health'] }).addToServer(server);
}

/** The files of a google.protobuf.FileDescriptorSet (`repeated FileDescriptorProto file = 1`, nothing else), still encoded. */
export function filesOf(descriptorSet: Uint8Array): Buffer[] {
  const bytes = Buffer.from(descriptorSet);
  const files: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes[offset] !== 0x0a)
      throw new Error(`byte ${offset} of the descriptor set is ${bytes[offset]}, expected a field "file"`);
    const { value: length, next } = varint(bytes, offset + 1);
    files.push(bytes.subarray(next, next + length));
    offset = next + length;
  }
  if (offset !== bytes.length) throw new Error('the descriptor set is cut off');
  return files;
}

function varint(bytes: Uint8Array, start: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 5; i++) {
    const byte = bytes[start + i] ?? 0;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value, next: start + i + 1 };
  }
  throw new Error(`the length at byte ${start} of the descriptor set is too long`);
}
