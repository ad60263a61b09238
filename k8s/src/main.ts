import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureCertificates } from '@finality/tools/certificates/certificates.ts';
import { stringify } from 'yaml';
import { deployment } from './deploy.ts';
import { local } from './environments/local.ts';
import { type CertificateTexts, composeEnv, makeSecrets, secretManifests } from './secrets.ts';
import { SERVICES } from './services.ts';

const USAGE = `npm run k8s                        writes manifests, the Helm chart, alerts and the dashboard to deploy/, from k8s/
npm run k8s -- --check             fails when what is committed isn't what would be written
npm run k8s -- --secrets compose   random secrets for docker/compose.yaml, into docker/.env; what is there stays
npm run k8s -- --secrets local     random Secrets for deploy/manifests/local, to standard output: | kubectl apply -f -
`;
const EXIT_USAGE = 64;
/** Below deploy/; what else is there is written by hand. */
const GENERATED = ['deploy/manifests', 'deploy/helm', 'deploy/monitoring'];

const root = path.resolve(import.meta.dirname, '../..');

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  switch (args.join(' ')) {
    case '':
      return write();
    case '--check':
      return check();
    case '--secrets compose':
      return writeComposeSecrets();
    case '--secrets local':
      return printLocalSecrets();
    default:
      process.stderr.write(USAGE);
      return args.includes('--help') ? 0 : EXIT_USAGE;
  }
}

/** What is committed but wouldn't be written like that, and what would be written but isn't there. */
function staleFiles(files: ReadonlyMap<string, string>): readonly string[] {
  const leftOver = GENERATED.flatMap(filesBelow).filter((file) => !files.has(file));
  return [...[...files.keys()].filter((file) => read(file) !== files.get(file)), ...leftOver].sort();
}

function check(): number {
  const stale = staleFiles(deployment());
  for (const file of stale) process.stdout.write(`${file} isn't what 'npm run k8s' makes\n`);
  return stale.length === 0 ? 0 : 1;
}

function write(): number {
  const files = deployment();
  for (const file of staleFiles(files)) {
    const target = path.join(root, file);
    const text = files.get(file);
    if (text === undefined) rmSync(target);
    else {
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    process.stdout.write(`${file}\n`);
  }
  return 0;
}

function writeComposeSecrets(): number {
  const env = path.join(root, 'docker/.env');
  if (existsSync(env)) {
    process.stderr.write('docker/.env is there already, and so may be a database with its passwords: it stays.\n');
    return 1;
  }
  const secrets = makeSecrets(randomBytes);
  // Hashes of keys: readable, for the container has another user.
  writeFileSync(path.join(root, 'docker/first-keys.json'), `${secrets.firstKeys}\n`, { mode: 0o644 });
  writeFileSync(env, composeEnv(secrets), { mode: 0o600, flag: 'wx' });
  process.stdout.write(
    "docker/.env, docker/first-keys.json\nThe first two operators' keys are OPERATOR_API_KEY and SECOND_OPERATOR_API_KEY in docker/.env.\n",
  );
  return 0;
}

async function printLocalSecrets(): Promise<number> {
  const directory = mkdtempSync(path.join(tmpdir(), 'finality-certificates-'));
  try {
    const names = SERVICES.map(({ name }) => name);
    const certificates = new Map<string, CertificateTexts>();
    for (const [name, { ca, certificate, key }] of await ensureCertificates(directory, names)) {
      const text = (file: string): string => readFileSync(file, 'utf8');
      certificates.set(name, { ca: text(ca), certificate: text(certificate), key: text(key) });
    }
    const manifests = secretManifests(local, makeSecrets(randomBytes), certificates);
    process.stdout.write(manifests.map((manifest) => `---\n${stringify(manifest)}`).join(''));
    return 0;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function read(file: string): string | undefined {
  const place = path.join(root, file);
  return existsSync(place) ? readFileSync(place, 'utf8') : undefined;
}

function filesBelow(directory: string): string[] {
  const start = path.join(root, directory);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).split(path.sep).join('/'));
}
