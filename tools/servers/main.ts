import path from 'node:path';
import { parseArgs } from 'node:util';
import { ServerUnavailable } from './program.ts';
import { btcdServer } from './btcd-server.ts';
import type { Server } from './server.ts';

const USAGE = `npm run servers -- up [name]       starts it in the background, getting it first where needed
npm run servers -- down [name]     stops it; its data stays
npm run servers -- status [name]   says whether it runs and how to reach it

names: btcd (Bitcoin node on regtest; needs Go to be built). Data: .finality/servers/<name>
`;

const root = path.resolve(import.meta.dirname, '../..');
const SERVERS: Readonly<Record<string, Server>> = {
  btcd: btcdServer(path.join(root, '.finality', 'servers', 'btcd')),
};
const COMMANDS = ['up', 'down', 'status'] as const;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (asked === 'help' || typeof asked === 'object') {
    if (asked === 'help') return show(USAGE);
    for (const name of asked.names) {
      const code = await run(name, asked.command);
      if (code !== 0) return code;
    }
    return 0;
  }
  process.stderr.write(`${asked.slice(1)}\n${USAGE}`);
  return 64;
}

interface Asked {
  readonly command: (typeof COMMANDS)[number];
  readonly names: readonly string[];
}

/** What was asked for, `help`, or what is wrong with it after a `!`. */
function parse(args: readonly string[]): Asked | 'help' | `!${string}` {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
    if (values.help) return 'help';
    const [first, ...names] = positionals;
    const command = COMMANDS.find((each) => each === first);
    if (!command) return `!expected ${COMMANDS.join(', ')}, got ${first ?? 'nothing'}`;
    const unknown = names.find((name) => !Object.hasOwn(SERVERS, name));
    if (unknown !== undefined) return `!there is no server ${unknown}`;
    return { command, names: names.length > 0 ? names : Object.keys(SERVERS) };
  } catch (error) {
    return `!${error instanceof Error ? error.message : String(error)}`;
  }
}

async function run(name: string, command: Asked['command']): Promise<number> {
  const server = SERVERS[name]!;
  try {
    return show(`${name}: ${await server[command]((line) => show(`${line}\n`))}\n`);
  } catch (error) {
    if (!(error instanceof ServerUnavailable)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    return error.exitCode;
  }
}

function show(text: string): 0 {
  process.stdout.write(text);
  return 0;
}
