import { describe, expect, test } from 'vitest';
import { createLogger, type LoggerOptions } from './logger.ts';
import { nestLogger } from './nest-logger.ts';

function collect(options: Partial<LoggerOptions> = {}): { log: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  const destination = { write: (line: string): void => void lines.push(line) };
  return { log: createLogger({ level: 'info', fields: { service: 'signer' }, destination, ...options }), lines };
}

describe('createLogger', () => {
  test('writes one JSON object per line, amounts exactly', () => {
    const { log, lines } = collect();
    log.child({ worker: 'relay' }).info({ amountSats: 9_007_199_254_740_993n, n: 1 }, 'settled');
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
    expect(line).toMatchObject({
      level: 'info',
      service: 'signer',
      worker: 'relay',
      amountSats: '9007199254740993',
      n: 1,
      msg: 'settled',
    });
    expect(line['time']).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  test('leaves out what is below the level', () => {
    const { log, lines } = collect({ level: 'warn' });
    log.info({}, 'no');
    log.warn({}, 'yes');
    expect(lines).toHaveLength(1);
  });

  test.each<[string, object, string]>([
    ['a field', { apiKey: 'k-hush', password: 'hush' }, 'm'],
    ['a nested field', { request: { metadata: { authorization: 'hush' } }, wallet: { seed: 'hush' } }, 'm'],
    [
      'an API key in a text',
      { header: 'fin_0123456789abcdef_hushhushhushhush' },
      'called with fin_0123456789abcdef_hushhushhushhush',
    ],
    ['a password in a URL', { url: 'postgres://finality:hush@127.0.0.1/x' }, 'm'],
    ['a bearer token', { header: 'Bearer hush.hush' }, 'bearer hushhush'],
    ['an extended private key', { key: `tprv${'hush'.repeat(20)}` }, 'm'],
    ['the message of an error', { err: new Error('connect postgres://finality:hush@127.0.0.1/x') }, 'm'],
  ])('keeps secrets out: %s', (_what, fields, message) => {
    for (const pretty of [false, true]) {
      const { log, lines } = collect({ pretty });
      log.error(fields, message);
      expect(lines.join()).not.toContain('hush');
      expect(lines.join()).toContain('[redacted');
    }
  });

  test('on a terminal: a readable line, with the stack of an error', () => {
    const { log, lines } = collect({ pretty: true });
    log.error({ err: new Error('away'), attempt: 2 }, 'no connection');
    expect(lines[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} ERROR signer +no connection {2}attempt=2\nError: away\n/);
  });
});

test('Nest’s messages become lines of ours; what it calls log is detail', () => {
  const { log, lines } = collect();
  const nest = nestLogger(log);
  nest.log('Starting Nest application...', 'NestFactory');
  nest.error('handler threw', 'Error: x\n at y', 'RpcExceptionsHandler');
  expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { level: 'error', component: 'RpcExceptionsHandler', stack: 'Error: x\n at y', msg: 'handler threw' },
  ]);
});
