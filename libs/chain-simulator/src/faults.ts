/**
 * What a node can do to whoever asks it:
 * `refuse`: connections are cut before the call is carried out · `hang`: no answer ever comes ·
 * `cut_answer`: the call is carried out, then the connection is cut (a broadcast with unknown outcome).
 */
export type Outage = 'none' | 'refuse' | 'hang' | 'cut_answer';

/** Switches faults of a simulated node on and off, for tests. */
export class NodeFaults {
  outage: Outage = 'none';
  /** What is published by ZeroMQ is counted, and doesn't leave. */
  dropsMessages = false;
}
