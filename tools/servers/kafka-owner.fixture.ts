import { startKafka } from './kafka.ts';

// Started by servers.int.spec.ts as a process of its own: starts a broker, tells which, and waits to be killed.
const kafka = await startKafka({ dataDir: process.argv[2]! });
process.stdout.write(`${kafka.pid}\n`);
await kafka.ended;
