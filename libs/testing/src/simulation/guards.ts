import type { Pool, PoolClient } from 'pg';
import { type EffectKind, type Life, SimulatedCrash, unavailable } from './life.ts';

/** One statement at a time over all services and sessions, in the order asked for: what comes first doesn't depend on the machine. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}

type Method = (...args: readonly unknown[]) => unknown;

/** A pool whose statements are effects of a life. What was under way when the life ended is rolled back by the server. */
export function guardedPool(pool: Pool, life: Life, turns: Turns): Pool {
  const statement = (target: object, method: Method, args: readonly unknown[], over = {}): Promise<unknown> =>
    life.effect('sql', nameOf(args[0]), () => turns.take(() => asPromise(method, target, args)), over);
  const guardedClient = (client: PoolClient): PoolClient => {
    const session = {};
    return new Proxy(client, {
      get: (target, name) =>
        name === 'query'
          ? (...args: readonly unknown[]) => statement(target, target.query as Method, args, session)
          : bound(target, name),
    });
  };
  const connect = async (): Promise<PoolClient> => {
    life.assertAlive();
    return guardedClient(await turns.take(() => pool.connect()));
  };
  return new Proxy(pool, {
    get: (target, name) => {
      if (name === 'query') return (...args: readonly unknown[]) => statement(target, target.query as Method, args);
      return name === 'connect' ? connect : bound(target, name);
    },
  });
}

/** Calls to another service: lost when either of the two dies on the way. `callee` is asked at every call, for it may have been made anew. */
export function guardedPort<Port extends object>(
  name: string,
  caller: Life,
  callee: () => { readonly life: Life; readonly port: Port },
): Port {
  const call = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    const { life, port } = callee();
    if (life.isOver) throw unavailable(`${name} is down`);
    try {
      return await asPromise(Reflect.get(port, method) as Method, port, args);
    } catch (error) {
      throw life.isOver ? unavailable(`${name} went down`) : error;
    }
  };
  return guarded('call', name, caller, call) as Port;
}

/** Calls to a Bitcoin node. */
export function guardedNode<Node extends object>(node: Node, life: Life): Node {
  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    asPromise(Reflect.get(node, method) as Method, node, args);
  return guarded('node', 'node', life, call, node) as Node;
}

function guarded(
  kind: EffectKind,
  name: string,
  life: Life,
  call: (method: string, args: readonly unknown[]) => Promise<unknown>,
  target: object = {},
): object {
  return new Proxy(target, {
    get: (object, property) => {
      // A port is no promise, whoever asks by awaiting it.
      if (typeof property !== 'string' || property === 'then') return undefined;
      const own: unknown = Reflect.get(object, property);
      if (property in object && typeof own !== 'function') return own;
      if (property === 'close') return () => undefined;
      return (...args: readonly unknown[]) => life.effect(kind, `${name}.${property}`, () => call(property, args));
    },
  });
}

/** Whether it comes from a fault that was injected, rather than from the code under test. */
export function isInjected(error: unknown): boolean {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof SimulatedCrash || at.name === 'LostConnection' || at.message.startsWith('14 UNAVAILABLE'))
      return true;
  }
  return false;
}

async function asPromise(method: Method, target: object, args: readonly unknown[]): Promise<unknown> {
  return Reflect.apply(method, target, args);
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}

/** `sql COMMIT`: the statement's first words, or its last where it is several. */
function nameOf(query: unknown): string {
  const text = typeof query === 'string' ? query : textOf(query);
  const statements = text.trim().split(/;\s*/);
  const last = statements.at(-1) ?? '';
  return `sql ${last.split(/\s+/).slice(0, 3).join(' ').slice(0, 40)}`;
}

function textOf(query: unknown): string {
  if (typeof query !== 'object' || query === null || !('text' in query)) return '?';
  return typeof query.text === 'string' ? query.text : '?';
}
