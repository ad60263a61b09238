import { createHash } from 'node:crypto';

const KEPT_MAX = 400;

/** What happened, line by line: the last of it for people, all of it as a hash, so that two runs can be compared. */
export class Trace {
  readonly #hash = createHash('sha256');
  readonly #lines: string[] = [];
  #count = 0;

  add(line: string): void {
    this.#hash.update(`${line}\n`);
    this.#lines.push(`${String(this.#count).padStart(5)} ${line}`);
    this.#count += 1;
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
