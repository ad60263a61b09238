import { EventReader, PostgresEventStore, Writer } from '@finality/event-store';
import { command, commandsOf, ConsumerWorker, PostgresDriver } from '@finality/messaging';
import { decodeJson } from '@finality/kernel';
import pg from 'pg';
import { TestRuntime } from '../test-runtime.ts';
import { ACCOUNT_MESSAGE, ACCOUNT_TOPIC, type AccountCommand, AccountHandler, deposit } from './account.ts';

// A process of its own for the tests that stop or kill one: `stall` holds the store's lock before its commit until told to go on (as the one
// writer, where `writes`); `consume` applies messages and says so before it acknowledges them.
interface Order {
  readonly role: 'stall' | 'consume';
  readonly url: string;
  readonly busUrl: string;
  readonly schema: string;
  readonly sourceSchema: string;
  readonly writes?: boolean;
}

const order = JSON.parse(process.argv[2] ?? '{}') as Order;
const pool = new pg.Pool({ connectionString: order.url });
pool.on('error', () => undefined);
const told = (word: string): Promise<void> =>
  new Promise((resolve) => process.on('message', (heard) => heard === word && resolve()));
const say = (word: string): void => void process.send?.(word);

async function stall(): Promise<void> {
  const goOn = told('go on');
  const before = async (point: string): Promise<void> => {
    if (point !== 'commit') return;
    say('holding');
    await goOn;
  };
  const writer = order.writes ? new Writer({ pool, schema: order.schema, holder: 'child' }) : undefined;
  await writer?.step();
  const store = storeOf({ before }, writer);
  const outcome = await store.execute([deposit('stalled', 1n)]).then(
    ([first]) => first?.kind ?? 'nothing',
    (error: unknown) => (error instanceof Error ? error.name : 'unknown'),
  );
  say(outcome);
}

async function consume(): Promise<void> {
  const bus = new pg.Pool({ connectionString: order.busUrl });
  const driver = new PostgresDriver({
    bus,
    consumer: pool,
    consumerSchema: order.schema,
    schemaOf: () => order.sourceSchema,
    listen: false,
  });
  const store = storeOf({});
  const worker = new ConsumerWorker({
    name: 'child',
    consumer: driver.consumer({ service: 'sink', topics: [ACCOUNT_TOPIC] }),
    handlerOf: () => async (messages) => {
      const commands = commandsOf<AccountCommand>(messages, {
        type: ACCOUNT_MESSAGE,
        schemaVersionMax: 1,
        interpret: (of) => {
          const { amount } = decodeJson(Buffer.from(of.payload).toString()) as { amount: bigint };
          return command({ kind: 'deposit', account: of.orderingKey, amount });
        },
      });
      const outcomes = await store.execute(commands);
      say(`applied ${(await new EventReader({ pool, schema: order.schema }).head()).position}`);
      await told('go on');
      return outcomes;
    },
  });
  await worker.step();
}

function storeOf(
  faults: { before?: (point: string) => Promise<void> },
  writer?: Writer,
): PostgresEventStore<AccountCommand, unknown, unknown> {
  return new PostgresEventStore({
    pool,
    schema: order.schema,
    service: 'child',
    handler: new AccountHandler(),
    runtime: new TestRuntime(),
    faults,
    ...(writer && { writer }),
  });
}

await (order.role === 'stall' ? stall() : consume());
await pool.end();
process.disconnect();
