/** Ends every `switch` on a union: a case nobody thought of is a bug, at compile time and at run time. */
export function assertNever(value: never, what = 'case'): never {
  throw new Error(`unknown ${what}: ${JSON.stringify(value)}`);
}

/** An invariant of ours. When it doesn't hold the program is wrong, not its input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${message}`);
}
