import { createHash } from 'node:crypto';
import { Metadata } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { systemRuntime } from '../runtime/system-runtime.ts';
import { KeyMap, makeApiKey, parseApiKey } from './api-key.ts';
import { authenticate, requireInstitution, requireRole } from './authenticate.ts';

const runtime = systemRuntime();
const directory = new KeyMap();

function issue(more: { revoked?: boolean } = {}): string {
  const { apiKey, keyId, secretSha256 } = makeApiKey(runtime);
  directory.put({ keyId, secretSha256, roles: ['institution'], institutionId: 'bank-a', revoked: false, ...more });
  return apiKey;
}

function call(...headers: readonly string[]): ReturnType<typeof authenticate> {
  const metadata = new Metadata();
  for (const header of headers) metadata.add('authorization', header);
  return authenticate(metadata, directory);
}

describe('API keys', () => {
  test('have an id that may be shown and a secret of which only the hash is kept', () => {
    const { apiKey, keyId, secretSha256 } = makeApiKey(runtime);
    expect(apiKey).toMatch(/^fin_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    const secret = apiKey.slice(`fin_${keyId}_`.length);
    expect(Buffer.from(secretSha256)).toEqual(createHash('sha256').update(secret).digest());
    expect(parseApiKey(apiKey)).toEqual({ keyId, secretSha256 });
    expect(makeApiKey(runtime).apiKey).not.toBe(apiKey);
  });
});

describe('authenticate', () => {
  test('says who is calling', () => {
    const apiKey = issue();
    const principal = { keyId: apiKey.split('_')[1], roles: ['institution'], institutionId: 'bank-a' };
    expect(call(`Bearer ${apiKey}`)).toEqual({ ok: true, value: principal });
    expect(call(`bearer  ${apiKey} `)).toEqual({ ok: true, value: principal });
  });

  test.each<[string, string, () => string[]]>([
    ['no key', 'API_KEY_MISSING', () => []],
    ['two keys', 'API_KEY_MISSING', () => [`Bearer ${issue()}`, `Bearer ${issue()}`]],
    ['another scheme', 'API_KEY_MALFORMED', () => [`Basic ${issue()}`]],
    ['no scheme', 'API_KEY_MALFORMED', () => [issue()]],
    ['a short secret', 'API_KEY_MALFORMED', () => [`Bearer ${issue().slice(0, -1)}`]],
    ['an unknown key', 'API_KEY_INVALID', () => [`Bearer ${makeApiKey(runtime).apiKey}`]],
    [
      'a wrong secret',
      'API_KEY_INVALID',
      () => [`Bearer ${issue().replace(/.{4}$/, (end) => (end === 'AAAA' ? 'BBBB' : 'AAAA'))}`],
    ],
    ['another key’s secret', 'API_KEY_INVALID', () => [`Bearer ${issue().slice(0, 21)}${issue().slice(21)}`]],
    ['a revoked key', 'API_KEY_INVALID', () => [`Bearer ${issue({ revoked: true })}`]],
  ])('refuses %s', (_what, reason, headers) => {
    expect(call(...headers())).toMatchObject({ ok: false, error: { kind: 'unauthenticated', reason } });
  });

  test('a key revoked later is refused from then on', () => {
    const { apiKey, keyId, secretSha256 } = makeApiKey(runtime);
    const record = { keyId, secretSha256, roles: ['operator'], revoked: false } as const;
    directory.put(record);
    expect(call(`Bearer ${apiKey}`)).toEqual({ ok: true, value: { keyId, roles: ['operator'] } });
    directory.put({ ...record, revoked: true });
    expect(call(`Bearer ${apiKey}`)).toMatchObject({ ok: false });
  });
});

describe('what a caller may do', () => {
  const bank = { keyId: 'k', roles: ['institution'], institutionId: 'bank-a' } as const;
  const operator = { keyId: 'o', roles: ['operator', 'auditor'] } as const;

  test('depends on a role', () => {
    expect(requireRole(bank, 'institution', 'operator').ok).toBe(true);
    expect(requireRole(operator, 'compliance')).toMatchObject({
      ok: false,
      error: { kind: 'permission_denied', reason: 'ROLE_REQUIRED' },
    });
  });

  test('and on the institution', () => {
    expect(requireInstitution(bank, 'bank-a').ok).toBe(true);
    for (const [who, id] of [
      [bank, 'bank-b'],
      [operator, 'bank-a'],
      [{ ...operator, institutionId: 'bank-a' }, 'bank-a'],
    ] as const) {
      expect(requireInstitution(who, id)).toMatchObject({
        ok: false,
        error: { kind: 'permission_denied', reason: 'FOREIGN_INSTITUTION' },
      });
    }
  });
});
