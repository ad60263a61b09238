import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { configHelp, defineConfig, readConfig, setting } from './config.ts';

const schema = defineConfig({
  GRPC_PORT: setting.port().default(50_051).describe('TCP port of the gRPC API'),
  LOG_LEVEL: setting.oneOf('debug', 'info').default('info').describe('what is logged'),
  FEE_MAX_SATS: setting.sats(1n, 1_000n).default(500n).describe('fee cap of a payout'),
  DEMO: setting.flag().default(true).describe('runs the demo scenario'),
  BITCOIN_RPC_URL: setting.url('http', 'https').optional().describe('JSON-RPC of the node; unset: the simulator'),
  BLOCKS: setting.integer(1, 100).default(6).describe('blocks until final'),
  SEED_PASSPHRASE: setting.secret(setting.text().describe('what seeds are encrypted with')),
});

const problems = (env: Record<string, string>): string => {
  try {
    readConfig({ SEED_PASSPHRASE: 'x', ...env }, schema);
    return 'accepted';
  } catch (error) {
    return String(error);
  }
};

describe('readConfig', () => {
  test('gives typed values and defaults; an empty variable is unset', () => {
    expect(
      readConfig({ SEED_PASSPHRASE: 'hush', GRPC_PORT: '0', LOG_LEVEL: '', FEE_MAX_SATS: '7', DEMO: 'false' }, schema),
    ).toEqual({
      GRPC_PORT: 0,
      LOG_LEVEL: 'info',
      FEE_MAX_SATS: 7n,
      DEMO: false,
      BITCOIN_RPC_URL: undefined,
      BLOCKS: 6,
      SEED_PASSPHRASE: 'hush',
    });
  });

  test.each([
    [{ GRPC_PORT: '70000' }, 'GRPC_PORT: expected a port from 0 to 65535, found "70000"'],
    [{ GRPC_PORT: 'http' }, 'GRPC_PORT: expected a port from 0 to 65535, found "http"'],
    [{ GRPC_PORT: '-1' }, 'GRPC_PORT: expected a port from 0 to 65535, found "-1"'],
    [{ LOG_LEVEL: 'loud' }, 'LOG_LEVEL: expected one of debug, info, found "loud"'],
    [{ FEE_MAX_SATS: '0.5' }, 'FEE_MAX_SATS: expected an amount from 1 to 1000 sat, found "0.5"'],
    [{ FEE_MAX_SATS: '1001' }, 'FEE_MAX_SATS: expected an amount from 1 to 1000 sat, found "1001"'],
    [{ DEMO: 'yes' }, 'DEMO: expected true or false, found "yes"'],
    [
      { BITCOIN_RPC_URL: 'ftp://x' },
      'BITCOIN_RPC_URL: expected a URL starting with http:// or https://, found "ftp://x"',
    ],
    [{ BLOCKS: '101' }, 'BLOCKS: expected an integer from 1 to 100, found "101"'],
    [{ SEED_PASSPHRASE: '' }, 'SEED_PASSPHRASE: expected what seeds are encrypted with, found nothing'],
  ])('%o: %s', (env, expected) => {
    expect(problems(env as Record<string, string>)).toContain(expected);
  });

  test('names all that is wrong at once', () => {
    expect(problems({ GRPC_PORT: 'x', DEMO: 'x' })).toMatch(/GRPC_PORT: .*; DEMO: .*/);
  });

  test('never shows a secret', () => {
    const text = problems({ SEED_PASSPHRASE: 'x'.repeat(2_000) });
    expect(text).toContain('SEED_PASSPHRASE: expected at most 1000 characters, found another value (secret)');
    expect(text).not.toContain('xxx');
  });
});

describe('help', () => {
  test('has a line for every setting', () => {
    expect(configHelp(schema).split('\n')).toEqual([
      'GRPC_PORT        TCP port of the gRPC API (default: 50051)',
      'LOG_LEVEL        what is logged (default: info)',
      'FEE_MAX_SATS     fee cap of a payout (default: 500)',
      'DEMO             runs the demo scenario (default: true)',
      'BITCOIN_RPC_URL  JSON-RPC of the node; unset: the simulator',
      'BLOCKS           blocks until final (default: 6)',
      'SEED_PASSPHRASE  what seeds are encrypted with (required)',
    ]);
  });

  test('a setting without a description is a bug', () => {
    expect(() => defineConfig({ X: z.string() })).toThrow('X');
  });
});
