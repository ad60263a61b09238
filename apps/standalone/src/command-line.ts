import { parseArgs } from 'node:util';

export interface Flags {
  /** End after the scenario. */
  readonly once: boolean;
  /** Last line of stdout: the result as JSON. */
  readonly json: boolean;
  /** Remove everything first. */
  readonly fresh: boolean;
  readonly demo: boolean;
  readonly help: boolean;
  /** Each service as a process of its own, over Kafka. */
  readonly distributed: boolean;
}

export const USAGE = `npm start [-- flags]                the whole platform in one process, with two demonstration institutions and their settlements
npm run start:distributed [-- …]    the same as one process per service, over Kafka, Postgres and btcd, which it gets and starts where needed

  --once     end after the scenario; the exit code says whether all went well
  --json     the result as one line of JSON, last on stdout
  --fresh    start from nothing: removes what is in the data directory, if it is ours
  --no-demo  no scenario: an empty platform, its log on stderr
  --help     this, and every setting
`;

/** @returns the flags, or what is wrong with them */
export function parseCommandLine(args: readonly string[]): Flags | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        'no-demo': { type: 'boolean', default: false },
        distributed: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false, short: 'h' },
      },
    });
    const { once, json, fresh, help, distributed } = values;
    return { once, json, fresh, help, distributed, demo: !values['no-demo'] };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
