import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';

const TOOLS = ['register.mjs', 'bundle.mjs', 'bundles.mjs', 'translation.mjs'];
const root = path.resolve(import.meta.dirname, '..');

/** A small tree of its own, with our tools and packages. */
let tree: string;

beforeAll(() => {
  tree = mkdtempSync(path.join(tmpdir(), 'finality-bundle-'));
  for (const folder of ['tools', 'apps/clock/src', 'node_modules/.cache'])
    mkdirSync(path.join(tree, folder), { recursive: true });
  for (const name of TOOLS) cpSync(path.join(root, 'tools', name), path.join(tree, 'tools', name));
  for (const name of readdirSync(path.join(root, 'node_modules')).filter((each) => !each.startsWith('.')))
    symlinkSync(path.join(root, 'node_modules', name), path.join(tree, 'node_modules', name));
  writeFileSync(path.join(tree, 'node_modules/.package-lock.json'), '{}');
  write('package.json', '{ "type": "module" }');
  write('apps/clock/src/note.txt', 'tick');
  write('apps/clock/src/later.ts', 'export const later = "tock";\n');
  write('apps/clock/src/clock.ts', clock('noon'));
  write(
    'apps/clock/src/main.ts',
    `import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Clock } from './clock.ts';
@Controller() class Tower { constructor(private readonly clock: Clock) {} read(): string { return this.clock.shows; } }
@Module({ controllers: [Tower], providers: [Clock] }) class TowerModule {}
const app = await NestFactory.createApplicationContext(TowerModule, { logger: false });
const { later } = await import('./later.ts');
console.log(app.get(Tower).read(), readFileSync(new URL('note.txt', import.meta.url), 'utf8'), later);
if (process.argv[2] === 'fail') app.get(Clock).fail();
`,
  );
});
afterAll(() => rmSync(tree, { recursive: true, force: true }));

const clock = (shows: string): string =>
  `import { Injectable } from '@nestjs/common';
@Injectable() export class Clock { readonly shows: string = '${shows}';
  fail(): never {
    throw new Error('it stands');
  }
}
`;

function write(name: string, text: string): void {
  writeFileSync(path.join(tree, name), text);
}

function node(...args: readonly string[]): { readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: tree,
    encoding: 'utf8',
  });
  return { stdout: `${stdout}${status}`, stderr };
}

const start = (...args: readonly string[]) =>
  node('--import', './tools/register.mjs', 'apps/clock/src/main.ts', ...args);
const isTranslated = (): boolean => readdirSync(path.join(tree, 'node_modules/.cache')).includes('swc');

it('a program starts from its bundle as it would from its sources: decorators, files beside it, what is loaded later, lines of errors', () => {
  expect(node('tools/bundle.mjs')).toEqual({ stdout: '0', stderr: '' });
  expect(start()).toEqual({ stdout: 'noon tick tock\n0', stderr: '' });
  const { stdout, stderr } = start('fail');
  expect(stdout).toBe('noon tick tock\n1');
  expect(stderr).toMatch(/apps\/clock\/src\/clock\.ts:4/);
  expect(isTranslated()).toBe(false);
});

it('a change of a source is seen at the next start, and a new bundle made only then', () => {
  const folders = (): string[] => readdirSync(path.join(tree, 'node_modules/.cache/bundles')).toSorted();
  const before = folders();
  node('tools/bundle.mjs');
  expect(folders()).toEqual(before);
  write('apps/clock/src/clock.ts', clock('one o’clock'));
  expect(start()).toEqual({ stdout: 'one o’clock tick tock\n0', stderr: '' });
  expect(isTranslated()).toBe(true);
  node('tools/bundle.mjs');
  // What runs from the earlier one goes on.
  expect(folders()).toEqual(expect.arrayContaining(before));
  expect(folders()).toHaveLength(before.length + 1);
  expect(start()).toEqual({ stdout: 'one o’clock tick tock\n0', stderr: '' });
});
