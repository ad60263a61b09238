import pg from 'pg';

/** As often a statement is asked as it comes before it is prepared: what comes once or twice isn't worth being kept. */
const USES_BEFORE = 5;
/** Texts that a session counts, so plans that it may keep. */
const TEXTS_MAX = 300;

/**
 * A session that has statements with parameters parsed and planned once when they come again and again: without that, both take longer than most of
 * our statements run. Those that have a name have been prepared from the first time on anyway.
 */
export class PreparingClient extends pg.Client {
  readonly #uses = new Map<string, { readonly name: string; count: number }>();

  /** The driver's types have a line for each way of asking; this is all of them. */
  override query(asked: string | object, ...rest: unknown[]): never {
    const ask = super.query.bind(this) as (asked: string | object, ...rest: unknown[]) => never;
    const name = this.#nameOf(asked, rest[0]);
    if (name === undefined) return ask(asked, ...rest);
    return ask({ ...(typeof asked === 'string' ? { text: asked } : asked), name }, ...rest);
  }

  /** Undefined: as it comes. */
  #nameOf(asked: string | object, given: unknown): string | undefined {
    const query: Partial<pg.QueryConfig & pg.Submittable> = typeof asked === 'string' ? { text: asked } : asked;
    const { text, values = given, name, submit } = query;
    if (text === undefined || name !== undefined || submit !== undefined) return undefined;
    if (!Array.isArray(values) || values.length === 0) return undefined;
    const known = this.#uses.get(text);
    if (known === undefined && this.#uses.size === TEXTS_MAX) return undefined;
    const uses = known ?? { name: `again-${this.#uses.size}`, count: 0 };
    if (known === undefined) this.#uses.set(text, uses);
    uses.count += 1;
    return uses.count > USES_BEFORE ? uses.name : undefined;
  }
}
