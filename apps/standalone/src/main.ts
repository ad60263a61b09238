import { parseCommandLine, USAGE } from './command-line.ts';

const EXIT_USAGE = 2;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const flags = parseCommandLine(args);
  if (typeof flags === 'string') {
    process.stderr.write(`${flags}\n\n${USAGE}`);
    return EXIT_USAGE;
  }
  // Only now: the platform's modules take a second or two.
  const { start } = await import('./start.ts');
  return start(flags);
}
