import path from 'node:path';
import { parseArgs } from 'node:util';
import { isNetwork, type Network } from '@finality/bitcoin';
import { connectNode } from '@finality/bitcoin-node';
import { readTransaction, type Session, verifyChain } from '@finality/event-store';
import { type LedgerDifference, type LedgerVerification, verifyLedger } from '@finality/ledger-store';
import { type AnchorsVerified, headsOf, readAnchors, verifyAnchors } from './anchors.ts';

const USAGE = `npm run ledger -- verify [--database-url <postgres://…>] [--public-key <hex>]
                     [--node-url <http://user:password@host:port> [--network <name>]] [--json]

Recomputes the ledger from its first entry: the hash chain of the service's events, the chain over all entries, the Merkle tree and the
signature of every sealed segment, and every balance; with a node, that the chain says of the ledger's heads what they come to. Names the first
difference. Reads one moment, and changes nothing.

  --database-url  the database; needs to read the schema settlement. Default: DATABASE_URL, else the running 'npm start' (FINALITY_DATA_DIR)
  --public-key    the key that signs heads, as you know it from elsewhere; without it, one key must have signed all
  --node-url      a Bitcoin node: heads that are anchored in the chain are compared with what its blocks say
  --network       of the node: regtest (default), signet, testnet4 or mainnet
  --json          one line of JSON

Exit code 0: everything fits. 1: something doesn't. 64: the command was wrong. 69: the database or the node can't be read.
`;
const EXIT_USAGE = 64;
const EXIT_UNAVAILABLE = 69;
const SCHEMA = 'settlement';
const DATABASE = 'finality';

interface Asked {
  readonly url: string | undefined;
  readonly publicKey: string | undefined;
  readonly node: { readonly url: string; readonly network: Network } | undefined;
  readonly json: boolean;
}

/** What was compared, or where it first differs. */
type Report =
  | {
      readonly ok: true;
      readonly events: string;
      readonly ledger: Extract<LedgerVerification, { ok: true }>;
      /** Where a node was asked. */
      readonly anchors?: AnchorsVerified;
    }
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
    report = await verify(await urlOf(asked), asked);
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
        'node-url': { type: 'string' },
        network: { type: 'string', default: 'regtest' },
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
    const { network, 'node-url': nodeUrl } = values;
    if (!isNetwork(network)) return `--network: ${network} is none`;
    const node = nodeUrl === undefined ? undefined : { url: nodeUrl, network };
    return { url: values['database-url'] ?? process.env['DATABASE_URL'], publicKey, node, json: values.json };
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

async function verify(url: string, { publicKey, node }: Asked): Promise<Report> {
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
      if (!ledger.ok) return { ok: false, ...ledger.difference };
      const whole = { ok: true, events: String(chain.position), ledger } as const;
      if (node === undefined) return whole;
      const anchors = await compareWithNode(session, node);
      return 'subject' in anchors ? { ok: false, ...anchors } : { ...whole, anchors };
    });
  } finally {
    await pool.end();
  }
}

async function compareWithNode(
  session: Session,
  { url, network }: { readonly url: string; readonly network: Network },
): Promise<AnchorsVerified | LedgerDifference> {
  const { systemRuntime } = await import('@finality/service');
  const anchors = await readAnchors(session);
  const heads = await headsOf(session, anchors);
  const node = await connectNode({ url, network, runtime: systemRuntime() });
  try {
    return await verifyAnchors(node, network, anchors, heads);
  } finally {
    node.close();
  }
}

function textOf(report: Report): string {
  if (!report.ok) {
    const { subject, field, expected, found } = report;
    return `The first difference: ${subject}, ${field}\n  expected ${expected}\n  found    ${found}\n`;
  }
  const { events, ledger, anchors } = report;
  const sealed = ledger.publicKey === undefined ? '' : `, signed by ${ledger.publicKey}`;
  return `Everything fits: ${events} events, ${ledger.transfers} entries on ${ledger.accounts} accounts, ${ledger.segments} sealed segments${sealed}\n${anchors === undefined ? '' : textOfAnchors(anchors)}`;
}

function textOfAnchors({ found, lost, last }: AnchorsVerified): string {
  const others = lost === 0 ? '' : `, and ${lost} of a past that a restored backup hasn’t got`;
  if (last === undefined) return `None of its heads is in the Bitcoin chain yet${others}\n`;
  const { segment, blockHash, height } = last;
  return `${found} of its heads are in the Bitcoin chain, the last one that of segment ${segment}, in block ${blockHash} at height ${height}${others}\n`;
}

function jsonOf(report: Report): string {
  return `${JSON.stringify(report, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
}

function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
