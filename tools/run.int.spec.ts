import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = path.resolve(import.meta.dirname, '..');
const RUN = path.join(root, 'tools/run.mjs');

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function node(...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: root }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

describe('run', () => {
  it('names the commands it knows', async () => {
    const { code, stderr } = await node(RUN, 'nonsense');
    expect(code).toBe(64);
    const named = stderr.split('npm run ')[1]!.split(' ')[0]!.split('|');
    expect(named).toEqual(
      expect.arrayContaining(['start', 'start:distributed', 'test', 'bench', 'sim', 'call', 'servers']),
    );
  });

  it('passes arguments on and exits as the command did', async () => {
    expect(await node(RUN, 'typecheck', '--version')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Version 6\./) as string,
    });
    expect(await node(RUN, 'lint', '--no-such-option')).toMatchObject({ code: 2 });
    expect(await node(RUN, 'generate', '--no-such-option')).toMatchObject({ code: 64 });
  });

  it.each([
    ['SIGTERM', 'drained SIGTERM\n', 3],
    ['SIGINT', 'drained SIGINT\n', 3],
  ] as const)('passes %s on and waits for what the command makes of it', async (signal, output, code) => {
    const child = `
      process.once('${signal}', (name) => setTimeout(() => { console.log('drained ' + name); process.exit(3); }, 100));
      setInterval(() => {}, 1000);
      console.log('up');`;
    const parent = `
      const { runForwarding } = await import(${JSON.stringify(pathToFileURL(RUN).href)});
      process.exitCode = await runForwarding(process.execPath, ['-e', ${JSON.stringify(child)}], {});`;
    const running = spawn(process.execPath, ['--input-type=module', '-e', parent]);
    let said = '';
    const ended = new Promise<number | null>((resolve) => void running.once('close', resolve));
    running.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (text.includes('up')) running.kill(signal);
    });
    expect(await ended).toBe(code);
    expect(said).toBe(`up\n${output}`);
  });
});

describe('register', () => {
  let directory: string;
  const REGISTER = pathToFileURL(path.join(root, 'tools/register.mjs')).href;

  // Not within node_modules: what lies there counts as others' code.
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'register-spec-'));
    symlinkSync(path.join(root, 'node_modules'), path.join(directory, 'node_modules'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  function write(name: string, text: string): string {
    const file = path.join(directory, name);
    writeFileSync(file, text);
    return file;
  }

  it('runs TypeScript with decorators and their metadata: Nest finds what a constructor asks for', async () => {
    write(
      'clock.ts',
      "import { Injectable } from '@nestjs/common';\n@Injectable() export class Clock { readonly shows: string = 'noon'; }\n",
    );
    const main = write(
      'main.ts',
      `import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Clock } from './clock.ts';
@Controller() class Tower { constructor(private readonly clock: Clock) {} read(): string { return this.clock.shows; } }
@Module({ controllers: [Tower], providers: [Clock] }) class TowerModule {}
const app = await NestFactory.createApplicationContext(TowerModule, { logger: false });
console.log(app.get(Tower).read());
`,
    );
    // Once translated, once from the cache.
    for (let i = 0; i < 2; i++)
      expect(await node('--import', REGISTER, main)).toEqual({ code: 0, stdout: 'noon\n', stderr: '' });
    write(
      'clock.ts',
      "import { Injectable } from '@nestjs/common';\n@Injectable() export class Clock { readonly shows: string = 'one'; }\n",
    );
    expect(await node('--import', REGISTER, main)).toMatchObject({ stdout: 'one\n' });
  });

  it('names the line of the source when something throws', async () => {
    const main = write(
      'main.ts',
      'interface Unused {\n  a: string;\n}\nexport type { Unused };\n\nthrow new Error("here");\n',
    );
    const { code, stderr } = await node('--import', REGISTER, main);
    expect(code).toBe(1);
    expect(stderr).toContain('main.ts:6');
  });
});
