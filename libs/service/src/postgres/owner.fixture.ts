import { silentLog } from '../logging/log.ts';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { startPostgres } from './launcher.ts';

// Started by launcher.int.spec.ts as a process of its own: makes a server, tells where, and waits to be killed or told to stop.
process.umask(0o077);
const dataDir = process.argv[2] ?? '';
try {
  const server = await startPostgres({ dataDir, durable: false, runtime: systemRuntime(), log: silentLog });
  process.send?.({ pid: server.pid, port: server.port });
  process.once('message', () => void server.stop().then(() => process.disconnect()));
} catch (error) {
  process.send?.({ error: String(error) });
}
