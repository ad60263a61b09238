import { execFile } from 'node:child_process';
import { chown, readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import { StartupError } from '../startup-error.ts';

const run = promisify(execFile);
const PROBE_TIMEOUT_MS = 5_000;

/**
 * Postgres refuses to run as root and as a user without a name. `as-is`: we are somebody else anyway. `mapped`: in a user namespace in which
 * our id looks like an ordinary user's, so that whatever we may read (a repository under a 0700 directory) it may read too.
 * `switched`: where namespaces are forbidden (most containers), as another user that owns the data directory.
 */
export type Identity =
  | { readonly kind: 'as-is' }
  | { readonly kind: 'mapped'; readonly uid: number }
  | { readonly kind: 'switched'; readonly uid: number };

export async function chooseIdentity(): Promise<Identity> {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && hasName()) return { kind: 'as-is' };
  const uid = await ordinaryUid();
  const mapped: Identity = { kind: 'mapped', uid };
  const [command, args] = commandAs(mapped, 'true', []);
  const canMap = await run(command, args, { timeout: PROBE_TIMEOUT_MS }).then(
    () => true,
    () => false,
  );
  if (canMap) return mapped;
  if (isRoot) return { kind: 'switched', uid };
  throw new StartupError(
    'POSTGRES_USER',
    `Postgres can't run as user ${process.getuid?.()}, who has no entry in /etc/passwd, and user namespaces aren't allowed here`,
    'Run as a user with an entry, or set DATABASE_URL to a server of your own',
  );
}

/** The command line that runs a program with that identity. */
export function commandAs(identity: Identity, program: string, args: readonly string[]): [string, string[]] {
  if (identity.kind !== 'mapped') return [program, [...args]];
  return ['unshare', ['--user', `--map-user=${identity.uid}`, `--map-group=${identity.uid}`, program, ...args]];
}

/** The options of `spawn` for that identity. */
export function spawnAs(identity: Identity): { uid?: number; gid?: number } {
  return identity.kind === 'switched' ? { uid: identity.uid, gid: identity.uid } : {};
}

/** Gives a path to the user that Postgres runs as, where that is another one. */
export async function giveTo(identity: Identity, path: string): Promise<void> {
  if (identity.kind === 'switched') await chown(path, identity.uid, identity.uid);
}

function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

/** Somebody who isn't root and whom `getpwuid` knows: initdb asks for the name. */
async function ordinaryUid(): Promise<number> {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const uids = passwd.split('\n').map((line) => Number(line.split(':')[2]));
  return uids.find((uid) => uid === 1000) ?? uids.find((uid) => uid > 0) ?? 65_534;
}
