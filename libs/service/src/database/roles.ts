import { createHmac } from 'node:crypto';
import { assert } from '@finality/kernel';

/** A service's two roles: `owner` owns the schema and migrates it; `login` is what the service works with and owns nothing (DESIGN 3). */
export interface ServiceRoles {
  readonly owner: string;
  readonly login: string;
}

const NAME = /^[a-z][a-z0-9_]{0,39}$/;

/** Role names are known to the whole server, not to one database: a prefix of its own keeps a test's roles apart. */
export const ROLE_PREFIX = 'finality';

export function rolesOf(service: string, prefix = ROLE_PREFIX): ServiceRoles {
  const login = `${prefix}_${sqlName(service)}`;
  return { owner: `${login}_owner`, login };
}

/** The role that the `postgres` driver reads published messages with; each owner grants it SELECT on exactly that table. */
export function busRole(prefix = ROLE_PREFIX): string {
  return `${prefix}_bus`;
}

/** Service names have hyphens (`address-issuer`), SQL names underscores. */
export function sqlName(name: string): string {
  const converted = name.replaceAll('-', '_');
  assert(NAME.test(converted), `"${name}" can't name a role or schema: expected ${NAME}`);
  return converted;
}

/** One password per role from one secret, so that only one has to be kept: HMAC-SHA-256(secret, role), hex. */
export function derivePasswords(secret: string): (role: string) => string {
  assert(secret.length >= 32, 'the secret behind database passwords has at least 32 characters');
  return (role) => createHmac('sha256', secret).update(`postgres role ${role}`).digest('hex');
}
