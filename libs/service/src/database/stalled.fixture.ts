import { silentLog } from '../logging/log.ts';
import { createPool, withTransaction } from './pool.ts';

// Started by database.int.spec.ts: takes a lock, says so, is stopped (SIGSTOP) while it holds it, and tries to commit when it goes on.
const pool = createPool(process.argv[2] ?? '', { applicationName: 'stalled', log: silentLog });
const outcome = await withTransaction(pool, async (client) => {
  await client.query('SELECT pg_advisory_xact_lock(1)');
  await client.query('INSERT INTO things (id, sats) VALUES (99, 1)');
  process.send?.('locked');
  await new Promise((resolve) => process.once('message', resolve));
}).then(
  () => 'committed',
  (error: unknown) => `failed: ${String(error)}`,
);
process.send?.(outcome);
await pool.end();
process.disconnect();
