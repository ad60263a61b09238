import { readFile } from 'node:fs/promises';
import { errorMessage, StartupError } from '@finality/service';
import { z } from 'zod';
import type { FirstKey } from './inbound/bootstrap.ts';

const KEYS = z.array(
  z.strictObject({
    keyId: z.string().min(1).max(64),
    roles: z.array(z.enum(['operator', 'compliance', 'auditor'])).min(1),
    label: z.string().max(100),
    secretSha256: z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in hex'),
  }),
);

/** @throws StartupError when the file can't be read or isn't such a list */
export async function readFirstKeys(file: string): Promise<readonly FirstKey[]> {
  try {
    return KEYS.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : errorMessage(error);
    const hint = 'It holds [{"keyId", "roles", "label", "secretSha256"}]';
    throw new StartupError('CONFIG_INVALID', `FIRST_KEYS_FILE: ${file}: ${problem}`, hint, { cause: error });
  }
}
