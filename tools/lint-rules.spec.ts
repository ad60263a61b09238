import path from 'node:path';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { beforeAll, describe, expect, it } from 'vitest';

const BOUNDARIES = '@nx/enforce-module-boundaries';
const DECLARED = 'finality/declared-dependencies';
const root = path.resolve(import.meta.dirname, '..');

let eslint: ESLint;

beforeAll(() => {
  // Rules that need types would refuse files which only exist here; none of them is under test.
  eslint = new ESLint({ cwd: root, overrideConfig: [{ files: ['**/*.ts'], ...tseslint.configs.disableTypeChecked }] });
});

/** The rules that refuse this text in this place. */
async function refusals(file: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${text}\n`, { filePath: path.join(root, file) });
  if (result === undefined) throw new Error(`${file} isn't linted at all`);
  const broken = result.messages.find(({ fatal }) => fatal === true);
  if (broken !== undefined) throw new Error(`${file} can't be linted: ${broken.message}`);
  return [...new Set(result.messages.map(({ ruleId }) => ruleId ?? 'none'))].sort();
}

/** What a line of imports is refused for, apart from being imports that nothing uses. */
async function refusalsOfImport(file: string, specifier: string): Promise<string[]> {
  return refusals(file, `export * as imported from '${specifier}';`);
}

describe('arrows between projects', () => {
  const forbidden: readonly (readonly [what: string, file: string, specifier: string])[] = [
    ['a domain importing the database driver', 'libs/settlement/src/probe.ts', 'pg'],
    ['a domain importing TypeORM', 'libs/ledger/src/probe.ts', 'typeorm'],
    ['a domain importing Nest', 'libs/risk/src/probe.ts', '@nestjs/common'],
    ['a domain importing telemetry', 'libs/aml/src/probe.ts', '@opentelemetry/api'],
    ['a domain importing a platform library', 'libs/settlement/src/probe.ts', '@finality/event-store'],
    ['a domain importing contracts', 'libs/settlement/src/probe.ts', '@finality/contracts'],
    ['a library importing an app', 'libs/service/src/probe.ts', '@finality/risk-app'],
    ['an app importing another', 'apps/settlement/src/probe.ts', '@finality/risk-app'],
    ['an app reaching into another by path', 'apps/settlement/src/probe.ts', '../../risk/src/index.ts'],
    ['bitcoinjs-lib outside libs/bitcoin', 'libs/settlement/src/probe.ts', 'bitcoinjs-lib'],
    ['bitcoinjs-lib in an app', 'apps/settlement/src/probe.ts', 'bitcoinjs-lib'],
    ['the kernel importing a domain', 'libs/kernel/src/probe.ts', '@finality/ledger'],
    ['the kernel importing a package', 'libs/kernel/src/probe.ts', 'zod'],
    ['contracts importing a platform library', 'libs/contracts/src/probe.ts', '@finality/service'],
    ['testing importing an app', 'libs/testing/src/probe.ts', '@finality/settlement-app'],
    ['two libraries importing each other', 'libs/event-store/src/probe.ts', '@finality/service'],
    ['a test reaching into another app', 'apps/settlement/src/probe.spec.ts', '@finality/risk-app'],
  ];
  it.each(forbidden)('refuse %s', async (_what, file, specifier) => {
    expect(await refusalsOfImport(file, specifier)).toContain(BOUNDARIES);
  });

  const allowed: readonly (readonly [what: string, file: string, specifier: string])[] = [
    ['a domain importing the kernel', 'libs/settlement/src/probe.ts', '@finality/kernel'],
    ['a domain importing one it depends on', 'libs/settlement/src/probe.ts', '@finality/ledger'],
    ['a platform library importing the driver', 'libs/event-store/src/probe.ts', 'pg'],
    ['an app importing its domain', 'apps/settlement/src/probe.ts', '@finality/settlement'],
    ['standalone importing an app', 'apps/standalone/src/probe.ts', '@finality/settlement-app'],
    ['bitcoinjs-lib in libs/bitcoin', 'libs/bitcoin/src/probe.ts', 'bitcoinjs-lib'],
    ['bitcoinjs-lib in the simulator', 'libs/chain-simulator/src/probe.ts', 'bitcoinjs-lib'],
    ['a test importing what is built on its subject', 'libs/event-store/src/probe.int.spec.ts', '@finality/service'],
    ['a fixture importing what is built on its subject', 'libs/event-store/src/probe.fixture.ts', '@finality/testing'],
    ['a test importing its subject', 'apps/settlement/src/probe.spec.ts', './index.ts'],
    ['a test importing fixtures', 'libs/settlement/src/probe.spec.ts', '@finality/testing'],
  ];
  it.each(allowed)('allow %s', async (_what, file, specifier) => {
    expect(await refusalsOfImport(file, specifier)).toEqual([]);
  });

  it('refuse what package.json does not list, though the arrow is allowed', async () => {
    expect(await refusalsOfImport('libs/risk/src/probe.ts', '@finality/ledger')).toEqual([DECLARED]);
    expect(await refusalsOfImport('apps/settlement/src/probe.ts', 'bip32')).toEqual([DECLARED]);
    expect(await refusalsOfImport('apps/signer/src/probe.ts', 'ecpair')).toContain(DECLARED);
  });

  it('keep code for tests out of the rest', async () => {
    const file = 'libs/event-store/src/probe.ts';
    expect(await refusalsOfImport(file, './database.fixture.ts')).toEqual(['no-restricted-imports']);
    expect(await refusalsOfImport('libs/event-store/src/probe.spec.ts', './database.fixture.ts')).toEqual([]);
  });

  it('let domains compute hashes, and nothing else of Node', async () => {
    expect(await refusals('libs/ledger/src/probe.ts', "export { createHash } from 'node:crypto';")).toEqual([]);
    for (const module of ['node:fs', 'fs', 'node:net', 'fs/promises', 'node:child_process']) {
      expect(await refusalsOfImport('libs/ledger/src/probe.ts', module), module).toContain('no-restricted-imports');
    }
  });
});

describe('determinism', () => {
  const refused: readonly (readonly [text: string, rule: string])[] = [
    ['export const at = new Date();', 'no-restricted-globals'],
    ['export const at = Date.now();', 'no-restricted-globals'],
    ['export const at = globalThis.Date.now();', 'no-restricted-properties'],
    ['export const at = performance.now();', 'no-restricted-globals'],
    ['export const at = process.hrtime.bigint();', 'no-restricted-properties'],
    ['export const random = Math.random();', 'no-restricted-properties'],
    ['export const { random } = Math;', 'no-restricted-properties'],
    ['setTimeout(() => undefined, 1);', 'no-restricted-globals'],
    ['setInterval(() => undefined, 1);', 'no-restricted-globals'],
    ['setImmediate(() => undefined);', 'no-restricted-globals'],
    ["export { setTimeout } from 'node:timers/promises';", 'no-restricted-imports'],
    ['export const signal = AbortSignal.timeout(1);', 'no-restricted-properties'],
    ['export const id = crypto.randomUUID();', 'no-restricted-globals'],
    ["export { randomUUID } from 'node:crypto';", 'no-restricted-imports'],
    ["import * as c from 'node:crypto';\nexport const id = c.randomUUID();", 'no-restricted-properties'],
    ["import { randomBytes as r } from 'crypto';\nexport const bytes = r(16);", 'no-restricted-imports'],
  ];
  const EVERYWHERE = [
    'libs/ledger/src/probe.ts',
    'libs/event-store/src/probe.ts',
    'apps/settlement/src/workers/probe.ts',
    'apps/risk/src/config.ts',
  ];
  const EXEMPT = [
    'libs/service/src/runtime/probe.ts',
    'libs/testing/src/probe.ts',
    'libs/ledger/src/probe.spec.ts',
    'tools/probe.ts',
  ];

  it.each(refused)('refuses %s outside the Runtime port, by %s', async (text, rule) => {
    for (const file of EVERYWHERE) expect(await refusals(file, text), file).toContain(rule);
  });

  it.each(refused)('allows %s in the Runtime adapter, in tests and tools', async (text, rule) => {
    for (const file of EXEMPT) expect(await refusals(file, text), file).not.toContain(rule);
  });

  it('lets only src/config.ts read the environment', async () => {
    const reads = ["export const port = process.env['PORT'];", 'export const { env } = process;'];
    for (const text of reads) {
      expect(await refusals('apps/settlement/src/config.ts', text)).toEqual([]);
      for (const file of [
        'apps/settlement/src/main.ts',
        'libs/service/src/runtime/probe.ts',
        'libs/kernel/src/config/probe.ts',
      ]) {
        expect(await refusals(file, text), file).toContain('no-restricted-properties');
      }
    }
  });

  it("can't be switched off by a comment", async () => {
    const text = '// eslint-disable-next-line no-restricted-globals\nexport const at = Date.now();';
    expect(await refusals('libs/ledger/src/probe.ts', text)).toContain('no-restricted-globals');
  });
});
