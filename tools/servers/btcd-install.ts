import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';

export const BTCD_VERSION = 'v0.26.0';
const BTCD_MODULE = `github.com/btcsuite/btcd@${BTCD_VERSION}`;

/** Downloads and compiles about 30 modules: well under a minute on two cores. */
const INSTALL_MS_MAX = 10 * 60_000;
const OUTPUT_LINES_SHOWN = 15;

/** What a person has to do before a server can run; `exitCode` is the command's. */
export class ServerUnavailable extends Error {
  readonly exitCode = 2;
}

/** Where programs are kept that aren't npm packages: outside the tree, shared by all checkouts. */
export function programCache(): string {
  const base = process.env['XDG_CACHE_HOME'] || path.join(homedir(), '.cache');
  return path.join(base, 'finality', 'bin');
}

/**
 * The path of btcd, built with `go install` if it isn't in the cache yet. Throws {@link ServerUnavailable} without Go.
 * @param say gets a line when it takes a while
 */
export async function ensureBtcd(say: (line: string) => void): Promise<string> {
  const cache = programCache();
  const program = path.join(cache, `btcd-${BTCD_VERSION}`);
  if (existsSync(program)) return program;
  say(`Building btcd ${BTCD_VERSION} with Go, once; this takes about a minute …`);
  mkdirSync(cache, { recursive: true });
  // Moved into place in one step when it is complete: others may be building it or starting it right now.
  const building = mkdtempSync(path.join(cache, '.btcd-'));
  try {
    await goInstall(building);
    renameSync(path.join(building, 'btcd'), program);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return program;
}

function goInstall(directory: string): Promise<void> {
  const options = { env: { ...process.env, GOBIN: directory }, timeout: INSTALL_MS_MAX };
  return new Promise((resolve, reject) => {
    execFile('go', ['install', BTCD_MODULE], options, (error, _stdout, stderr) => {
      if (!error) resolve();
      else if (error.code === 'ENOENT') reject(new ServerUnavailable(GO_MISSING));
      else reject(new ServerUnavailable(`go install ${BTCD_MODULE} failed:\n${lastLines(stderr || error.message)}`));
    });
  });
}

const GO_MISSING =
  `btcd ${BTCD_VERSION} is built with Go 1.25 or later, and there is no go on the PATH. ` +
  'Get it from https://go.dev/dl/ or your package manager, then run this again.';

export const lastLines = (text: string): string => text.trimEnd().split('\n').slice(-OUTPUT_LINES_SHOWN).join('\n');
