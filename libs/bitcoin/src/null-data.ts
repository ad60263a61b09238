import { assert } from '@finality/kernel';
import { hexFromBytes } from './hex.ts';
import type { ScriptHex } from './ids.ts';

/** Nodes of every version relay so much (Bitcoin Core before 30: 83 bytes of script, 80 of data). */
const DATA_BYTES_MAX = 80;
/** Up to here the length is the opcode that pushes so many bytes. */
const DIRECT_PUSH_MAX = 75;
const OP_RETURN = 0x6a;
const OP_PUSHDATA1 = 0x4c;

/** OP_RETURN and one push: an output that says something and that nobody can spend. @param data 1 to 80 bytes */
export function nullDataScript(data: Uint8Array): ScriptHex {
  const { length } = data;
  assert(length >= 1 && length <= DATA_BYTES_MAX, `expected 1 to ${DATA_BYTES_MAX} bytes, got ${length}`);
  const push = length <= DIRECT_PUSH_MAX ? [length] : [OP_PUSHDATA1, length];
  return hexFromBytes(Uint8Array.of(OP_RETURN, ...push, ...data)) as ScriptHex;
}
