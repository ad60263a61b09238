import { Metadata, status } from '@grpc/grpc-js';

/** The process ends here: nothing that it does afterwards has any effect. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';
}

/** A session of the database is gone; whether the statement under way was carried out isn't known. The process goes on. */
export class LostConnection extends Error {
  override readonly name = 'LostConnection';
}

/**
 * What goes wrong in a life: `crash` ends it at an effect of any kind, `disconnect` loses the database session at a statement,
 * `lost_answer` leaves a call to another service without an answer.
 */
export type Fault = {
  readonly kind: 'crash' | 'disconnect' | 'lost_answer';
  /** How many effects of that kind come through before it strikes. */
  readonly after: number;
  /** Before the effect, or once it has happened. */
  readonly when: 'before' | 'after';
};

/** A crash that waits over any number of steps for its effect. */
export interface Doom {
  /** Of the effects that are counted, how many come through before the one after which the life ends. */
  readonly after: number;
  /** Which effects count, by name; a place in the code as `point …`. */
  readonly counts: (name: string) => boolean;
  /** Told once, at the end of the life, after which effect. */
  readonly struck: (name: string) => void;
}

export type EffectKind = 'sql' | 'call' | 'node' | 'point';

const STRIKES: Readonly<Record<Fault['kind'], readonly EffectKind[]>> = {
  crash: ['sql', 'call', 'node', 'point'],
  disconnect: ['sql'],
  lost_answer: ['call'],
};

/** One life of a service, from its start to a crash. Everything that it does to the outside goes through `effect`. */
export class Life {
  readonly service: string;
  readonly number: number;
  #death: SimulatedCrash | undefined;
  #fault: { readonly plan: Fault; left: number } | undefined;
  #struck: string | undefined;
  #doom: { readonly plan: Doom; left: number } | undefined;
  #effects = 0;

  constructor(service: string, number: number) {
    this.service = service;
    this.number = number;
  }

  get isOver(): boolean {
    return this.#death !== undefined;
  }

  /** Where a fault struck since it was armed. */
  get struck(): string | undefined {
    return this.#struck;
  }

  /** Effects since its start. */
  get effects(): number {
    return this.#effects;
  }

  arm(plan: Fault | undefined): void {
    this.#struck = undefined;
    this.#fault = plan && { plan, left: plan.after };
  }

  /** Until it strikes, or another takes its place. */
  doom(plan: Doom | undefined): void {
    this.#doom = plan && { plan, left: plan.after };
  }

  end(why: string): void {
    this.#death ??= new SimulatedCrash(`${this.service} crashed ${why}`);
  }

  /** Throws when the life is over. */
  assertAlive(): void {
    if (this.#death) throw this.#death;
  }

  /** A place in the code between two effects (ServiceEnv.faults). */
  point(name: string): void {
    this.assertAlive();
    this.#effects += 1;
    const fault = this.#due('point');
    if (fault) this.#strike(fault, name);
    this.#meetDoom(`point ${name}`);
  }

  /** @param over the session that it is sent over: once that is lost, nothing that is sent later arrives, however early it was sent */
  async effect<T>(kind: EffectKind, name: string, run: () => Promise<T>, over: { isLost?: boolean } = {}): Promise<T> {
    this.assertAlive();
    if (over.isLost) throw new LostConnection(`Connection terminated before ${name}`);
    this.#effects += 1;
    const fault = this.#due(kind);
    over.isLost = fault?.kind === 'disconnect';
    if (fault?.when === 'before') this.#strike(fault, name);
    const result = await run();
    this.assertAlive();
    if (fault?.when === 'after') this.#strike(fault, name);
    this.#meetDoom(name);
    return result;
  }

  #meetDoom(name: string): void {
    const doom = this.#doom;
    if (!doom?.plan.counts(name)) return;
    if (doom.left > 0) {
      doom.left -= 1;
      return;
    }
    this.#doom = undefined;
    doom.plan.struck(name);
    this.end(`after ${name}`);
    this.assertAlive();
  }

  #due(kind: EffectKind): Fault | undefined {
    const fault = this.#fault;
    if (!fault || !STRIKES[fault.plan.kind].includes(kind)) return undefined;
    if (fault.left > 0) {
      fault.left -= 1;
      return undefined;
    }
    this.#fault = undefined;
    return fault.plan;
  }

  #strike({ kind, when }: Fault, name: string): never {
    this.#struck = `${kind} ${when} ${name}`;
    switch (kind) {
      case 'crash':
        this.end(`${when} ${name}`);
        this.assertAlive();
        throw new Error('a life that has ended throws');
      case 'disconnect':
        throw new LostConnection(`Connection terminated ${when} ${name}`);
      case 'lost_answer':
        throw unavailable(`no answer to ${name}`);
    }
  }
}

/** What a gRPC client gives when the connection fails. */
export function unavailable(details: string): Error {
  const error = new Error(`14 UNAVAILABLE: ${details}`);
  return Object.assign(error, { code: status.UNAVAILABLE, details, metadata: new Metadata() });
}
