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
      return encodeString(value);
    case 'boolean':
      return value ? 'true' : 'false';
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

/** All that `JSON.stringify` leaves as it is, but for pairs of surrogates: not quotes, backslashes, control characters and lone surrogates. */
const ESCAPED = /[^ !#-[\]-\ud7ff\ue000-\uffff]/;

const encodeString = (text: string): string => (ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`);

/** Names of members are few, and the same over and over. */
const names = new Map<string, string>();
const NAMES_MAX = 2_000;

function encodeName(name: string): string {
  const known = names.get(name);
  if (known !== undefined) return known;
  const encoded = encodeString(name);
  if (names.size < NAMES_MAX) names.set(name, encoded);
  return encoded;
}

/** The value that {@link encodeJson} was given. */
export function decodeJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // A reviver would be called for every member of everything: this is read far more often than it holds a bigint.
  return text.includes(`"${BIGINT_TAG}"`) ? withBigints(value) : value;
}

function encodeObject(value: Record<string, unknown>): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  assert(prototype === Object.prototype || prototype === null, 'only plain objects can be stored as JSON');
  assert(!(BIGINT_TAG in value), `"${BIGINT_TAG}" is not a field name`);
  let members = '';
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member === undefined) continue;
    members += `${members === '' ? '' : ','}${encodeName(key)}:${encodeJson(member)}`;
  }
  return `{${members}}`;
}

/** Puts bigints where their tags are, in place. */
function withBigints(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isTaggedBigint(value)) return BigInt(value[BIGINT_TAG]);
  const members = value as Record<string, unknown>;
  for (const key of Object.keys(members)) {
    const member = members[key];
    const restored = withBigints(member);
    // Defined, not assigned: a member may be named `__proto__`.
    if (restored !== member) {
      Object.defineProperty(members, key, { value: restored, writable: true, enumerable: true, configurable: true });
    }
  }
  return value;
}

function isTaggedBigint(value: object): value is { [BIGINT_TAG]: string } {
  return typeof (value as Record<string, unknown>)[BIGINT_TAG] === 'string';
}
