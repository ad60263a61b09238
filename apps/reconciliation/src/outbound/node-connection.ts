import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';

export type ConnectNode = () => Promise<BitcoinNode>;

/** Our own connection to a node: reconciliation takes nothing from the chain watcher. Connected to when needed, anew after an outage. */
export class NodeConnection {
  readonly #connect: ConnectNode;
  #node: BitcoinNode | undefined;

  constructor(connect: ConnectNode) {
    this.#connect = connect;
  }

  /** @throws NodeError */
  async use<T>(work: (node: BitcoinNode) => Promise<T>): Promise<T> {
    const node = (this.#node ??= await this.#connect());
    try {
      return await work(node);
    } catch (error) {
      if (error instanceof NodeError && error.kind !== 'rpc' && this.#node === node) this.#node = undefined;
      throw error;
    }
  }

  close(): void {
    this.#node?.close();
    this.#node = undefined;
  }
}
