import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { ServerUnavailable } from './program.ts';

const HOST = '127.0.0.1';
/**
 * Below the range from which systems take the ports of outgoing connections (Linux from 32768, others from 49152): while a server that is to
 * come back is down, none of its clients' attempts to reconnect can sit on its port.
 */
const FREE_PORT_MIN = 20_000;
const FREE_PORT_MAX = 32_000;
const ATTEMPTS_MAX = 100;

/** Any port on loopback that nobody listens on, outside the ephemeral range. */
export async function freePort(): Promise<number> {
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const port = randomInt(FREE_PORT_MIN, FREE_PORT_MAX);
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port between ${FREE_PORT_MIN} and ${FREE_PORT_MAX} in ${ATTEMPTS_MAX} attempts`);
}

/** Whether a server of ours could listen on it. */
export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}

/** This one if it is free, else any other. */
export async function firstFreePort(preferred: number): Promise<number> {
  return (await isPortFree(preferred)) ? preferred : freePort();
}

/** @throws ServerUnavailable `PORT_TAKEN` */
export async function requireFreePort(port: number, server: string): Promise<void> {
  if (await isPortFree(port)) return;
  throw new ServerUnavailable(
    'PORT_TAKEN',
    `port ${port} on ${HOST}, wanted for ${server}, is taken by another program: stop that program, or choose another port`,
  );
}
