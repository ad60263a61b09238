/**
 * For compose.yaml: makes an authority and a certificate per service, each in a folder (a volume) that only its service sees, and ends. What is there and
 * still good stays. `node docker/certificates.ts <directory>`: one folder in it per service, and `authority`.
 */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ensureCertificates } from '../tools/certificates/certificates.ts';

const AUTHORITY = 'authority';

const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: node docker/certificates.ts <directory>');
mkdirSync(path.join(directory, AUTHORITY), { recursive: true });
const services = readdirSync(directory).filter((name) => name !== AUTHORITY);
for (const [name, { ca, certificate, key }] of await ensureCertificates(path.join(directory, AUTHORITY), services)) {
  copyFileSync(ca, path.join(directory, name, 'ca.crt'));
  copyFileSync(certificate, path.join(directory, name, 'tls.crt'));
  copyFileSync(key, path.join(directory, name, 'tls.key'));
  process.stdout.write(`${name}: spiffe://finality/${name}\n`);
}
