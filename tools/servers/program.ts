import { homedir } from 'node:os';
import path from 'node:path';

const OUTPUT_LINES_SHOWN = 15;

/**
 * `GO_MISSING`, `JAVA_MISSING`, `JAVA_TOO_OLD`: a program of yours that we build on. `NOT_FETCHED`: neither cached nor to be had from the
 * network. `PORT_TAKEN`: the port that was asked for. `DATA_IN_USE`: another process works on the same data. `NOT_STARTED`: its output says why.
 * `NOT_STOPPED`: it survived a kill.
 */
export type UnavailableReason =
  | 'GO_MISSING'
  | 'JAVA_MISSING'
  | 'JAVA_TOO_OLD'
  | 'NOT_FETCHED'
  | 'PORT_TAKEN'
  | 'DATA_IN_USE'
  | 'NOT_STARTED'
  | 'NOT_STOPPED';

/** What a person has to do before a server can run; `exitCode` is the command's. */
export class ServerUnavailable extends Error {
  readonly exitCode = 2;
  readonly reason: UnavailableReason;

  constructor(reason: UnavailableReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Where programs are kept that aren't npm packages: outside the tree, shared by all checkouts. */
export function programCache(): string {
  const base = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache');
  return path.join(base, 'finality', 'bin');
}

export const lastLines = (text: string): string => text.trimEnd().split('\n').slice(-OUTPUT_LINES_SHOWN).join('\n');
