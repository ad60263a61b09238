import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** On regtest, btcd removes its database whenever it starts. */
const DATABASE = path.join('regtest', 'blocks_ffldb');
/** Of a regtest block in a block file: magic, length (both little endian), block, checksum. */
const MAGIC = 0xdab5bffa;
const HEAD_BYTES = 8;
const CHECKSUM_BYTES = 4;

/** Every block that a btcd on regtest has had, as it stored them: parents come before children, the branch that was seen first before others. */
export function blocksKept(btcdDataDir: string): Buffer[] {
  const directory = path.join(btcdDataDir, DATABASE);
  if (!existsSync(directory)) return [];
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.fdb'))
    .toSorted();
  return files.flatMap((name) => blocksIn(readFileSync(path.join(directory, name))));
}

/** What was being written when it was killed is left out. */
function blocksIn(file: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  let at = 0;
  while (at + HEAD_BYTES <= file.length && file.readUInt32LE(at) === MAGIC) {
    const start = at + HEAD_BYTES;
    const end = start + file.readUInt32LE(at + 4);
    if (end + CHECKSUM_BYTES > file.length) break;
    blocks.push(file.subarray(start, end));
    at = end + CHECKSUM_BYTES;
  }
  return blocks;
}
