import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { systemRuntime } from '@finality/service';
import { readEnvironment } from '../config.ts';
import { openDataDirectory } from '../data-dir.ts';
import { openLog } from '../output.ts';
import { startPlatform } from '../platform.ts';
import type { Greeting } from './platform-process.fixture.ts';

/**
 * A process of its own, started by the crash suite: the platform on a data directory, as `npm start` runs it, but on free ports, without
 * the demonstration, and with a Postgres that doesn't flush: what is killed here is processes, not the machine. Its modules are loaded ahead
 * of time; it starts when told to, and ends with who made it.
 */
const dataDir = process.argv[2] ?? '';
// Otherwise that is done at the end of the process, which doesn't come.
flushCompileCache();
process.send?.('loaded');
await Promise.race([once(process, 'message'), once(process, 'disconnect').then(() => process.exit())]);

const runtime = systemRuntime();
const startedMs = runtime.monotonicMs();
const directory = await openDataDirectory(dataDir, { fresh: false, chain: 'simulator', runtime });
const { log, close } = openLog(directory.log, 'info', false);
const platform = await startPlatform({
  directory,
  config: readEnvironment({ ...process.env, FINALITY_DATA_DIR: dataDir }),
  ports: { grpc: 0, http: 0, bitcoinRpc: 0 },
  fresh: false,
  runtime,
  log,
  database: { durable: false },
});

async function end(): Promise<void> {
  await platform.stop();
  close();
  await directory.release();
  process.exit();
}
process.once('message', () => void end());
process.once('disconnect', () => void end());
if (!process.connected) await end();

process.send?.({
  grpc: `${platform.grpc.host}:${platform.grpc.port}`,
  bitcoinRpc: platform.chain.rpc,
  operatorKeys: [platform.secrets.operator.apiKey, platform.secrets.secondOperator.apiKey],
  startMs: Math.round(runtime.monotonicMs() - startedMs),
} satisfies Greeting);
