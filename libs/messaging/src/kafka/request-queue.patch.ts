import { createRequire } from 'node:module';

/** What kafkajs 2.2.4 keeps per connection, as far as the patch is concerned. */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const load = createRequire(import.meta.url);
const queueClass = load('kafkajs/src/network/requestQueue/index.js') as { readonly prototype: RequestQueue };

/** The only release that this was written for: it is the last one. */
export const KAFKAJS_VERSION = '2.2.4';

/** Whether the kafkajs that is installed is the one that the patch below knows. */
export function isPatchFor(): boolean {
  const { version } = load('kafkajs/package.json') as { readonly version: string };
  return version === KAFKAJS_VERSION && isPatched;
}

/**
 * kafkajs looks after requests held back by throttling in a timer that it sets again whenever it fires, also when no request is held back; the delay
 * is then negative, which Node takes for 1 ms. Each idle connection so costs about 6 % of a core. With nothing held back there is nothing to look
 * after: whatever is held back later sets the timer itself.
 */
function patch(): boolean {
  const { prototype } = queueClass;
  const schedule: unknown = prototype.scheduleCheckPendingRequests;
  if (typeof schedule !== 'function') return false;
  prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) schedule.call(this);
  };
  return true;
}

const isPatched = patch();
