import { createServer } from 'node:net';
import { errorCode, StartupError } from '@finality/service';
import { PORTS_DEFAULT, type PortVariable } from './config.ts';

export const HOST = '127.0.0.1';
const NEXT_MAX = 100;

export interface ChosenPort {
  readonly port: number;
  /** The default, when it was taken and another one was chosen. */
  readonly instead?: number;
}

/**
 * The port to listen on: the one asked for, or the default, or the next free one after the default.
 * @throws StartupError when the one asked for is taken
 */
export async function choosePort(variable: PortVariable, asked: number | undefined): Promise<ChosenPort> {
  if (asked === 0 || (asked !== undefined && (await isFree(asked)))) return { port: asked };
  if (asked !== undefined) {
    throw new StartupError(
      'PORT_TAKEN',
      `${variable}: port ${asked} on ${HOST} is taken by another program`,
      `Stop that program, or set ${variable} to another port (0 takes a free one)`,
    );
  }
  const first = PORTS_DEFAULT[variable];
  if (await isFree(first)) return { port: first };
  for (let port = first + 1; port <= first + NEXT_MAX; port++) if (await isFree(port)) return { port, instead: first };
  throw new StartupError(
    'PORT_TAKEN',
    `ports ${first} to ${first + NEXT_MAX} on ${HOST} are all taken`,
    `Set ${variable} to a free port (0 takes any)`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const code = errorCode(error);
      if (code === 'EADDRINUSE' || code === 'EACCES') resolve(false);
      else reject(error);
    });
    server.listen({ host: HOST, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
