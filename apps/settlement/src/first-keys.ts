import { readFile } from 'node:fs/promises';
import { errorMessage, StartupError } from '@finality/service';
import { z } from 'zod';
import type { FirstKey } from './inbound/bootstrap.ts';

/** Whatever makes an operator takes two of them. */
const OPERATORS_MIN = 2;

const KEYS = z.array(
  z.strictObject({
    keyId: z.string().min(1).max(64),
    roles: z.array(z.enum(['operator', 'compliance', 'auditor'])).min(1),
    label: z.string().max(100),
    secretSha256: z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in hex'),
  }),
);

const STARTING = KEYS.refine((keys) => {
  const operators = keys.filter(({ roles }) => roles.includes('operator'));
  return new Set(operators.map(({ keyId }) => keyId)).size >= OPERATORS_MIN;
}, `expected keys of ${OPERATORS_MIN} operators at least: what takes two couldn't be done otherwise`);

/** @throws StartupError when the file can't be read, isn't such a list, or has not two operators in it */
export async function readFirstKeys(file: string): Promise<readonly FirstKey[]> {
  try {
    return STARTING.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error);
    const hint = 'It holds [{"keyId", "roles", "label", "secretSha256"}]';
    throw new StartupError('CONFIG_INVALID', `FIRST_KEYS_FILE: ${file}: ${problem}`, hint, { cause: error });
  }
}
