import { describe, expect, test } from 'vitest';
import { isUnavailable } from './errors.ts';

const fromServer = (code: string): Error => Object.assign(new Error('from the server'), { severity: 'ERROR', code });

describe('an error of the database', () => {
  test.each([
    ['a lost connection', new Error('Connection terminated unexpectedly')],
    ['a reset connection', Object.assign(new Error('read'), { code: 'ECONNRESET' })],
    ['a server that stops', fromServer('57P01')],
    ['a stalled holder got rid of', fromServer('25P03')],
    ['a transaction that took too long', fromServer('25P04')],
    ['a statement that took too long', fromServer('57014')],
    ['a deadlock', fromServer('40P01')],
    ['a lock not had in time', fromServer('55P03')],
    ['a full disk', fromServer('53100')],
    ['a missing migration', fromServer('42P01')],
    ['a missing grant', fromServer('42501')],
  ])('is nobody’s fault: %s', (_what, error) => expect(isUnavailable(error)).toBe(true));

  test.each([
    ['a violated constraint', fromServer('23505')],
    ['text that isn’t UTF-8', fromServer('22021')],
    ['a number out of range', fromServer('22003')],
    ['a parameter that can’t be encoded', new TypeError('Converting circular structure to JSON')],
  ])('is the fault of a command: %s', (_what, error) => expect(isUnavailable(error)).toBe(false));
});
