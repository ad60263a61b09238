import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { written } from './encoded.ts';

const tagOf = (field: number): number => (field << 3) | WireType.LengthDelimited;

/** Field numbers of finality.settlement.v1, which never change. */
const CHANGED_SETTLEMENT = 1;
const SETTLEMENT_UPDATED_AT = 14;
const EVENT_CURSOR = 1;
const EVENT_SETTLEMENT = 2;
const EVENT_OCCURRED_AT = 3;

const NEVER = new Uint8Array();

/**
 * An encoded `SettlementEvent` of an encoded `SettlementChanged`: its settlement byte for byte, which spares whoever has many to send, to many,
 * from decoding and encoding each. It occurred when the settlement was updated. Undefined when the change is of no settlement.
 */
export function settlementEventOf(changed: Uint8Array, cursor: string): Buffer | undefined {
  const settlement = lastField(changed, CHANGED_SETTLEMENT);
  if (settlement === undefined) return undefined;
  const { buffer, byteOffset, byteLength } = written((event) => {
    if (cursor !== '') event.uint32(tagOf(EVENT_CURSOR)).string(cursor);
    event.uint32(tagOf(EVENT_SETTLEMENT)).bytes(settlement);
    return event.uint32(tagOf(EVENT_OCCURRED_AT)).bytes(lastField(settlement, SETTLEMENT_UPDATED_AT) ?? NEVER);
  });
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** Of an encoded message: the bytes of a field that is a message itself. Our own encoders write a field once. */
function lastField(message: Uint8Array, field: number): Uint8Array | undefined {
  const reader = new BinaryReader(message);
  let found: Uint8Array | undefined;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === field && type === WireType.LengthDelimited) found = reader.bytes();
    else reader.skip(type, number);
  }
  return found;
}
