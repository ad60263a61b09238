const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
const SHIFT = 24;
const POSITIVE = 0x7fffffff;

/** The partition of a key: the same as Kafka's own clients choose, by MurmurHash2 over its UTF-8 bytes. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & POSITIVE) % partitions;
}

/** `org.apache.kafka.common.utils.Utils.murmur2`, in 32 bits. kafkajs does the same in 64, as BigInt. */
function murmur2(data: Buffer): number {
  const tail = data.length & ~3;
  let hash = SEED ^ data.length;
  for (let i = 0; i < tail; i += 4) {
    const word = Math.imul(data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24), MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word ^ (word >>> SHIFT), MULTIPLIER);
  }
  const rest = data.length - tail;
  if (rest === 3) hash ^= data[tail + 2]! << 16;
  if (rest >= 2) hash ^= data[tail + 1]! << 8;
  if (rest >= 1) hash = Math.imul(hash ^ data[tail]!, MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return hash ^ (hash >>> 15);
}
