import { describe, expect, it } from 'vitest';
import type { ApiKey, Institution } from '../institution.ts';
import { given } from '../spec/given.fixture.ts';
import { MemoryBook } from '../spec/memory-book.fixture.ts';
import { freeze } from './freeze.ts';
import {
  createInstitution,
  freezeInstitution,
  issueApiKey,
  revokeApiKey,
  unfreezeInstitution,
} from './institutions.ts';

const NEW = { institutionId: 'e', name: 'Bank D', creditLineSats: 500n };
const KEY = { keyId: 'k-1', institutionId: '', roles: ['operator'], label: 'first', secretSha256: 'ab' } as const;

describe('an institution', () => {
  it('is created once, with its credit line', () => {
    const world = given()
      .when({ type: 'create_institution', institution: NEW })
      .then('institution/e institution_created');
    expect(world.book.ledger.spendable({ kind: 'clearing', institutionId: 'e' })).toBe(500n);
    given()
      .when({ type: 'create_institution', institution: { ...NEW, institutionId: 'a' } })
      .refused('INSTITUTION_EXISTS');
  });

  it('is frozen once: the first reason stays', () => {
    const command = { type: 'freeze_institution', institutionId: 'a', reason: 'first' } as const;
    const world = given().when(command).then('institution/a institution_frozen');
    expect(world.tell({ ...command, reason: 'second' })).toBeUndefined();
    freeze(world.book, 'a', 'third');
    const frozen = world.book.institutions.get('a') as Extract<Institution, { status: 'frozen' }>;
    expect(frozen).toMatchObject({ status: 'frozen', reason: 'first' });
  });

  it('that nobody knows can’t be frozen, and nobody minds a freeze of the platform’s own', () => {
    given().when({ type: 'freeze_institution', institutionId: 'x', reason: '' }).refused('UNKNOWN_INSTITUTION');
    const book = new MemoryBook();
    freeze(book, 'platform', 'pool');
    expect(book.log).toEqual([]);
  });
});

describe('an API key', () => {
  it('of an operator needs no institution; any other must be known', () => {
    const book = new MemoryBook();
    expect(issueApiKey(book, KEY)).toMatchObject({ ok: true, value: { status: 'active', keyId: 'k-1' } });
    expect(issueApiKey(book, { ...KEY, keyId: 'k-2', institutionId: 'e' })).toMatchObject({
      ok: false,
      error: { reason: 'UNKNOWN_INSTITUTION' },
    });
    createInstitution(book, NEW);
    expect(issueApiKey(book, { ...KEY, keyId: 'k-2', institutionId: 'e' })).toMatchObject({ ok: true });
  });

  it('is revoked for good, once', () => {
    const book = new MemoryBook();
    issueApiKey(book, KEY);
    expect(revokeApiKey(book, 'k-1', 'lost')).toMatchObject({ ok: true, value: { status: 'revoked' } });
    const { length } = book.log;
    expect(revokeApiKey(book, 'k-1', 'again')).toMatchObject({ ok: true });
    expect(book.log).toHaveLength(length);
    expect((book.apiKeys.get('k-1') as Extract<ApiKey, { keyId: string }>).secretSha256).toBe('ab');
    expect(revokeApiKey(book, 'k-9', '')).toMatchObject({ ok: false, error: { reason: 'UNKNOWN_API_KEY' } });
  });
});

it('a freeze is taken back by hand, once, with the reason', () => {
  const book = new MemoryBook();
  expect(unfreezeInstitution(book, 'e', 'why')).toMatchObject({ ok: false, error: { reason: 'UNKNOWN_INSTITUTION' } });
  createInstitution(book, NEW);
  freezeInstitution(book, 'e', 'asked to');
  expect(unfreezeInstitution(book, 'e', 'looked at')).toMatchObject({
    ok: true,
    value: { status: 'active', reason: 'looked at' },
  });
  const { length } = book.log;
  expect(unfreezeInstitution(book, 'e', 'again')).toMatchObject({ ok: true, value: { reason: 'looked at' } });
  expect(book.log).toHaveLength(length);
});

it('a freeze by hand says who is frozen', () => {
  const book = new MemoryBook();
  createInstitution(book, NEW);
  expect(freezeInstitution(book, 'e', 'asked to')).toMatchObject({
    ok: true,
    value: { status: 'frozen', reason: 'asked to' },
  });
});
