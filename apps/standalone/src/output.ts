import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';
import { createLogger, type Log, type LogLevel } from '@finality/service';

const LOG_BYTES_MAX = 16 * 1024 * 1024;

/** Emphasis for people; plain where nobody sees colours. */
export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  green(text: string): string;
  red(text: string): string;
}

export function paintFor(hasColour: boolean): Paint {
  const code =
    (start: number, end: number) =>
    (text: string): string =>
      hasColour && text !== '' ? `\u001b[${start}m${text}\u001b[${end}m` : text;
  return { bold: code(1, 22), dim: code(2, 22), green: code(32, 39), red: code(31, 39) };
}

export interface OpenLog {
  readonly log: Log;
  close(): void;
}

/** The log goes to a file, whose predecessor is kept once, and to stderr too for those who want to see it there. */
export function openLog(file: string, level: Exclude<LogLevel, 'silent'>, onStderr: boolean): OpenLog {
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX) renameSync(file, `${file}.1`);
  const descriptor = openSync(file, 'a', 0o600);
  let isOpen = true;
  const write = (line: string): void => {
    if (isOpen) writeSync(descriptor, line);
  };
  const inFile = createLogger({ level, destination: { write }, pretty: false });
  const log = onStderr ? both(inFile, createLogger({ level })) : inFile;
  const close = (): void => {
    isOpen = false;
    closeSync(descriptor);
  };
  return { log, close };
}

function both(one: Log, other: Log): Log {
  return {
    debug: (fields, message) => [one, other].forEach((log) => log.debug(fields, message)),
    info: (fields, message) => [one, other].forEach((log) => log.info(fields, message)),
    warn: (fields, message) => [one, other].forEach((log) => log.warn(fields, message)),
    error: (fields, message) => [one, other].forEach((log) => log.error(fields, message)),
    child: (fields) => both(one.child(fields), other.child(fields)),
  };
}
