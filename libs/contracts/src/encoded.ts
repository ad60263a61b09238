import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A generated message type. */
interface Encoder<Message> {
  encode(message: Message, writer: BinaryWriter): BinaryWriter;
}

/** For all messages, one after another: it keeps the room that the longest needed. */
let writer = new BinaryWriter();

/** A message's bytes (protobuf), in a buffer of their own. */
export function encoded<Message>(type: Encoder<Message>, message: Message): Uint8Array {
  return written((to) => type.encode(message, to));
}

/** What `write` has written. */
export function written(write: (writer: BinaryWriter) => BinaryWriter): Uint8Array {
  try {
    return write(writer).finish();
  } catch (error) {
    // It may hold half a message.
    writer = new BinaryWriter();
    throw error;
  }
}
