import { execFile } from 'node:child_process';
import path from 'node:path';
import { ServerUnavailable } from './program.ts';

const ASK_MS_MAX = 30_000;
const HOW_TO_GET_IT =
  'Get it from your package manager (Debian and Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk) ' +
  'or from https://adoptium.net, put it on the PATH or set JAVA_HOME, then run this again.';

/**
 * The java of JAVA_HOME, else of the PATH.
 * @param needed what needs it, for the message
 * @throws ServerUnavailable `JAVA_MISSING`, `JAVA_TOO_OLD`
 */
export async function findJava(needed: string, versionMin: number): Promise<string> {
  const home = process.env['JAVA_HOME'];
  const java = home ? path.join(home, 'bin', 'java') : 'java';
  const said = await askVersion(java);
  const version = said === undefined ? undefined : javaVersion(said);
  const need = `${needed} runs on Java ${versionMin} or later`;
  if (version === undefined) {
    const where = home ? `JAVA_HOME (${home}) has no java that works` : 'there is no java on the PATH';
    throw new ServerUnavailable('JAVA_MISSING', `${need}, and ${where}. ${HOW_TO_GET_IT}`);
  }
  if (version < versionMin) {
    throw new ServerUnavailable('JAVA_TOO_OLD', `${need}; ${java} is Java ${version}. ${HOW_TO_GET_IT}`);
  }
  return java;
}

/** `17` of `openjdk version "17.0.15" 2025-04-15`, `8` of `java version "1.8.0_402"`. */
export function javaVersion(said: string): number | undefined {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(said) ?? [];
  if (first === undefined) return undefined;
  return Number(first === '1' && second !== undefined ? second : first);
}

/** What `java -version` says, `undefined` when it can't be run (macOS has a java that only says how to get one). */
function askVersion(java: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(java, ['-version'], { timeout: ASK_MS_MAX }, (error, stdout, stderr) =>
      resolve(error ? undefined : stdout + stderr),
    );
  });
}
