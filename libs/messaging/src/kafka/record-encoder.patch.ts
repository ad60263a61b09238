import { createRequire } from 'node:module';
import { encodeRecord } from './record-encoder.ts';

const load = createRequire(import.meta.url);
const ENCODER = 'kafkajs/src/protocol/recordBatch/record/v0/index.js';
/** Loads the encoder, when something is produced for the first time. */
const REQUEST = 'kafkajs/src/protocol/requests/produce/v3/request.js';

/** kafkajs' own, for comparison. */
export const kafkajsEncoder: unknown = load(ENCODER);

/** Whether what is produced from now on goes through {@link encodeRecord}; kafkajs' own does the same, slowly. */
export const isPatched = patch();

function patch(): boolean {
  const module = load.cache[load.resolve(ENCODER)];
  if (!module || typeof kafkajsEncoder !== 'function' || load.cache[load.resolve(REQUEST)]) return false;
  module.exports = encodeRecord;
  return true;
}
