import type { Role, Runtime } from '@finality/kernel';
import { makeApiKey } from '@finality/service';
import type { FirstKey } from '@finality/settlement-app';
import { readJsonFile, replaceFile } from './data-dir.ts';

const SECRET_BYTES = 32;
const RPC_PASSWORD_BYTES = 16;

/** A person's API key, as made here for the first of their kind. */
export interface StaffKey {
  readonly keyId: string;
  readonly apiKey: string;
  /** Hex. */
  readonly secretSha256: string;
  readonly role: Role;
}

/** What is made once per data directory and kept in a file that only its owner can read. */
export interface Secrets {
  /** Behind the passwords of the database roles. */
  readonly database: string;
  /** Of the simulated node. */
  readonly bitcoinRpcPassword: string;
  readonly operator: StaffKey;
  /** Nothing that takes two could be done without. */
  readonly secondOperator: StaffKey;
  readonly compliance: StaffKey;
}

export async function readOrMakeSecrets(file: string, runtime: Runtime): Promise<Secrets> {
  const kept = (await readJsonFile(file)) as Secrets | undefined;
  if (kept !== undefined) return kept;
  const hex = (bytes: number): string => Buffer.from(runtime.randomBytes(bytes)).toString('hex');
  const made: Secrets = {
    database: hex(SECRET_BYTES),
    bitcoinRpcPassword: hex(RPC_PASSWORD_BYTES),
    operator: staffKey('operator', runtime),
    secondOperator: staffKey('operator', runtime),
    compliance: staffKey('compliance', runtime),
  };
  await replaceFile(file, `${JSON.stringify(made, undefined, 2)}\n`);
  return made;
}

/** Whose keys exist from the start: nobody can issue the first ones. */
export const firstKeysOf = ({ operator, secondOperator, compliance }: Secrets): readonly FirstKey[] =>
  Object.entries({ 'first operator': operator, 'second operator': secondOperator, 'first compliance': compliance }).map(
    ([label, { keyId, role, secretSha256 }]) => ({ keyId, roles: [role], label, secretSha256 }),
  );

function staffKey(role: Role, runtime: Runtime): StaffKey {
  const { keyId, apiKey, secretSha256 } = makeApiKey(runtime);
  return { keyId, apiKey, secretSha256: Buffer.from(secretSha256).toString('hex'), role };
}
