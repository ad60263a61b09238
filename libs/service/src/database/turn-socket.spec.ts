import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, expect, it, type MockInstance, vi } from 'vitest';
import { TurnSocket } from './turn-socket.ts';

const server = createServer();
const socket = new TurnSocket();

afterEach(() => {
  socket.destroy();
  server.close();
});

/** As the driver writes a statement. */
function write(...parts: readonly string[]): void {
  socket.cork();
  for (const part of parts) socket.write(part);
  socket.uncork();
}

it('sends the statements of a turn together and in order, and those of the next turn after them', async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(socket, 'connect');
  const [peer] = await accepted;
  const pieces = vi.spyOn(socket, '_writev' as never) as unknown as MockInstance<(chunks: readonly unknown[]) => void>;
  const together = once(peer, 'data');
  write('parse ', 'bind; ');
  write('parse 2');
  write('.');
  expect(String((await together)[0])).toBe('parse bind; parse 2.');
  expect(pieces.mock.calls.map(([chunks]) => chunks.length)).toEqual([4]);
  const next = once(peer, 'data');
  write('commit');
  expect(String((await next)[0])).toBe('commit');
});
