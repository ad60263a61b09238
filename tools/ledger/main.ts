import path from 'node:path';
import { parseArgs } from 'node:util';
import { readTransaction, verifyChain } from '@finality/event-store';
import { type LedgerVerification, verifyLedger } from '@finality/ledger-store';

const USAGE = `npm run ledger -- verify [--database-url <postgres://…>] [--public-key <hex>] [--json]

Recomputes the ledger from its first entry: the hash chain of the service's events, the chain over all entries, the Merkle tree and the
signature of every sealed segment, and every balance. Names the first difference. Reads one moment, and changes nothing.

  --database-url  the database; needs to read the schema settlement. Default: DATABASE_URL, else the running 'npm start' (FINALITY_DATA_DIR)
  --public-key    the key that signs heads, as you know it from elsewhere; without it, one key must have signed all
  --json          one line of JSON

Exit code 0: everything fits. 1: something doesn't. 64: the command was wrong. 69: the database can't be read.
`;
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;
const SCHEMA = 'settlement';
const DATABASE = 'finality';

interface Asked {
  readonly url: string | undefined;
  readonly publicKey: string | undefined;
  readonly json: boolean;
}

/** What was compared, or where it first differs. */
type Report =
  | { readonly ok: true; readonly events: string; readonly ledger: Extract<LedgerVerification, { ok: true }> }
  | {
      readonly ok: false;
      readonly subject: string;
      readonly field: string;
      readonly expected: string;
      readonly found: string;
    };

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (asked === undefined) return 0;
  if (typeof asked === 'string') {
    process.stderr.write(`${asked}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  let report: Report;
  try {
    report = await verify(await urlOf(asked), asked.publicKey);
  } catch (error) {
    process.stderr.write(`the ledger can't be read: ${errorMessage(error)}\n`);
    return EXIT_UNAVAILABLE;
  }
  process.stdout.write(asked.json ? jsonOf(report) : textOf(report));
  return report.ok ? 0 : 1;
}

/** Undefined: help was asked for, and given. A text: what is wrong. */
function parse(args: readonly string[]): Asked | string | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'database-url': { type: 'string' },
        'public-key': { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      process.stdout.write(USAGE);
      return undefined;
    }
    if (positionals.join(' ') !== 'verify') return `expected verify, got "${positionals.join(' ')}"`;
    const publicKey = values['public-key'];
    if (publicKey !== undefined && !/^[0-9a-f]{64}$/.test(publicKey))
      return '--public-key: expected 64 hex digits in lower case';
    return { url: values['database-url'] ?? process.env['DATABASE_URL'], publicKey, json: values.json };
  } catch (error) {
    return errorMessage(error);
  }
}

async function urlOf({ url }: Asked): Promise<string> {
  if (url !== undefined) return url;
  const directory = path.resolve(process.env['FINALITY_DATA_DIR'] ?? '.finality');
  const { runningPostgres } = await import('@finality/service');
  const running = await runningPostgres(path.join(directory, 'postgres'));
  if (running === undefined) throw new Error(`no 'npm start' runs on ${directory}; start it, or say --database-url`);
  return new URL(`/${DATABASE}`, running.adminUrl).href;
}

async function verify(url: string, publicKey: string | undefined): Promise<Report> {
  const { createPool, silentLog } = await import('@finality/service');
  const pool = createPool(url, { applicationName: 'ledger verify', log: silentLog });
  try {
    return await readTransaction({ pool, schema: SCHEMA }, async (session): Promise<Report> => {
      const chain = await verifyChain(session);
      if (!chain.ok) {
        const subject = `event ${chain.position}`;
        return { ok: false, subject, field: 'hash', expected: 'an unbroken chain', found: chain.problem };
      }
      const ledger = await verifyLedger(session, publicKey);
      return ledger.ok ? { ok: true, events: String(chain.position), ledger } : { ok: false, ...ledger.difference };
    });
  } finally {
    await pool.end();
  }
}

function textOf(report: Report): string {
  if (!report.ok) {
    const { subject, field, expected, found } = report;
    return `The first difference: ${subject}, ${field}\n  expected ${expected}\n  found    ${found}\n`;
  }
  const { events, ledger } = report;
  const sealed = ledger.publicKey === undefined ? '' : `, signed by ${ledger.publicKey}`;
  return `Everything fits: ${events} events, ${ledger.transfers} entries on ${ledger.accounts} accounts, ${ledger.segments} sealed segments${sealed}\n`;
}

function jsonOf(report: Report): string {
  return `${JSON.stringify(report, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
