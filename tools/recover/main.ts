import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { bytesFromHex, isNetwork } from '@finality/bitcoin';
import { connectNode } from '@finality/bitcoin-node';
import { drill, type DrillResult, type ListedWallet } from './drill.ts';

const USAGE = `npm run recover -- --seed-file <file> --wallets <file>… [--node-url <http://user:password@host:port>] [--network <name>]
                    [--database-url <postgres://…>] [--gap-limit <indices>] [--json]

The recovery drill: finds the coins of every wallet in a node's blocks from the signer's seed and the wallets' descriptors alone, and compares them
with the ledger's at the block that it has consumed. Changes nothing.

  --seed-file     the signer's seed in hex, from where it is kept (mode 0600)
  --wallets       what 'npm run call -- ListWallets' prints, once for each institution; the platform's own pool is of 'platform'
  --node-url      default: BITCOIN_RPC_URL, with BITCOIN_RPC_USER and BITCOIN_RPC_PASSWORD
  --network       regtest (default), signet, testnet4 or mainnet
  --database-url  needs to read the schema settlement. Default: DATABASE_URL, else the running 'npm start' (FINALITY_DATA_DIR)
  --gap-limit     so many indices without a payment end a branch; default 1000, the signer's own limit
  --json          one line of JSON

Exit code 0: the same coins. 1: something differs, or couldn't be read. 64: the command was wrong.
`;
const EXIT_USAGE = 64;
const DATABASE = 'finality';
const GAP_LIMIT_DEFAULT = 1_000;
const GAP_LIMIT_MAX = 1_000_000;
/** On standard error, so that what is printed can be read by programs. */
const PROGRESS_BLOCKS = 1_000;

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(error instanceof UsageError ? `${message}\n\n${USAGE}` : `${message}\n`);
  return error instanceof UsageError ? EXIT_USAGE : 1;
});

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (asked.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { network } = asked;
  if (!isNetwork(network)) throw new UsageError(`--network: ${network} is none`);
  const gapLimit = Number(asked['gap-limit']);
  if (!Number.isInteger(gapLimit) || gapLimit < 1 || gapLimit > GAP_LIMIT_MAX)
    throw new UsageError(`--gap-limit: expected 1 to ${GAP_LIMIT_MAX}, got ${asked['gap-limit']}`);
  const seed = seedIn(asked['seed-file']);
  if (asked.wallets === undefined) throw new UsageError('--wallets: which files?');
  const wallets = asked.wallets.flatMap(walletsIn);
  const url = asked['node-url'] ?? process.env['BITCOIN_RPC_URL'];
  if (url === undefined) throw new UsageError('--node-url: which node?');
  const user = process.env['BITCOIN_RPC_USER'];
  const password = process.env['BITCOIN_RPC_PASSWORD'];
  const login = { ...(user !== undefined && { user }), ...(password !== undefined && { password }) };
  const { createPool, silentLog, systemRuntime } = await import('@finality/service');
  const pool = createPool(await databaseUrl(asked['database-url']), { applicationName: 'recover', log: silentLog });
  const node = await connectNode({ url, network, runtime: systemRuntime(), ...login });
  try {
    const result = await drill({ network, seed, wallets, node, pool, gapLimit, onProgress });
    process.stdout.write(asked.json ? jsonOf(result) : textOf(result));
    return result.differences.length === 0 ? 0 : 1;
  } finally {
    node.close();
    await pool.end();
  }
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'seed-file': { type: 'string' },
        wallets: { type: 'string', multiple: true },
        'node-url': { type: 'string' },
        network: { type: 'string', default: 'regtest' },
        'database-url': { type: 'string' },
        'gap-limit': { type: 'string', default: String(GAP_LIMIT_DEFAULT) },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function textIn(option: string, file: string | undefined): string {
  if (file === undefined) throw new UsageError(`${option}: which file?`);
  return readFileSync(file, 'utf8').trim();
}

/** What is wrong with it is said without showing any of it. */
function seedIn(file: string | undefined): Uint8Array {
  const text = textIn('--seed-file', file);
  if (!/^(?:[0-9a-fA-F]{2}){16,64}$/.test(text)) throw new Error('--seed-file: expected 16 to 64 bytes of hex');
  return bytesFromHex(text.toLowerCase());
}

function walletsIn(file: string): readonly ListedWallet[] {
  const { wallets } = JSON.parse(textIn('--wallets', file)) as { readonly wallets?: readonly ListedWallet[] };
  if (!Array.isArray(wallets)) throw new Error('--wallets: expected what ListWallets answers, an object with wallets');
  return wallets as readonly ListedWallet[];
}

async function databaseUrl(asked: string | undefined): Promise<string> {
  const url = asked ?? process.env['DATABASE_URL'];
  if (url !== undefined) return url;
  const directory = path.resolve(process.env['FINALITY_DATA_DIR'] ?? '.finality');
  const { runningPostgres } = await import('@finality/service');
  const running = await runningPostgres(path.join(directory, 'postgres'));
  if (running === undefined) throw new Error(`no 'npm start' runs on ${directory}; start it, or say --database-url`);
  return new URL(`/${DATABASE}`, running.adminUrl).href;
}

function onProgress(height: number): void {
  if (height % PROGRESS_BLOCKS === 0) process.stderr.write(`block ${height}\n`);
}

function textOf({ height, blockHash, wallets, foreign, differences }: DrillResult): string {
  const rows = wallets.map(
    ({ walletId, coins, sats, ledgerCoins, ledgerSats }) =>
      `${walletId}  ${coins} coins, ${sats} sat; in the ledger ${ledgerCoins}, ${ledgerSats} sat`,
  );
  const others = foreign.length === 0 ? [] : [`${foreign.length} wallets have keys that aren't of this seed`];
  const end = differences.length === 0 ? ['the same coins'] : ['', ...differences];
  return `${[`at block ${height} (${blockHash})`, ...rows, ...others, ...end].join('\n')}\n`;
}

function jsonOf(result: DrillResult): string {
  return `${JSON.stringify(result, (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`;
}
