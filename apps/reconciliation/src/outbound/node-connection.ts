import { type BitcoinNode, NodeError } from '@finality/bitcoin-node';

export type ConnectNode = () => Promise<BitcoinNode>;

/** Our own connection to a node: reconciliation takes nothing from the chain watcher. Connected to when first needed, anew after an outage. */
export class NodeConnection {
  readonly #connect: ConnectNode;
  #node: Promise<BitcoinNode> | undefined;

  constructor(connect: ConnectNode) {
    this.#connect = connect;
  }

  /**
   * Runs `work` with the node. One that couldn't be asked is connected to anew next time, so that its network is checked again.
   * @throws NodeError
   */
  async use<T>(work: (node: BitcoinNode) => Promise<T>): Promise<T> {
    const connecting = (this.#node ??= this.#connect());
    const forget = (): void => {
      if (this.#node === connecting) this.#node = undefined;
    };
    const node = await connecting.catch((error: unknown) => {
      forget();
      throw error;
    });
    try {
      return await work(node);
    } catch (error) {
      // Others may be in the middle of a call, so it isn't closed: its connections end by themselves.
      if (error instanceof NodeError && error.kind !== 'rpc') forget();
      throw error;
    }
  }

  async close(): Promise<void> {
    const connecting = this.#node;
    this.#node = undefined;
    // Where there is no connection, there is nothing to close.
    const node = await connecting?.catch(() => undefined);
    node?.close();
  }
}
