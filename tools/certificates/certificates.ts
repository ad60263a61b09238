import 'reflect-metadata';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { webcrypto } from 'node:crypto';
import path from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3_650;
const SERVICE_DAYS = 365;
/** A certificate that ends sooner is made anew. */
const RENEW_DAYS = 30;
/** Clocks of machines differ. */
const BACKDATED_MS = 300_000;
const SERIAL_BYTES = 16;

/** The PEM files of one service. */
export interface CertificateFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly key: webcrypto.CryptoKey;
}

/**
 * A certificate authority of one's own, and one certificate per service by which the services know each other (mutual TLS). What is there and still
 * good stays; keys are readable by their owner only.
 * @param names services' names; each certificate is for `spiffe://finality/<name>`, and for that host name, localhost and 127.0.0.1
 */
export async function ensureCertificates(
  directory: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, CertificateFiles>> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const ca = path.join(directory, 'ca.pem');
  const authority = await ensureAuthority(ca, path.join(directory, 'ca.key'));
  const made = new Map<string, CertificateFiles>();
  for (const name of names) {
    const files = { ca, certificate: path.join(directory, `${name}.pem`), key: path.join(directory, `${name}.key`) };
    if (!(await isGood(files, authority))) await issue(files, name, authority);
    made.set(name, files);
  }
  return made;
}

async function ensureAuthority(certificateFile: string, keyFile: string): Promise<Authority> {
  if (existsSync(certificateFile) && existsSync(keyFile)) {
    const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
    const key = await crypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
    const certificate = new x509.X509Certificate(readFileSync(certificateFile, 'utf8'));
    if (lastsLongEnough(certificate)) return { certificate, key };
  }
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: 'CN=Finality local authority',
    ...validFor(AUTHORITY_DAYS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  await writeKey(keyFile, keys.privateKey);
  write(certificateFile, `${certificate.toString('pem')}\n`, 0o644);
  return { certificate, key: keys.privateKey };
}

async function issue(files: CertificateFiles, name: string, authority: Authority): Promise<void> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${name}`,
    issuer: authority.certificate.subject,
    ...validFor(SERVICE_DAYS),
    signingKey: authority.key,
    publicKey: keys.publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([serverAuth, clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: `spiffe://finality/${name}` },
        { type: 'dns', value: name },
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
    ],
  });
  await writeKey(files.key, keys.privateKey);
  write(files.certificate, `${certificate.toString('pem')}\n`, 0o644);
}

async function isGood({ certificate, key }: CertificateFiles, authority: Authority): Promise<boolean> {
  if (!existsSync(certificate) || !existsSync(key)) return false;
  const parsed = new x509.X509Certificate(readFileSync(certificate, 'utf8'));
  return lastsLongEnough(parsed) && (await parsed.verify({ publicKey: authority.certificate.publicKey }));
}

const lastsLongEnough = ({ notAfter }: x509.X509Certificate): boolean =>
  notAfter.getTime() - Date.now() > RENEW_DAYS * DAY_MS;

function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATED_MS), notAfter: new Date(now + days * DAY_MS) };
}

/** Positive, as RFC 5280 section 4.1.2.2 wants it. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SERIAL_BYTES));
  bytes[0]! &= 0x7f;
  return Buffer.from(bytes).toString('hex');
}

async function writeKey(file: string, key: webcrypto.CryptoKey): Promise<void> {
  const der = await crypto.subtle.exportKey('pkcs8', key);
  write(file, `${x509.PemConverter.encode(der, 'PRIVATE KEY')}\n`, 0o600);
}

/** In one step: whoever reads it gets all of the old or all of the new. */
function write(file: string, text: string, mode: number): void {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text, { mode });
  chmodSync(partial, mode);
  renameSync(partial, file);
}
