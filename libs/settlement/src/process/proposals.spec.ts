import type { Instant, Sats } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import { describe, expect, it } from 'vitest';
import { proposalIdOf } from '../proposal.ts';
import { balance, CLEARING_A, funded, given } from '../spec/given.fixture.ts';
import { pledge, setTerms } from '../spec/credit.fixture.ts';
import { MemoryBook } from '../spec/memory-book.fixture.ts';
import { byTwo } from '../spec/proposals.fixture.ts';
import type { World } from '../spec/world.fixture.ts';
import type { Change } from './changes.ts';
import { PROPOSAL_VALID_MS } from './proposals.ts';

type Step = (world: World) => unknown;

const DAY_MS = 86_400_000;
const { now } = new MemoryBook();
const [SOON, LATE] = [(now + DAY_MS) as Instant, (now + 2 * DAY_MS) as Instant];
const by = { reason: 'reviewed', by: 'operator' };

const line = (creditLineSats: bigint, expiresAt?: Instant): Change => ({
  type: 'set_credit_line',
  request: { institutionId: 'a', creditLineSats, ...by, ...(expiresAt !== undefined && { expiresAt }) },
});
const proposed =
  (change: Change, who = 'operator'): Step =>
  (world) =>
    world.tell({ type: 'propose_change', proposal: { change, by: who, reason: 'as agreed' } });
const decided =
  (type: 'confirm_proposal' | 'reject_proposal', change: Change, who: string): Step =>
  (world) =>
    world.tell({ type, decision: { proposalId: proposalIdOf(change), by: who, reason: 'seen' } });
const confirmed = (change: Change, who = 'operator-2'): Step => decided('confirm_proposal', change, who);
const rejected = (change: Change, who = 'operator-2'): Step => decided('reject_proposal', change, who);
const agreed =
  (change: Change): Step =>
  (world) =>
    byTwo(world, change);
const later =
  (ms: number): Step =>
  (world) =>
    void (world.book.now = (world.book.now + ms) as Instant);
const PROPOSED = `proposal/${proposalIdOf(line(10_000n))}`;

const stateOf = (world: World, change: Change): unknown => world.book.proposals.get(proposalIdOf(change));

describe('what takes two operators', () => {
  it('moves nothing when one proposes it, and is done at once when another one confirms', () => {
    given()
      .when(proposed(line(10_000n)))
      .then(`${PROPOSED} change_proposed`);
    const world = given(proposed(line(10_000n)))
      .when(confirmed(line(10_000n)))
      .then('institution/a credit_line_set', 'unit_debt/BTC line_counted', `${PROPOSED} change_confirmed`);
    expect(world.book.ledger.spendable(CLEARING_A)).toBe(10_000n);
    expect(world.book.log.at(-1)?.event).toMatchObject({ proposedBy: 'operator', by: 'operator-2' });
    expect(world.book.log.at(-3)?.event).toMatchObject({ by: 'operator', confirmedBy: 'operator-2' });
  });

  it('is refused to the one who proposed it, and to whoever says it again', () => {
    const [ten, open] = [line(10_000n), proposed(line(10_000n))];
    given(open).when(confirmed(ten, 'operator')).refused('SAME_PERSON');
    given(open).when(proposed(ten, 'operator-2')).refused('ALREADY_PROPOSED');
    given(open, confirmed(ten)).when(confirmed(ten, 'operator-3')).refused('NOT_PROPOSED');
    given(open, confirmed(ten)).when(rejected(ten)).refused('NOT_PROPOSED');
    given().when(confirmed(ten)).refused('UNKNOWN_PROPOSAL');
  });

  it('is known by what it changes, not by who says it or why', () => {
    const request = { institutionId: 'a', creditLineSats: 10_000n, reason: 'another', by: 'another' };
    expect(proposalIdOf({ type: 'set_credit_line', request })).toBe(proposalIdOf(line(10_000n)));
    expect(proposalIdOf(line(10_001n))).not.toBe(proposalIdOf(line(10_000n)));
    expect(proposalIdOf(line(10_000n, 1 as Instant))).not.toBe(proposalIdOf(line(10_000n)));
  });

  it('is over after three days, or when somebody says no, and can be proposed anew', () => {
    const ten = line(10_000n);
    given(proposed(ten), later(PROPOSAL_VALID_MS)).when(confirmed(ten)).refused('PROPOSAL_EXPIRED');
    given(proposed(ten), later(PROPOSAL_VALID_MS - 1))
      .when(confirmed(ten))
      .then('institution/a credit_line_set', 'unit_debt/BTC line_counted', `${PROPOSED} change_confirmed`);
    const anew = given(proposed(ten), later(PROPOSAL_VALID_MS), proposed(ten, 'operator-2')).when(
      confirmed(ten, 'operator'),
    ).world;
    expect(stateOf(anew, ten)).toMatchObject({ status: 'confirmed', proposals: 2, proposedBy: 'operator-2' });
    const no = given(proposed(ten), rejected(ten, 'operator')).when(proposed(ten)).world;
    expect(stateOf(no, ten)).toMatchObject({ status: 'proposed', proposals: 2 });
    given(proposed(ten), rejected(ten)).when(confirmed(ten)).refused('NOT_PROPOSED');
  });

  it('is judged on what is so when it is confirmed; what doesn’t fit stays open', () => {
    const change = line(10_000n, SOON);
    given(proposed(change), later(DAY_MS)).when(confirmed(change)).refused('INVALID_ARGUMENT');
    given()
      .when(proposed(line(1n, 1 as Instant)))
      .refused('INVALID_ARGUMENT');
    const nobody: Change = { type: 'set_limits', request: { ...NO_LIMITS, institutionId: 'nobody' } };
    given().when(proposed(nobody)).refused('UNKNOWN_INSTITUTION');
    const release = released(3_000n);
    const gone = given(...contributed(), proposed(release), agreed(released(1_000n))).when(confirmed(release));
    const world = gone.refused('PLEDGE_NEEDED');
    expect(stateOf(world, release)).toMatchObject({ status: 'proposed' });
    expect(balance(world, CLEARING_A)).toEqual({ available: 3_000n });
  });
});

const FUND = 'default_fund';
const NO_LIMITS = { institutionId: 'a', limits: { transactions: [], windows: [] }, ...by, isOwn: false };
const released = (amountSats: bigint): Change => ({
  type: 'release_pledge',
  request: {
    pledgeId: `p-${amountSats}`,
    institutionId: 'a',
    pledge: FUND,
    unit: BTC,
    amount: amountSats,
    by: 'operator',
  },
});
const tiered = (approvals: number): Change => ({
  type: 'set_approval_policy',
  request: { institutionId: 'a', tiers: [{ aboveSats: 0n as Sats, approvals, areSigned: false }], ...by, isOwn: false },
});
const limited = (maxSats: bigint): Change => ({
  type: 'set_limits',
  request: { ...NO_LIMITS, limits: { transactions: [{ maxSats: maxSats as Sats }], windows: [] } },
});
const capped = (cap?: bigint): Change => ({
  type: 'set_debit_cap',
  request: { institutionId: 'a', unit: BTC, ...by, isOwn: false, ...(cap !== undefined && { cap }) },
});
const restricted = (isRestricted: boolean): Change => ({
  type: 'restrict_counterparties',
  request: { institutionId: 'a', isRestricted, ...by, isOwn: false },
});
const alone =
  (change: Change): Step =>
  (world) =>
    world.tell(change);
const terms =
  (haircutBps?: number, dueAfterMs?: number): Step =>
  (world) =>
    void setTerms(world, 'a', haircutBps, dueAfterMs);
const asked = (haircutBps?: number, dueAfterMs?: number): Change => ({
  type: 'set_credit_terms',
  request: {
    institutionId: 'a',
    terms: { ...(haircutBps !== undefined && { haircutBps }), ...(dueAfterMs !== undefined && { dueAfterMs }) },
    ...by,
  },
});

describe('one operator alone', () => {
  it.each<[string, Step[], Change]>([
    ['lends', [], line(1n)],
    ['lends more', [agreed(line(10n))], line(11n)],
    ['lends for longer', [agreed(line(10n, SOON))], line(10n, LATE)],
    ['lends for ever', [agreed(line(10n, SOON))], line(10n)],
    ['lends anew what is over', [agreed(line(10n, SOON)), later(DAY_MS)], line(10n, LATE)],
    ['asks for less collateral', [terms(2_000)], asked(1_999)],
    ['asks for no collateral', [terms(2_000)], asked()],
    ['waits for longer', [terms(undefined, 1_000)], asked(undefined, 1_001)],
    ['waits for ever', [terms(undefined, 1_000)], asked()],
    ['lets more be paid', [agreed(limited(10n))], limited(11n)],
    ['lets more be owed in a window', [agreed(capped(10n))], capped(11n)],
    ['takes a cap away', [agreed(capped(10n))], capped()],
    ['takes limits away', [agreed(limited(10n))], { type: 'set_limits', request: NO_LIMITS }],
    ['asks for fewer approvals', [agreed(tiered(2))], tiered(1)],
    ['frees from a list', [agreed(restricted(true))], restricted(false)],
    ['gives back what others rest on', contributed(), released(1n)],
  ])('never %s', (_what, history, change) => {
    given(...history)
      .when(alone(change))
      .refused('SECOND_PERSON_REQUIRED');
    const { world } = given(...history).when(agreed(change));
    expect(stateOf(world, change)).toMatchObject({ status: 'confirmed' });
  });

  it.each<[string, Step[], Change]>([
    ['lends less', [agreed(line(10n))], line(9n)],
    ['lends for a shorter time', [agreed(line(10n, LATE))], line(10n, SOON)],
    ['withdraws a line', [agreed(line(10n, SOON))], line(0n)],
    ['secures a line', [], asked(2_000)],
    ['asks for more collateral, and sooner', [terms(2_000, 1_000)], asked(2_001, 999)],
    ['caps what is owed in a window', [agreed(capped(10n))], capped(9n)],
    ['limits', [], limited(10n)],
    ['limits further', [agreed(limited(10n))], limited(9n)],
    ['asks for approvals', [], tiered(1)],
    ['binds to a list', [], restricted(true)],
  ])('%s at once', (_what, history, change) => {
    const { world } = given(...history).when(alone(change));
    expect(world.told.at(-1)!.refused).toBeUndefined();
  });
});

function contributed(): Step[] {
  return [funded('a', 'clearing', 5_000n), (world) => pledge(world, 'post_pledge', 'a', 3_000n, FUND)];
}
