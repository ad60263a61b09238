import { parseCommandLine, USAGE } from './command-line.ts';

const EXIT_USAGE = 2;

// Node takes small buffers from pieces of 64 KiB, each of which stays as long as anything in it. Under load that counted as 15 MB a second of
// memory that has become old, and was answered with a search of the whole heap every three seconds; of these it is a quarter.
Buffer.poolSize = 8 * 1024;

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
