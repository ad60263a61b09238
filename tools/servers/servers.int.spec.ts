import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { btcdServer } from './btcd-server.ts';
import { ensureBtcd } from './btcd-install.ts';

const root = path.resolve(import.meta.dirname, '../..');

function servers(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const child = spawn(
    process.execPath,
    ['--import', path.join(root, 'tools/register.mjs'), path.join(root, 'tools/servers/main.ts'), ...args],
    { env },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return new Promise<{ code: number | null; output: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, output })),
  );
}

describe('npm run servers', () => {
  it('explains itself, and refuses what it doesn’t know', async () => {
    expect(await servers(['--help'])).toMatchObject({
      code: 0,
      output: expect.stringContaining('up [name]') as string,
    });
    expect(await servers([])).toMatchObject({ code: 64 });
    expect(await servers(['up', 'eclair'])).toMatchObject({
      code: 64,
      output: expect.stringContaining('eclair') as string,
    });
    expect(await servers(['up', '--quickly'])).toMatchObject({ code: 64 });
  });
  it('says how to get Go where there is none', async () => {
    const empty = mkdtempSync(path.join(tmpdir(), 'finality-servers-'));
    const { code, output } = await servers(['up', 'btcd'], { PATH: empty, HOME: empty });
    rmSync(empty, { recursive: true, force: true });
    expect(code).toBe(2);
    expect(output).toContain('go.dev/dl');
  });
});

const missing = await ensureBtcd((line) => process.stdout.write(`${line}\n`)).then(
  () => undefined,
  (error: unknown) => (error instanceof Error ? error.message : String(error)),
);

describe.skipIf(missing !== undefined && process.env['CI'] !== 'true')(
  `btcd in the background ${missing ?? ''}`,
  () => {
    let dataDir: string;
    beforeAll(() => {
      dataDir = mkdtempSync(path.join(tmpdir(), 'finality-servers-'));
    });
    afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

    it('comes up, stays one, says how to reach it, and goes down', async () => {
      const server = btcdServer(dataDir, { port: undefined, peerPort: undefined });
      try {
        expect(await server.status()).toBe('is not running');
        const up = await server.up(() => undefined);
        expect(up).toMatch(/height 0; .*BITCOIN_RPC_URL=http:\/\/finality:[0-9a-f]{32}@127\.0\.0\.1:\d+$/);
        expect(statSync(path.join(dataDir, 'server.json')).mode & 0o777).toBe(0o600);
        expect(await server.up(() => undefined)).toBe(up);
        expect(await server.status()).toBe(up);
      } finally {
        expect(await server.down()).toBe('stopped');
      }
      expect(await server.status()).toBe('is not running');
      expect(await server.down()).toBe('is not running');
    });
  },
);
