import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { proposalIdOf } from '../proposal.ts';
import type { Command } from '../spec/commands.fixture.ts';
import { funded, given } from '../spec/given.fixture.ts';
import { firstKey } from '../spec/memory-book.fixture.ts';
import { byTwo } from '../spec/proposals.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { NewApiKey } from './api-keys.ts';
import type { Change } from './changes.ts';
import { KEY_WAITS_MS } from './second-person.ts';

type Step = (world: World) => unknown;

const key = (keyId: string, institutionId = ''): NewApiKey => ({ ...firstKey(keyId), institutionId });
const issue = (made: NewApiKey, confirmedBy?: string): Change & Command => ({
  type: 'issue_api_key',
  request: { key: made, reason: 'hired', by: 'operator', ...(confirmedBy !== undefined && { confirmedBy }) },
});
const issued =
  (keyId: string): Step =>
  (world) =>
    byTwo(world, issue(key(keyId)));
const later =
  (ms: number): Step =>
  (world) =>
    void (world.book.now = (world.book.now + ms) as Instant);
const revoked =
  (keyId: string): Step =>
  (world) =>
    world.tell({ type: 'revoke_api_key', keyId, reason: 'lost' });
const line: Change = {
  type: 'set_credit_line',
  request: { institutionId: 'a', creditLineSats: 10n, reason: 'reviewed', by: 'operator' },
};
const proposed =
  (by: string): Step =>
  (world) =>
    world.tell({ type: 'propose_change', proposal: { change: line, by, reason: 'reviewed' } });
const confirmed =
  (by: string): Step =>
  (world) =>
    world.tell({ type: 'confirm_proposal', decision: { proposalId: proposalIdOf(line), by, reason: 'seen' } });

describe('an API key', () => {
  it.each([key('k-1'), key('k-1', 'a'), { ...key('k-1'), roles: ['compliance'] as const }])(
    'is issued by two, whatever it may do (%#)',
    (made) => {
      given().when(issue(made)).refused('SECOND_PERSON_REQUIRED');
      const world = given().when(issue(made, 'operator-2')).then('api_key/k-1 api_key_issued');
      const by = { by: 'operator', confirmedBy: 'operator-2', reason: 'hired' };
      expect(world.book.apiKeys.get('k-1')).toMatchObject({ status: 'active', ...made, issued: by });
      const agreed = given().when((it: World) => byTwo(it, issue(made)));
      expect(agreed.world.book.apiKeys.get('k-1')).toMatchObject({ status: 'active', issued: by });
    },
  );

  it('has an id that no other has, and an institution that is known', () => {
    const again = issue({ ...key('k-1'), secretSha256: 'cd' });
    given(issued('k-1'))
      .when((it) => byTwo(it, again))
      .refused('API_KEY_EXISTS');
    given()
      .when((it) => byTwo(it, issue(key('k-1', 'nobody'))))
      .refused('UNKNOWN_INSTITUTION');
  });

  it('that somebody proposed and another one has taken meanwhile isn’t issued', () => {
    const [one, other] = [issue(key('k-1')), issue({ ...key('k-1'), label: 'other' })];
    const wanted: Step = (it) =>
      it.tell({ type: 'propose_change', proposal: { change: one, by: 'operator', reason: '' } });
    given(wanted, (it) => byTwo(it, other))
      .when({ type: 'confirm_proposal', decision: { proposalId: proposalIdOf(one), by: 'operator-2', reason: '' } })
      .refused('API_KEY_EXISTS');
  });

  it('is revoked by one person, at once and for good', () => {
    const world = given(issued('k-1')).when(revoked('k-1')).then('api_key/k-1 api_key_revoked');
    expect(world.book.apiKeys.get('k-1')).toMatchObject({ status: 'revoked', secretSha256: 'ab' });
    given(issued('k-1'), revoked('k-1')).when(revoked('k-1')).then();
    given().when(revoked('k-9')).refused('UNKNOWN_API_KEY');
    const back = given(issued('k-1'), revoked('k-1')).when((it: World) => byTwo(it, issue(key('k-1'))));
    back.refused('API_KEY_EXISTS');
  });
});

describe('the first keys', () => {
  it('are there without anybody who issued them; again, they change nothing', () => {
    const first = { type: 'register_first_key', key: key('k-1') } as const;
    given().when(first).then('api_key/k-1 api_key_issued');
    given((it) => it.tell(first))
      .when(first)
      .then();
    const stays = given((it) => it.tell(first), revoked('k-1')).when(first);
    expect(stays.then().book.apiKeys.get('k-1').status).toBe('revoked');
    given((it) => it.tell(first))
      .when({ ...first, key: { ...first.key, secretSha256: 'cd' } })
      .refused('API_KEY_EXISTS');
  });
});

describe('a key that two have issued', () => {
  it('takes neither step of what takes two until others have had three days to see it', () => {
    given(issued('k-1'), proposed('operator')).when(confirmed('k-1')).refused('KEY_TOO_NEW');
    given(issued('k-1')).when(proposed('k-1')).refused('KEY_TOO_NEW');
    const almost = later(KEY_WAITS_MS - 1);
    given(issued('k-1'), almost, proposed('operator')).when(confirmed('k-1')).refused('KEY_TOO_NEW');
    const old = [issued('k-1'), later(KEY_WAITS_MS)];
    const done = [
      'institution/a credit_line_set',
      'unit_debt/BTC line_counted',
      `proposal/${proposalIdOf(line)} change_confirmed`,
    ];
    given(...old, proposed('operator'))
      .when(confirmed('k-1'))
      .then(...done);
    given(...old, proposed('k-1'))
      .when(confirmed('operator'))
      .then(...done);
  });

  it('says no at once', () => {
    const reject = {
      type: 'reject_proposal',
      decision: { proposalId: proposalIdOf(line), by: 'k-1', reason: '' },
    } as const;
    given(issued('k-1'), proposed('operator'))
      .when(reject)
      .then(`proposal/${proposalIdOf(line)} change_rejected`);
  });

  it('takes no step any more once it is revoked, however late others learn of it', () => {
    const old = [issued('k-1'), later(KEY_WAITS_MS)];
    given(...old, proposed('operator'), revoked('k-1'))
      .when(confirmed('k-1'))
      .refused('KEY_REVOKED');
    given(...old, revoked('k-1'))
      .when(proposed('k-1'))
      .refused('KEY_REVOKED');
  });

  it.each<[string, Step[], Command]>([
    ['coins', [], { type: 'release_coins', request: { lineageId: 's-1', by: 'k-1', reason: '' } }],
    [
      'suspense',
      [funded('a', 'clearing', 100n)],
      {
        type: 'resolve_suspense',
        request: { outpoint: 'x:0', institutionId: 'a', by: 'k-1', reason: '', evidence: '' },
      },
    ],
  ])('isn’t asked about %s either', (_what, history, command) => {
    given(issued('k-1'), ...history)
      .when(command)
      .refused('KEY_TOO_NEW');
  });
});
