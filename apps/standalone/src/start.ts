import { StartupError, systemRuntime } from '@finality/service';
import { type Flags, USAGE } from './command-line.ts';
import { distributedHelp, readDistributedEnvironment, readEnvironment, settingsHelp } from './config.ts';
import { Standalone } from './standalone.ts';

const EXIT_FAILED = 1;

/** `npm start` with these flags. @returns the exit code */
export async function start(flags: Flags): Promise<number> {
  if (flags.help) {
    const own = `\nEnvironment:\n${indented(settingsHelp())}\n`;
    const more = `\nEnvironment of start:distributed besides:\n${indented(distributedHelp())}\n`;
    process.stdout.write(`${USAGE}${own}${more}`);
    return 0;
  }
  try {
    const distributed = flags.distributed ? readDistributedEnvironment() : undefined;
    return await new Standalone(flags, readEnvironment(), systemRuntime(), distributed).run();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_FAILED;
  }
}

const indented = (text: string): string => text.replace(/^/gm, '  ');
