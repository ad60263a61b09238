import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HealthRegistry, systemRuntime } from '@finality/service';
import { afterEach, describe, expect, it } from 'vitest';
import { HOST } from '../ports.ts';
import type { Place } from './fleet.ts';
import { ProcessView } from './process-view.ts';

const runtime = systemRuntime();

/** One process of settlement as others see it: what its registry reports, over HTTP. */
class Process {
  isWell = true;
  writes = false;
  #server: Server | undefined;
  #port = 0;

  async come(): Promise<void> {
    this.#server = createServer((_request, response) => void this.#report().then((text) => response.end(text)));
    await new Promise<void>((resolve) => this.#server!.listen(this.#port, HOST, resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async go(): Promise<void> {
    this.#server?.closeAllConnections();
    await new Promise((resolve) => (this.#server ? this.#server.close(resolve) : resolve(undefined)));
    this.#server = undefined;
  }

  place(instance: string): Place {
    return { service: 'settlement', instance, ports: { grpc: 0, internal: 0, http: this.#port } };
  }

  async #report(): Promise<string> {
    const registry = new HealthRegistry(runtime);
    registry.register('settlement/node', () => ({ ok: this.isWell }));
    registry.standBy(() => !this.writes);
    return JSON.stringify(await registry.report());
  }
}

describe('the view of the processes', () => {
  const [first, second] = [new Process(), new Process()];
  const seen = async (): Promise<readonly (string | undefined)[]> => {
    await view.step();
    return [view.writer('settlement')?.instance, view.backend('settlement').instance];
  };
  let view: ProcessView;

  afterEach(async () => {
    await Promise.all([first.go(), second.go()]);
  });

  async function start(): Promise<void> {
    await Promise.all([first.come(), second.come()]);
    view = new ProcessView({ places: [first.place('first'), second.place('second')], runtime });
  }

  it('knows no writer while the one that wrote is gone and the other still stands by', async () => {
    second.writes = true;
    await start();
    expect(await seen()).toEqual(['second', 'second']);
    await second.go();
    expect(await seen()).toEqual([undefined, 'first']);
    first.writes = true;
    expect(await seen()).toEqual(['first', 'first']);
  });

  it('takes the one that is well where two say that they write, and an unwell one before a standby', async () => {
    [first.writes, second.writes] = [true, true];
    first.isWell = false;
    await start();
    expect(await seen()).toEqual(['second', 'second']);
    second.writes = false;
    expect(await seen()).toEqual(['first', 'first']);
    expect(await view.check('settlement')).toEqual({
      ok: false,
      detail: { first: 'not_ready: settlement/node', second: 'standby' },
    });
  });
});
