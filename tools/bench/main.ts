import { parseArgs } from 'node:util';
import { benchChain } from './chain/index.ts';
import { type Measured, table } from './figures.ts';
import { benchKafka } from './kafka.ts';
import { benchLedger } from './ledger.ts';
import { benchMemory } from './memory.ts';
import { machine } from './processes.ts';
import { benchSettlement } from './settlement.ts';
import { benchStore } from './store.ts';
import { benchWindow } from './window.ts';

const USAGE = `npm run bench -- <group>… [--json] [--profile <directory>]

  settlement   settlement.e2e: CENTRALIZED settlements per second, from the request on a stream to settled as a watcher sees it, each
               with exactly the changes it should have; settlement.p50, settlement.p99: milliseconds at half that load;
               settlement.cpu: CPU milliseconds per settlement of services and Postgres;
               settlement.overload: settled per second by more clients than are let in, beside as many as are;
               accept.unary, accept.stream: accepted per second, 64 under way at any time
  ledger       ledger.batch1000: transfers per second in batches of 1,000, each within its payer's limit, hashed and chained;
               ledger.single, ledger.single.p99: milliseconds of a transfer by itself
  window       window.close: milliseconds to close a window of a million settlements among 200 participants, while others settle;
               window.settling.p999: milliseconds from asked for to settled, of those around a closing
  store        store.rebuild: events per second, of which everything is made once more that settlement keeps of its events; store.start:
               milliseconds of a start, beside one on a history of a tenth
  memory       memory.standalone: MiB (proportional set size) of services and Postgres after 10,000 settlements
  kafka        kafka.relay: published messages per second from a service's table to a Kafka of the bench's own;
               kafka.e2e, kafka.p50, kafka.p99: as settlement's, with each service a process of its own, over Kafka;
               kafka.cpu: CPU milliseconds per settlement of all processes but Kafka and Postgres, beside those of one process for all;
               kafka.memory: MiB of the service processes after that. Needs Java and Go
  chain        address.issue: addresses per second, derived, derived again and stored, ten thousand in a call;
               coinselect.10k, coinselect.200k: milliseconds to choose the coins of a payment; coinselect.….waste: what that wastes, in percent
               of the fee, beyond the best that ten seconds of search find; payout.batch: milliseconds to select, build, check and
               sign a transaction of 500 payouts and 200 inputs; block.match, block.match.memory: a block of 4,000 transactions among a
               million scripts and outpoints; detect.p99: milliseconds from the node's mempool of 50,000 to published;
               chain.catchup: seconds for 1,008 blocks of 4,000 transactions, from a part of them. Takes some minutes
  all          every group

Each group starts platforms of its own in a temporary directory and takes some minutes. Figures are medians. A limit is measured in
the same run on the same machine, but for memory.standalone's, which is agreed; ratio = value / limit.

  --json       last line: {"machine", "results": [{"name", "value", "unit", "limit", "ratio"}]}
  --profile    leaves CPU profiles of the services there
Linux only: it reads /proc.
`;
const USAGE_EXIT = 64;

const GROUPS: Readonly<Record<string, (profile?: string) => Promise<Measured>>> = {
  settlement: benchSettlement,
  ledger: benchLedger,
  window: benchWindow,
  store: benchStore,
  memory: benchMemory,
  kafka: benchKafka,
  chain: benchChain,
};

process.exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  return 1;
});

async function main(args: readonly string[]): Promise<number> {
  const options = parse(args);
  if (options === undefined || options.groups.length === 0) {
    process.stderr.write(USAGE);
    return USAGE_EXIT;
  }
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const figures = [];
  for (const group of options.groups) {
    process.stderr.write(`${group}: measuring\n`);
    const measured = await GROUPS[group]!(options.profile);
    figures.push(...measured.figures);
    process.stdout.write(`\n${table(measured.figures)}\n\n${measured.notes.join('\n')}\n`);
  }
  process.stdout.write(`\n${machine()}\n`);
  if (options.json) {
    const results = figures.map(({ bound: _bound, ...result }) => result);
    process.stdout.write(`${JSON.stringify({ machine: machine(), results })}\n`);
  }
  return 0;
}

interface Options {
  readonly groups: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
  readonly profile?: string;
}

function parse(args: readonly string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' }, profile: { type: 'string' } },
    });
    const help = values.help === true;
    const asked = help ? ['all'] : positionals;
    const groups = asked.flatMap((name) => (name === 'all' ? Object.keys(GROUPS) : [name]));
    if (groups.some((name) => !Object.hasOwn(GROUPS, name))) return undefined;
    const { profile } = values;
    return { groups, json: values.json === true, help, ...(profile === undefined ? {} : { profile }) };
  } catch {
    return undefined;
  }
}
