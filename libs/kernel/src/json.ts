import { assert } from './assert.ts';

const BIGINT_TAG = '$bigint';

/**
 * Canonical JSON for what is stored and hashed: keys sorted, no spaces, `bigint` as `{"$bigint":"123"}`, `undefined` members left out.
 * The same value always gives the same bytes. Refuses numbers that aren't safe integers or finite fractions, and everything JSON hasn't.
 */
export function encodeJson(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return `{"${BIGINT_TAG}":"${value}"}`;
    case 'string':
    case 'boolean':
      return JSON.stringify(value);
    case 'number':
      assert(
        Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value)),
        `${value} can't be stored as JSON`,
      );
      return JSON.stringify(value);
    case 'object':
      return value === null
        ? 'null'
        : Array.isArray(value)
          ? `[${value.map(encodeJson).join(',')}]`
          : encodeObject(value as Record<string, unknown>);
    default:
      throw new Error(`a ${typeof value} can't be stored as JSON`);
  }
}

/** The value that {@link encodeJson} was given. */
export function decodeJson(text: string): unknown {
  return JSON.parse(text, (_key, value: unknown) => (isTaggedBigint(value) ? BigInt(value[BIGINT_TAG]) : value));
}

function encodeObject(value: Record<string, unknown>): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  assert(prototype === Object.prototype || prototype === null, 'only plain objects can be stored as JSON');
  assert(!(BIGINT_TAG in value), `"${BIGINT_TAG}" is not a field name`);
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${encodeJson(value[key])}`);
  return `{${members.join(',')}}`;
}

function isTaggedBigint(value: unknown): value is { [BIGINT_TAG]: string } {
  return (
    typeof value === 'object' && value !== null && typeof (value as Record<string, unknown>)[BIGINT_TAG] === 'string'
  );
}
