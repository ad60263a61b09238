import { StartupError, systemRuntime } from '@finality/service';
import { type Flags, USAGE } from './command-line.ts';
import { readEnvironment, settingsHelp } from './config.ts';
import { Standalone } from './standalone.ts';

const EXIT_FAILED = 1;

/** `npm start` with these flags. @returns the exit code */
export async function start(flags: Flags): Promise<number> {
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
