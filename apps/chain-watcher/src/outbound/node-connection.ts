import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';

export type ConnectNode = () => Promise<BitcoinNode>;

/** The node, connected to when first needed: it may come up after us, go away, and be another one when it is back. */
export class NodeConnection {
  readonly #connect: ConnectNode;
  #node: BitcoinNode | undefined;

  constructor(connect: ConnectNode) {
    this.#connect = connect;
  }

  /**
   * Runs `work` with the node. A node that couldn't be asked is connected to anew next time, so that its network is checked again.
   * @throws NodeError
   */
  async use<T>(work: (node: BitcoinNode) => Promise<T>): Promise<T> {
    // Workers share it; two that connect at once do no harm, the later one stays.
    const node = (this.#node ??= await this.#connect());
    try {
      return await work(node);
    } catch (error) {
      if (error instanceof NodeError && error.kind !== 'rpc') this.#drop(node);
      throw error;
    }
  }

  close(): void {
    this.#node?.close();
    this.#node = undefined;
  }

  #drop(node: BitcoinNode): void {
    if (this.#node !== node) return;
    this.#node = undefined;
    // Others may be in the middle of a call: their connections end by themselves.
  }
}
