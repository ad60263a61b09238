import { StartupError, systemRuntime } from '@finality/service';
import { parseCommandLine, USAGE } from './command-line.ts';
import { readEnvironment, settingsHelp } from './config.ts';
import { Standalone } from './standalone.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const flags = parseCommandLine(args);
  if (typeof flags === 'string') {
    process.stderr.write(`${flags}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  if (flags.help) {
    process.stdout.write(`${USAGE}\nEnvironment:\n${settingsHelp().replace(/^/gm, '  ')}\n`);
    return 0;
  }
  try {
    return await new Standalone(flags, readEnvironment(), systemRuntime()).run();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_FAILED;
  }
}
