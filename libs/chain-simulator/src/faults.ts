import type { Network } from '@finality/bitcoin';

/**
 * What a node can do to whoever asks it:
 * `refuse`: connections are cut before the call is carried out · `hang`: no answer ever comes ·
 * `cut_answer`: the call is carried out, then the connection is cut (a broadcast with unknown outcome).
 */
export type Outage = 'none' | 'refuse' | 'hang' | 'cut_answer';

/** What a node that isn't one, or is broken, answers: `not_json`: a page of HTML · `wrong_type`: a number, whatever was asked. */
export type WrongAnswer = 'not_json' | 'wrong_type';

/** Switches faults of a simulated node on and off, for tests. */
export class NodeFaults {
  outage: Outage = 'none';
  wrongAnswer: WrongAnswer | undefined;
  /** Each answer waits for this: a node that takes ten seconds. */
  delay: (() => Promise<void>) | undefined;
  /** Answers with the genesis block of this network: the wrong node behind the right address. */
  network: Network | undefined;
  /** Blocks below this height have been deleted, as with Bitcoin Core's -prune: their headers are there. */
  prunedBelow = 0;
  /** What is published by ZeroMQ is counted, and doesn't leave. */
  dropsMessages = false;
}
