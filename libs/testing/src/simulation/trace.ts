import { createHash } from 'node:crypto';

const KEPT_MAX = 400;

/** What happened, line by line: the last of it for people, all of it as a hash, so that two runs can be compared. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #lines: string[] = [];
  #count = 0;

  /** `isIdle`: nothing came of it, so people needn't read it. */
  add(line: string, isIdle = false): void {
    this.#hash.update(`${line}\n`);
    this.#count += 1;
    if (isIdle) return;
    this.#lines.push(`${String(this.#count).padStart(5)} ${line}`);
    if (this.#lines.length > KEPT_MAX) this.#lines.shift();
  }

  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }

  /** SHA-256 over all lines so far. */
  digest(): string {
    return this.#hash.copy().digest('hex');
  }
}
