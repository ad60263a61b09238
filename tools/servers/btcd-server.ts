import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MINER_WORD, RegtestWallet } from '@finality/chain-simulator';
import { askBtcd, type BtcdOptions, startBtcd } from './btcd.ts';
import { ServerUnavailable } from './program.ts';
import type { Server } from './server.ts';

/** As in btcd's own defaults for regtest. */
export const BTCD_PORTS: Pick<BtcdOptions, 'port' | 'peerPort'> = { port: 18_334, peerPort: 18_444 };
const STOP_MS_MAX = 15_000;
const STOP_POLL_MS = 100;

/** How to reach a btcd that was started before, kept beside its data (mode 0600). */
interface Running {
  readonly pid: number;
  readonly url: string;
  readonly user: string;
  readonly password: string;
}

/** btcd on regtest in the background. Its blocks pay the key that `RegtestWallet(MINER_WORD)` has. */
export function btcdServer(dataDir: string, ports = BTCD_PORTS): Server {
  const file = path.join(dataDir, 'server.json');
  const running = (): Running | undefined =>
    existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Running) : undefined;

  const describe = async (): Promise<string | undefined> => {
    const known = running();
    const height = known && (await askBtcd(known, 'getblockcount'));
    if (!known || height === undefined) return undefined;
    const { user, password, pid } = known;
    const url = known.url.replace('://', `://${user}:${password}@`);
    return `runs as process ${pid}, at height ${String(height)}; for npm start: BITCOIN_RPC_URL=${url}`;
  };

  return {
    async up(say) {
      const already = await describe();
      if (already !== undefined) return already;
      mkdirSync(dataDir, { recursive: true });
      const miningAddress = new RegtestWallet(MINER_WORD).address;
      const password = running()?.password ?? randomBytes(16).toString('hex');
      const btcd = await startBtcd({
        dataDir,
        miningAddress,
        ...ports,

        password,
        detached: true,
        say,
      });
      const { pid, url, user } = btcd;
      writeFileSync(file, `${JSON.stringify({ pid, url, user, password } satisfies Running)}\n`, { mode: 0o600 });
      return (await describe()) ?? `started as process ${pid}`;
    },
    async down() {
      const known = running();
      // Asked by RPC, not by signal: a process id may by now belong to somebody else.
      if (!known || (await askBtcd(known, 'stop')) === undefined) return 'is not running';
      const deadline = performance.now() + STOP_MS_MAX;
      while (isAlive(known.pid)) {
        if (performance.now() > deadline)
          throw new ServerUnavailable('NOT_STOPPED', `process ${known.pid} doesn't end`);
        await sleep(STOP_POLL_MS);
      }
      rmSync(file);
      return 'stopped';
    },
    async status() {
      return (await describe()) ?? 'is not running';
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
