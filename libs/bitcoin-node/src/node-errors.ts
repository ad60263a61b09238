/**
 * Why a node gave no answer. What a node *says* about a transaction or a block is a value (`BroadcastAnswer`, `undefined` for what it
 * doesn't know); that it can't be asked is thrown, since nearly every caller is a worker step whose one answer is to wait and step again.
 */
export abstract class NodeError extends Error {
  abstract readonly kind: 'unreachable' | 'timeout' | 'unauthorized' | 'rpc' | 'malformed' | 'wrong_network';
  /** Whether the same call can succeed later without anybody changing the configuration. */
  abstract readonly retryable: boolean;
}

/** No connection, or it broke before the answer was complete: whether the node carried out the call isn't known. */
export class NodeUnreachable extends NodeError {
  readonly kind = 'unreachable';
  readonly retryable = true;

  constructor(url: string, cause: string) {
    super(`Bitcoin node at ${url} can't be reached: ${cause}`);
    this.name = 'NodeUnreachable';
  }
}

/** No complete answer within the call's time: whether the node carried out the call isn't known. */
export class NodeTimeout extends NodeError {
  readonly kind = 'timeout';
  readonly retryable = true;
  readonly timeoutMs: number;

  constructor(method: string, timeoutMs: number) {
    super(`Bitcoin node didn't answer ${method} within ${timeoutMs} ms`);
    this.name = 'NodeTimeout';
    this.timeoutMs = timeoutMs;
  }
}

/** The node refuses our user name and password. */
export class NodeUnauthorized extends NodeError {
  readonly kind = 'unauthorized';
  readonly retryable = false;

  constructor(url: string) {
    super(`Bitcoin node at ${url} refuses the RPC user or password`);
    this.name = 'NodeUnauthorized';
  }
}

/** Bitcoin Core's -28: still starting, ask again. */
const RPC_IN_WARMUP = -28;

/** The node carried out the call and answered with an error. `code` is Bitcoin Core's RPCErrorCode (`rpc/protocol.h`), which btcd follows. */
export class NodeRpcError extends NodeError {
  readonly kind = 'rpc';
  readonly retryable: boolean;
  readonly method: string;
  readonly code: number;
  readonly rpcMessage: string;

  constructor(method: string, code: number, rpcMessage: string) {
    super(`Bitcoin node refused ${method}: ${rpcMessage} (${code})`);
    this.name = 'NodeRpcError';
    this.method = method;
    this.code = code;
    this.rpcMessage = rpcMessage;
    this.retryable = code === RPC_IN_WARMUP;
  }
}

/** What answered isn't a Bitcoin node that we know, or its answer isn't what it should be. */
export class NodeAnswerMalformed extends NodeError {
  readonly kind = 'malformed';
  readonly retryable = false;

  constructor(method: string, expected: string, found: string) {
    super(`Bitcoin node answered ${method} with ${found}, expected ${expected}`);
    this.name = 'NodeAnswerMalformed';
  }
}

/** The node follows another chain than the one configured (its genesis block says so). */
export class WrongNetwork extends NodeError {
  readonly kind = 'wrong_network';
  readonly retryable = false;
  readonly genesisHash: string;

  constructor(expected: string, genesisHash: string) {
    super(`Bitcoin node is not on ${expected}: its genesis block is ${genesisHash}`);
    this.name = 'WrongNetwork';
    this.genesisHash = genesisHash;
  }
}
