import { parseArgs } from 'node:util';
import {
  SERVER_KINDS,
  SERVER_NAMES,
  type ServerName,
  serverNamed,
  type ServerStatus,
  ServerUnavailable,
} from './index.ts';

const NAMES_AND_WHAT = SERVER_NAMES.map((name) => `  ${name.padEnd(9)} ${SERVER_KINDS[name].about}\n`).join('');
const USAGE = `npm run servers -- up [name…]       starts in the background, getting it first where needed
npm run servers -- down [name…]     stops; the data stays
npm run servers -- status [name…]   says what runs and how to reach it
  --json                            answers as one line of JSON, progress on stderr

${NAMES_AND_WHAT}
All of them when none is named; all on 127.0.0.1. Data: .finality/servers/<name> (or under FINALITY_DATA_DIR)
`;

const COMMANDS = ['up', 'down', 'status'] as const;

interface Asked {
  readonly command: (typeof COMMANDS)[number];
  readonly names: readonly ServerName[];
  readonly json: boolean;
}

/** What came of a command for one server. */
type Outcome = {
  readonly name: ServerName;
  readonly running: boolean;
  readonly error?: string;
} & Partial<ServerStatus>;

const code = await main(process.argv.slice(2));
// The embedded Postgres in the background has a session that would keep us.
process.exit(code);

async function main(args: readonly string[]): Promise<number> {
  const asked = parse(args);
  if (asked === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (typeof asked === 'string') {
    process.stderr.write(`${asked.slice(1)}\n${USAGE}`);
    return 64;
  }
  const outcomes: Outcome[] = [];
  let exitCode = 0;
  for (const name of asked.names) {
    try {
      const [outcome, words] = await run(name, asked);
      outcomes.push(outcome);
      if (!asked.json) process.stdout.write(`${name}: ${words}\n`);
    } catch (error) {
      if (!(error instanceof ServerUnavailable)) throw error;
      exitCode = error.exitCode;
      outcomes.push({ name, running: false, error: error.message });
      process.stderr.write(`${name}: ${error.message}\n`);
    }
  }
  if (asked.json) process.stdout.write(`${JSON.stringify(outcomes)}\n`);
  return exitCode;
}

/** What was asked for, `help`, or what is wrong with it after a `!`. */
function parse(args: readonly string[]): Asked | 'help' | `!${string}` {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { help: { type: 'boolean', short: 'h' }, json: { type: 'boolean' } },
      allowPositionals: true,
    });
    if (values.help) return 'help';
    const [first, ...words] = positionals;
    const command = COMMANDS.find((each) => each === first);
    if (!command) return `!expected ${COMMANDS.join(', ')}, got ${first ?? 'nothing'}`;
    const names: ServerName[] = [];
    for (const word of words) {
      const name = SERVER_NAMES.find((each) => each === word);
      if (!name) return `!there is no server ${word}`;
      names.push(name);
    }
    return { command, names: names.length > 0 ? names : SERVER_NAMES, json: values.json ?? false };
  } catch (error) {
    return `!${error instanceof Error ? error.message : String(error)}`;
  }
}

async function run(name: ServerName, { command, json }: Asked): Promise<[Outcome, words: string]> {
  const server = serverNamed(name);
  if (command === 'down') return [{ name, running: false }, (await server.down()) ? 'stopped' : 'is not running'];
  const say = (line: string): void => void (json ? process.stderr : process.stdout).write(`${line}\n`);
  const status = command === 'up' ? await server.up(say) : await server.status();
  return status ? [{ name, running: true, ...status }, describe(status)] : [{ name, running: false }, 'is not running'];
}

function describe({ pid, note, env, endsWith }: ServerStatus): string {
  const first = [`runs as process ${pid}`, ...(note === '' ? [] : [note])];
  if (endsWith !== undefined) first.push(`ends with process ${endsWith}, which started it`);
  return [first.join(', '), ...Object.entries(env).map(([name, value]) => `  ${name}=${value}`)].join('\n');
}
