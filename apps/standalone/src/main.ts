import { parseCommandLine, USAGE } from './command-line.ts';

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const flags = parseCommandLine(args);
  if (typeof flags === 'string') {
    process.stderr.write(`${flags}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  // Only now: the platform's modules take a second or two.
  const { readEnvironment, settingsHelp } = await import('./config.ts');
  const { StartupError, systemRuntime } = await import('@finality/service');
  if (flags.help) {
    process.stdout.write(`${USAGE}\nEnvironment:\n${settingsHelp().replace(/^/gm, '  ')}\n`);
    return 0;
  }
  try {
    const { Standalone } = await import('./standalone.ts');
    return await new Standalone(flags, readEnvironment(), systemRuntime()).run();
  } catch (error) {
    if (!(error instanceof StartupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return EXIT_FAILED;
  }
}
