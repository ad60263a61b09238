import { readJsonFile, replaceFile } from '../data-dir.ts';

/** What the scenario couldn't find out again after a crash: secrets that nobody else has, and a payment that mustn't be made twice. */
export interface DemoState {
  /** By institution. */
  readonly apiKeys: Readonly<Record<string, string>>;
  /** The signed transaction that pays all deposits, hex: sent again rather than made again. */
  readonly funding?: string;
  /** The deposits were credited: what is available from now on also depends on what was settled. */
  readonly isFunded?: boolean;
  readonly isDone?: boolean;
}

/** Kept in a file that only its owner can read, from the first secret on. */
export class DemoFile {
  readonly #file: string;
  #state: DemoState;

  private constructor(file: string, state: DemoState) {
    this.#file = file;
    this.#state = state;
  }

  static async open(file: string): Promise<DemoFile> {
    return new DemoFile(file, ((await readJsonFile(file)) as DemoState | undefined) ?? { apiKeys: {} });
  }

  get state(): DemoState {
    return this.#state;
  }

  async save(state: DemoState): Promise<void> {
    await replaceFile(this.#file, `${JSON.stringify(state, undefined, 2)}\n`);
    this.#state = state;
  }
}
