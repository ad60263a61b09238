import { describe, expect, it } from 'vitest';
import type { Institution } from '../institution.ts';
import { given } from '../spec/given.fixture.ts';
import type { Command } from '../spec/commands.fixture.ts';
import { MemoryBook } from '../spec/memory-book.fixture.ts';
import { proposalIdOf } from '../proposal.ts';
import { byTwo } from '../spec/proposals.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { Change } from './changes.ts';
import { freeze } from './freeze.ts';
import { createInstitution, freezeInstitution } from './institutions.ts';

const NEW = { institutionId: 'e', name: 'Bank D', creditLineSats: 500n };

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

it('a freeze by hand says who is frozen', () => {
  const book = new MemoryBook();
  createInstitution(book, NEW);
  expect(freezeInstitution(book, 'e', 'asked to')).toMatchObject({
    ok: true,
    value: { status: 'frozen', reason: 'asked to' },
  });
});

describe('a frozen institution', () => {
  const unfreeze = (institutionId = 'a', confirmedBy?: string): Extract<Command, { type: 'unfreeze_institution' }> => ({
    type: 'unfreeze_institution',
    request: {
      ...{ institutionId, reason: 'looked at', by: 'operator', althoughOwing: false },
      ...(confirmedBy !== undefined && { confirmedBy }),
    },
  });
  const frozen = (world: World): unknown =>
    world.tell({ type: 'freeze_institution', institutionId: 'a', reason: 'asked to' });

  it('is active again when two say so, with the reason', () => {
    given(frozen).when(unfreeze()).refused('SECOND_PERSON_REQUIRED');
    const world = given(frozen).when(unfreeze('a', 'operator-2')).then('institution/a institution_unfrozen');
    expect(world.book.institutions.get('a')).toMatchObject({ status: 'active', reason: 'looked at' });
    expect(world.book.log.at(-1)?.event).toMatchObject({ by: 'operator', confirmedBy: 'operator-2', isOwing: false });
    const again = given(frozen).when((it) => byTwo(it, unfreeze()));
    again.then(
      ...[`${proposalOf(unfreeze())} change_proposed`, 'institution/a institution_unfrozen'],
      `${proposalOf(unfreeze())} change_confirmed`,
    );
  });

  it('is what is unfrozen, and nobody else', () => {
    given().when(unfreeze('a', 'operator-2')).refused('NOT_FROZEN');
    given()
      .when((it) => byTwo(it, unfreeze('x')))
      .refused('UNKNOWN_INSTITUTION');
  });
});

const proposalOf = (change: Change): string => `proposal/${proposalIdOf(change)}`;
