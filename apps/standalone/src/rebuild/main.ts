import { parseArgs } from 'node:util';
import type { RebuildReport } from './rebuild.ts';

const USAGE = `npm run rebuild -- <service> [--database-url <postgres://…>] [--json]

Fills the states of a service's streams, and the tables that follow from its own events (and, of the ledger's balances, from its entries), anew
from the first event on: after a change of what they are made by, or where they are doubted. One transaction: all of it or nothing. Refused
while the service runs. Names the tables that stay as they are, with how they come back: what others have said stands in no event.
BITCOIN_NETWORK is the network that the service follows.

  --database-url  of the owner of the service's tables, or of a superuser. Default: DATABASE_URL, else the database in FINALITY_DATA_DIR
  --json          one line of JSON

Exit code 0: rebuilt. 64: the command was wrong. 69: the service runs, or the database can't be had.
`;
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (asked === undefined) {
    process.stderr.write(USAGE);
    return EXIT_USAGE;
  }
  if (asked.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  // Only now: the platform's modules take a second or two.
  const { rebuildNamed, UnknownService } = await import('./run.ts');
  try {
    const report = await rebuildNamed(asked.service, asked.url);
    process.stdout.write(asked.json ? `${JSON.stringify(report)}\n` : textOf(report));
    return 0;
  } catch (error) {
    if (error instanceof UnknownService) {
      process.stderr.write(`${error.message}\n\n${USAGE}`);
      return EXIT_USAGE;
    }
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return EXIT_UNAVAILABLE;
  }
}

interface Asked {
  readonly service: string;
  readonly url: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

function parse(args: readonly string[]): Asked | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'database-url': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    });
    const [service = '', ...others] = positionals;
    if (others.length > 0 || (service === '' && !values.help)) return undefined;
    return { service, url: values['database-url'], json: values.json, help: values.help };
  } catch {
    return undefined;
  }
}

function textOf({ service, events, streams, tables, left, seconds }: RebuildReport): string {
  const others = tables.length === 0 ? '' : `, and ${tables.join(', ')}`;
  return `${service}: the states of ${streams} streams${others}, of ${events} events in ${seconds.toFixed(1)} s\n${asItWas(left)}`;
}

function asItWas(left: RebuildReport['left']): string {
  const tables = new Map<string, string[]>();
  for (const [table, why] of Object.entries(left)) tables.set(why, [...(tables.get(why) ?? []), table]);
  return [...tables].map(([why, names]) => `as it was: ${names.join(', ')}: ${why}\n`).join('');
}
