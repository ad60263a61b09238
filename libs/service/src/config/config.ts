import { z } from 'zod';
import { StartupError } from '../startup-error.ts';

/** An object schema whose keys are environment variables. */
export type ConfigSchema = z.ZodObject<Record<string, z.ZodType>>;

export interface ConfigProblem {
  readonly variable: string;
  readonly expected: string;
  /** As it was found, unless it is a secret. */
  readonly found: string;
}

const FOUND_LENGTH_MAX = 80;

/** Every setting has a text for those who run the service (`.describe`); one that hasn't is a bug. */
export function defineConfig<Shape extends Record<string, z.ZodType>>(shape: Shape): z.ZodObject<Shape> {
  for (const [name, schema] of Object.entries(shape)) {
    if (!schema.description) throw new Error(`setting ${name} has no description`);
  }
  return z.object(shape);
}

/**
 * Reads and checks the environment once, at start. An empty variable counts as unset.
 * @throws StartupError that names every wrong variable, what was expected and what was found
 */
export function readConfig<Schema extends ConfigSchema>(
  env: Readonly<Record<string, string | undefined>>,
  schema: Schema,
): z.output<Schema> {
  const given = Object.fromEntries(
    Object.keys(schema.shape).map((name) => [name, env[name] === '' ? undefined : env[name]]),
  );
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => problemOf(issue, given, schema));
  throw new StartupError(
    'CONFIG_INVALID',
    problems.map(({ variable, expected, found }) => `${variable}: expected ${expected}, found ${found}`).join('; '),
    problems.length === 1 ? 'Correct it and start again' : 'Correct them and start again',
  );
}

/** One line per setting: name, description, default. */
export function configHelp(schema: ConfigSchema): string {
  const names = Object.keys(schema.shape);
  const width = Math.max(...names.map((name) => name.length));
  return names
    .map((name) => `${name.padEnd(width)}  ${schema.shape[name]?.description ?? ''}${defaultOf(schema.shape[name])}`)
    .join('\n');
}

function problemOf(
  issue: z.core.$ZodIssue,
  given: Readonly<Record<string, string | undefined>>,
  schema: ConfigSchema,
): ConfigProblem {
  const variable = String(issue.path[0] ?? 'the environment');
  const value = given[variable];
  const setting = schema.shape[variable];
  const expected =
    issue.code === 'invalid_type' && value === undefined ? (setting?.description ?? 'a value') : issue.message;
  return {
    variable,
    expected,
    found: value === undefined ? 'nothing' : isSecret(setting) ? 'another value (secret)' : shown(value),
  };
}

function shown(value: string): string {
  return JSON.stringify(value.length > FOUND_LENGTH_MAX ? `${value.slice(0, FOUND_LENGTH_MAX)}…` : value);
}

function defaultOf(schema: z.ZodType | undefined): string {
  if (schema === undefined) return '';
  const fallback = schema.safeParse(undefined);
  if (!fallback.success) return ' (required)';
  return fallback.data === undefined || isSecret(schema) ? '' : ` (default: ${String(fallback.data)})`;
}

function isSecret(schema: z.ZodType | undefined): boolean {
  return schema?.meta()?.['secret'] === true;
}

/** What settings are made of: each takes the text of a variable. Add `.default(…)` or `.optional()`, then `.describe(…)` last. */
export const setting = {
  text: (maxLength = 1_000) => z.string().trim().min(1, 'a text').max(maxLength, `at most ${maxLength} characters`),

  integer: (min: number, max: number) => {
    const expected = `an integer from ${min} to ${max}`;
    return textAs(/^-?\d{1,15}$/, expected, Number).refine((value) => value >= min && value <= max, expected);
  },

  /** A TCP port to listen on; 0 takes a free one. */
  port: () =>
    textAs(/^\d{1,5}$/, 'a port from 0 to 65535', Number).refine((value) => value <= 65_535, 'a port from 0 to 65535'),

  /** An amount of satoshi. */
  sats: (min: bigint, max: bigint) => {
    const expected = `an amount from ${min} to ${max} sat`;
    return textAs(/^\d{1,16}$/, expected, BigInt).refine((value) => value >= min && value <= max, expected);
  },

  flag: () => textAs(/^(true|false|1|0)$/, 'true or false', (text) => text === 'true' || text === '1'),

  oneOf: <const Values extends readonly [string, ...string[]]>(...values: Values) =>
    z.enum(values, `one of ${values.join(', ')}`),

  /** With one of these schemes: `url('http', 'https')`. */
  url: (...schemes: readonly string[]) => {
    const expected = `a URL starting with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}`;
    return z
      .string()
      .refine((text) => URL.canParse(text) && schemes.includes(new URL(text).protocol.slice(0, -1)), expected);
  },

  /** Masked in messages. Call it last: `setting.secret(setting.text().describe('…'))`. */
  secret: <Schema extends z.ZodType>(schema: Schema): Schema => schema.meta({ ...schema.meta(), secret: true }),
} as const;

function textAs<T>(pattern: RegExp, expected: string, convert: (text: string) => T) {
  return z.string().regex(pattern, { error: expected, abort: true }).transform(convert);
}
