import path from 'node:path';
import { parseArgs } from 'node:util';
import { SERVICE_NAMES } from '@finality/contracts';
import { ensureCertificates } from './certificates.ts';

const USAGE = `npm run certificates -- <directory>    makes ca.pem, and <service>.pem and <service>.key for each service, where they
                                       are missing or end within 30 days
`;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
    strict: false,
  });
  if (values['help']) return show(USAGE);
  const [directory, ...others] = positionals;
  if (directory === undefined || others.length > 0) {
    process.stderr.write(USAGE);
    return 64;
  }
  const made = await ensureCertificates(path.resolve(directory), SERVICE_NAMES);
  return show([...made].map(([name, { certificate }]) => `${name}: ${certificate}\n`).join(''));
}

function show(text: string): 0 {
  process.stdout.write(text);
  return 0;
}
