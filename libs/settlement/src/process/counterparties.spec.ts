import type { Instant } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { COUNTERPARTIES_MAX, type PaymentRulesState } from '../payment-rules.ts';
import { funded, given, lastOf, paying, settlementOf, submitted } from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import { counterpartyRefusal } from './counterparties.ts';

const COOLING_MS = POLICY.counterpartyCoolingMs;
const restricted =
  (isRestricted = true, isOwn = true, institutionId = 'a') =>
  (world: World): string | undefined => {
    const both = isOwn ? { by: 'k' } : { by: 'o', confirmedBy: 'p' };
    const request = { institutionId, isRestricted, isOwn, reason: 'because', ...both };
    return world.tell({ type: 'restrict_counterparties', request });
  };
const listed =
  (type: 'allow_counterparty' | 'remove_counterparty', counterpartyId: string, institutionId = 'a') =>
  (world: World): string | undefined =>
    world.tell({ type, request: { institutionId, counterpartyId, by: 'k' } });
const allowed = (id: string) => listed('allow_counterparty', id);
const removed = (id: string) => listed('remove_counterparty', id);
const later = (ms: number) => (world: World) => void (world.book.now = (world.book.now + ms) as Instant);
const asked =
  (to: string, executeMs?: number) =>
  (world: World): string | undefined => {
    const told = world.told.length;
    world.submit('centralized', 'a', to, 1_000n, {
      ...(executeMs !== undefined && { executeAt: (world.book.now + executeMs) as Instant }),
    });
    return world.told[told]!.refused;
  };

describe('an institution with a list', () => {
  it('pays nobody who isn’t on it', () => {
    given(restricted()).when(asked('b')).refused('COUNTERPARTY_NOT_ALLOWED');
    given(restricted(), allowed('c'), later(COOLING_MS)).when(asked('b')).refused('COUNTERPARTY_NOT_ALLOWED');
  });

  it('pays who is on it when the cooling time has passed, and says when that is', () => {
    const { world } = given(restricted()).when(allowed('b'), later(COOLING_MS - 1));
    expect(asked('b')(world)).toBe('COUNTERPARTY_NOT_ALLOWED');
    const refused = counterpartyRefusal(world.book, { from: 'a', to: 'b' })!;
    expect(refused).toMatchObject({ retryable: true, fields: [{ field: 'to_institution' }] });
    expect(Number(refused.details!['allowed_from'])).toBe(Math.ceil((world.book.now + 1) / 1_000));
    later(1)(world);
    expect(asked('b')(world)).toBeUndefined();
  });

  it('pays who was taken off it no more, at once; put on it again, he cools again', () => {
    const { world } = given(restricted(), allowed('b'), later(COOLING_MS)).when(asked('b'), removed('b'));
    expect(asked('b')(world)).toBe('COUNTERPARTY_NOT_ALLOWED');
    allowed('b')(world);
    expect(asked('b')(world)).toBe('COUNTERPARTY_NOT_ALLOWED');
    later(COOLING_MS)(world);
    expect(asked('b')(world)).toBeUndefined();
  });

  it('is paid by anyone', () => {
    const { world } = given(restricted()).when(submitted('centralized', 1_000n, 'b', 'a'));
    expect(settlementOf(world).status).toBe('screening');
  });

  it('is judged again when what was scheduled falls due', () => {
    const { world } = given(restricted(), allowed('b'), later(COOLING_MS)).when(
      asked('b', 60_000),
      removed('b'),
      later(60_000),
      (it) => it.withdraw(lastOf(it), 'fall_due'),
    );
    expect(settlementOf(world)).toMatchObject({ status: 'failed' });
    expect(settlementOf(world).transitions.at(-1)!.reason).toContain("b isn't on it");
  });

  it('pays back who has paid it', () => {
    const { world } = given(funded('b', 'clearing', 50_000n), restricted()).when(
      submitted('centralized', 20_000n, 'b', 'a'),
      ...paying.slice(0, 1),
    );
    const reversal = world.reverse(lastOf(world), 20_000n);
    expect(settlementOf(world, reversal).status).toBe('screening');
  });

  it('binds itself, and is freed by an operator', () => {
    given(restricted()).when(restricted(false)).refused('OPERATOR_REQUIRED');
    const { world } = given(restricted()).when(restricted(false, false));
    expect(asked('b')(world)).toBeUndefined();
  });
});

it('a list cools before it is in force, too', () => {
  const { world } = given(allowed('b'), later(COOLING_MS)).when(restricted());
  expect(asked('b')(world)).toBeUndefined();
  expect(asked('c')(world)).toBe('COUNTERPARTY_NOT_ALLOWED');
});

it('the same again changes nothing', () => {
  given(restricted(), allowed('b'))
    .when(restricted(), later(COOLING_MS / 2), allowed('b'))
    .then();
  given().when(restricted(false)).then();
});

it.each([
  ['of nobody', restricted(true, true, 'nobody'), 'UNKNOWN_INSTITUTION'],
  ['of nobody', listed('allow_counterparty', 'b', 'nobody'), 'UNKNOWN_INSTITUTION'],
  ['with nobody', allowed('nobody'), 'UNKNOWN_INSTITUTION'],
  ['without him', removed('b'), 'UNKNOWN_COUNTERPARTY'],
] as const)('a list %s is refused', (_what, step, reason) => {
  given().when(step).refused(reason);
});

it('a list is full at some time', () => {
  const { world } = given().when(allowed('b'));
  const state = world.book.paymentRules.get('a') as Extract<PaymentRulesState, { status: 'set' }>;
  for (let i = state.counterparties.length; i < COUNTERPARTIES_MAX; i++) {
    const event = { type: 'counterparty_allowed', at: world.book.now, institutionId: 'a', by: 'k' } as const;
    world.book.paymentRules.record('a', { ...event, counterpartyId: `other-${i}`, allowedFrom: world.book.now });
  }
  expect(allowed('c')(world)).toBe('TOO_MANY_COUNTERPARTIES');
});
