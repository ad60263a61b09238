/**
 * An API key, made by whoever it is for: the file with it stays with them, and what is printed goes to the operators who issue it (ProposeChange with
 * issue_api_key). Needs nothing but Node; needs nothing of the platform.
 */
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';

const [file, ...others] = process.argv.slice(2);
if (file === undefined || file.startsWith('-') || others.length > 0) {
  process.stderr.write(
    'npm run key -- <file>    writes a new API key into the file, and prints what operators need to know of it\n',
  );
  process.exitCode = 64;
} else {
  const keyId = randomBytes(8).toString('hex');
  const secret = randomBytes(32).toString('base64url');
  // Never over another one.
  writeFileSync(file, `fin_${keyId}_${secret}\n`, { mode: 0o600, flag: 'wx' });
  const hash = createHash('sha256').update(secret).digest();
  const known = { key_id: keyId, secret_sha256: hash.toString('base64'), secret_sha256_hex: hash.toString('hex') };
  process.stdout.write(`${JSON.stringify(known, undefined, 2)}\n`);
}
