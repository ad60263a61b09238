import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { lastLines, programCache, ServerUnavailable } from './program.ts';

export const BTCD_VERSION = 'v0.26.0';
const BTCD_MODULE = `github.com/btcsuite/btcd@${BTCD_VERSION}`;

/** Downloads and compiles about 30 modules: well under a minute on two cores. */
const INSTALL_MS_MAX = 10 * 60_000;

/**
 * The path of btcd, built with `go install` if it isn't in the cache yet. Throws {@link ServerUnavailable} `GO_MISSING`, `NOT_FETCHED`.
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
      else if (error.code === 'ENOENT') reject(new ServerUnavailable('GO_MISSING', GO_MISSING));
      else {
        const said = lastLines(stderr || error.message);
        reject(new ServerUnavailable('NOT_FETCHED', `go install ${BTCD_MODULE} failed:\n${said}`));
      }
    });
  });
}

const GO_MISSING =
  `btcd ${BTCD_VERSION} is built with Go 1.25 or later, and there is no go on the PATH. ` +
  'Get it from https://go.dev/dl/ or your package manager, then run this again.';
