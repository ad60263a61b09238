/** google.protobuf.FileDescriptorSet of every .proto file, generated: what reflection answers from. */
export const DESCRIPTORS_URL = new URL('./generated/descriptors.binpb', import.meta.url);
