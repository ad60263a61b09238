import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { decodeJournal, encodeRecord, type Journal, JOURNAL_MAGIC, type JournalRecord } from './journal.ts';

const FILE_NAME = 'regtest.journal';

/**
 * A journal in one append-only file. Each record is handed to the operating system before the call returns, so it survives the death of
 * the process (kill -9); the machine's own is survived up to the last `close`.
 */
export class JournalFile implements Journal {
  /** What was in the file when it was opened. */
  readonly records: readonly JournalRecord[];
  readonly #descriptor: number;
  #length: number;

  private constructor(descriptor: number, records: readonly JournalRecord[], length: number) {
    this.#descriptor = descriptor;
    this.records = records;
    this.#length = length;
  }

  /** Opens or makes the journal in a directory. A last record that isn't whole is cut off. */
  static open(dataDir: string): JournalFile {
    mkdirSync(dataDir, { recursive: true });
    const descriptor = openSync(path.join(dataDir, FILE_NAME), 'a+', 0o600);
    const { records, wholeBytes } = decodeJournal(readFileSync(descriptor));
    ftruncateSync(descriptor, wholeBytes);
    const journal = new JournalFile(descriptor, records, wholeBytes);
    if (wholeBytes === 0) journal.#write(JOURNAL_MAGIC);
    return journal;
  }

  append(record: JournalRecord): void {
    this.#write(encodeRecord(record));
  }

  close(): void {
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }

  /** A write that fails half-way is taken back: no record follows a broken one. */
  #write(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.#descriptor, bytes, done);
      this.#length += bytes.length;
    } catch (error) {
      ftruncateSync(this.#descriptor, this.#length);
      throw error;
    }
  }
}
