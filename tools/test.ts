import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from './process.ts';

const USAGE = `npm test                              everything
npm test -- --only <kinds>            of: static, unit, int, sim, e2e, soak (separated by commas)
npm test -- <filters and options>     tests only, handed to vitest: npm test -- libs/ledger -t 'two-phase'
`;
const KINDS = ['unit', 'int', 'sim', 'e2e', 'soak'] as const;
const STATIC_MS_MAX = 10 * 60_000;
const TESTS_MS_MAX = 50 * 60_000;

const root = path.resolve(import.meta.dirname, '..');
const program = (name: string): string => path.join(root, 'node_modules', name);

type Check = readonly [name: string, ...command: string[]];

/** What can be found out without running anything of ours; the quickest first. */
const CHECKS: readonly Check[] = [
  ['format', program('prettier/bin/prettier.cjs'), '--check', '--log-level=warn', '.'],
  ['contracts: lint', program('@bufbuild/buf/bin/buf'), 'lint', 'libs/contracts'],
  [
    'contracts: compatible',
    program('@bufbuild/buf/bin/buf'),
    'breaking',
    'libs/contracts',
    '--against',
    'libs/contracts/baseline.binpb',
  ],
  ['generated files', ...process.execArgv, path.join(root, 'tools/generate.ts'), '--check'],
  ['deploy/ is up to date', ...process.execArgv, path.join(root, 'k8s/src/main.ts'), '--check'],
  ['types', program('typescript/bin/tsc'), '--project', '.'],
];
const BUNDLES: Check = ['bundles', path.join(root, 'tools/bundle.mjs')];
/** Takes as long as all the others together: beside them. */
const LINT: Check = ['lint', program('eslint/bin/eslint.js'), '--max-warnings=0', '.'];

interface Tally {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
}

interface Selection {
  readonly isStatic: boolean;
  readonly kinds: readonly string[];
  readonly forVitest: readonly string[];
}

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const selection = select(args);
  if (typeof selection === 'string') {
    process.stderr.write(`${selection}\n${USAGE}`);
    return 64;
  }
  const tallies: Tally[] = [];
  // Hundreds of processes are started: from bundles that takes a third of the time. A few tests alone do without.
  if (selection.forVitest.length === 0) tallies.push(await runCheck(BUNDLES));
  if (selection.isStatic) tallies.push(...(await Promise.all([inOrder(CHECKS), inOrder([LINT])])).flat());
  if (selection.kinds.length > 0) tallies.push(await runTests(selection));
  return summarize(tallies);
}

/** What was asked for, or what is wrong with it. */
function select(args: readonly string[]): Selection | string {
  const forVitest: string[] = [];
  const only: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === '--only') only.push(...(args[++i] ?? '').split(','));
    else if (arg.startsWith('--only=')) only.push(...arg.slice('--only='.length).split(','));
    else forVitest.push(arg);
  }
  const unknown = only.find((kind) => kind !== 'static' && !KINDS.some((known) => known === kind));
  if (unknown !== undefined) return `--only doesn't know '${unknown}'`;
  if (only.length === 0) return { isStatic: forVitest.length === 0, kinds: KINDS, forVitest };
  return { isStatic: only.includes('static'), kinds: only.filter((kind) => kind !== 'static'), forVitest };
}

async function inOrder(checks: readonly Check[]): Promise<readonly Tally[]> {
  const tallies: Tally[] = [];
  for (const check of checks) tallies.push(await runCheck(check));
  return tallies;
}

async function runCheck([name, ...command]: Check): Promise<Tally> {
  const { code, output, seconds } = await run(process.execPath, command, {
    cwd: root,
    keep: true,
    timeoutMs: STATIC_MS_MAX,
  });
  process.stdout.write(`\n== ${name}\n`);
  process.stdout.write(
    code === 0 ? `ok (${seconds.toFixed(1)} s)\n` : `${output.trimEnd()}\nFAILED (${seconds.toFixed(1)} s)\n`,
  );
  return { name, passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, seconds };
}

async function runTests({ kinds, forVitest }: Selection): Promise<Tally> {
  process.stdout.write(`\n== tests: ${kinds.join(', ')}\n`);
  const directory = mkdtempSync(path.join(tmpdir(), 'finality-test-'));
  const report = path.join(directory, 'report.json');
  try {
    const reporting = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const args = [
      program('vitest/vitest.mjs'),
      'run',
      ...reporting,
      ...kinds.map((kind) => `--project=${kind}`),
      ...forVitest,
    ];
    const { code, seconds } = await run(process.execPath, args, { cwd: root, keep: false, timeoutMs: TESTS_MS_MAX });
    return { name: 'tests', ...count(report, code), seconds };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The part of vitest's JSON report that is counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

function count(file: string, code: number): Pick<Tally, 'passed' | 'failed' | 'skipped'> {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8')) as Report;
  } catch {
    // Vitest itself failed, or found nothing to run.
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const unloadable = report.testResults.filter(
    (each) => each.status === 'failed' && each.assertionResults.length === 0,
  ).length;
  const failed = report.numFailedTests + unloadable;
  const isFailedOtherwise = failed === 0 && (code !== 0 || report.testResults.length === 0);
  return {
    passed: report.numPassedTests,
    failed: isFailedOtherwise ? 1 : failed,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** Prints what came of each part, last the line that continuous integration reads. */
function summarize(tallies: readonly Tally[]): number {
  process.stdout.write('\n== summary\n');
  for (const { name, passed, failed, skipped, seconds } of tallies) {
    const verdict = failed > 0 ? 'FAILED' : 'ok';
    process.stdout.write(
      `${name.padEnd(24)} ${verdict.padEnd(7)} ${String(passed).padStart(5)} / ${passed + failed + skipped}  ${seconds.toFixed(1)} s\n`,
    );
  }
  const total = (part: 'passed' | 'failed' | 'skipped'): number => tallies.reduce((sum, tally) => sum + tally[part], 0);
  process.stdout.write(`\n${total('passed')} passed, ${total('failed')} failed, ${total('skipped')} skipped\n`);
  return total('failed') > 0 || total('passed') === 0 ? 1 : 0;
}
