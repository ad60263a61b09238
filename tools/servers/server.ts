import path from 'node:path';
import { type DataOwner, endProcess, ownerOf, type ServerEnv } from './data-owner.ts';
import { ServerUnavailable } from './program.ts';

export type Say = (line: string) => void;

/** What is special about one kind of server. */
export interface ServerKind {
  readonly name: string;
  /** What `--help` says of it. */
  readonly about: string;
  /** Asks it to end, soon and in good order. */
  readonly endSignal: 'SIGTERM' | 'SIGINT';
  /**
   * Starts it and waits until it answers; says whose its data is from then on (`claimData`).
   * @returns what stops it
   */
  start(options: {
    readonly dataDir: string;
    readonly detached: boolean;
    readonly say: Say;
  }): Promise<() => Promise<void>>;
  /** What a server that answers has to say of itself (may be nothing), `undefined` when it doesn't answer. */
  ask(env: ServerEnv): Promise<string | undefined>;
}

export interface ServerStatus {
  readonly pid: number;
  /** How to reach it. */
  readonly env: ServerEnv;
  /** More about it, in words. */
  readonly note: string;
  /** The process without which it ends; absent when it is in the background. */
  readonly endsWith?: number;
}

/** A server that a program wants to have; see `ensureServer`. */
export interface EnsuredServer {
  readonly name: string;
  readonly pid: number;
  readonly env: ServerEnv;
  /** The process without which it ends: ours, if we started it. */
  readonly endsWith?: number;
  /** Otherwise it ran before, and goes on. */
  readonly startedByUs: boolean;
  /** Stops what we started; nothing else. */
  stop(): Promise<void>;
}

/** One server on one data directory. */
export class Server {
  readonly kind: ServerKind;
  readonly dataDir: string;

  constructor(kind: ServerKind, dataDir: string) {
    this.kind = kind;
    this.dataDir = path.resolve(dataDir);
  }

  /** @returns `undefined` when it isn't running, or doesn't answer */
  async status(): Promise<ServerStatus | undefined> {
    const owner = ownerOf(this.dataDir);
    if (owner?.is !== 'server') return undefined;
    const note = await this.kind.ask(owner.env);
    return note === undefined ? undefined : statusOf(owner, note);
  }

  /** Starts it in the background if it isn't running. @throws ServerUnavailable */
  async up(say: Say): Promise<ServerStatus> {
    const running = await this.status();
    if (running) return running;
    await this.kind.start({ dataDir: this.dataDir, detached: true, say });
    return this.#mustRun();
  }

  /** Stops it, whoever started it; its data stays. @returns false when it isn't running */
  async down(): Promise<boolean> {
    const owner = ownerOf(this.dataDir);
    if (!owner) return false;
    if (owner.is === 'starter') {
      throw new ServerUnavailable(
        'DATA_IN_USE',
        `it is being started by process ${owner.pid}: wait for that, or end it`,
      );
    }
    await endProcess(owner, this.kind.endSignal);
    return true;
  }

  /** Uses the one that runs, or starts one that ends with this process, however it ends. @throws ServerUnavailable */
  async ensure(say: Say): Promise<EnsuredServer> {
    const { name } = this.kind;
    const running = await this.status();
    if (running) return { name, ...running, startedByUs: false, stop: () => Promise.resolve() };
    const stop = await this.kind.start({ dataDir: this.dataDir, detached: false, say });
    return { name, ...(await this.#mustRun()), startedByUs: true, stop };
  }

  async #mustRun(): Promise<ServerStatus> {
    const status = await this.status();
    if (!status) throw new ServerUnavailable('NOT_STARTED', `it has ended again; its output is in ${this.dataDir}`);
    return status;
  }
}

function statusOf({ pid, env, endsWith }: DataOwner, note: string): ServerStatus {
  return { pid, env, note, ...(endsWith === undefined ? {} : { endsWith }) };
}
