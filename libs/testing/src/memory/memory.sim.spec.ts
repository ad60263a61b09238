import { describe, expect, it } from 'vitest';
import { MEMORY_PROTECTIONS, type MemoryProtection } from './protections.fixture.ts';
import { memoryReport } from './report.fixture.ts';
import { MEMORY_STEPS } from './seeds.fixture.ts';
import { type MemoryResult, simulateInMemory } from './simulation.fixture.ts';

/** With a protection switched off, one of so many seeds has to break what it protects. */
const SEEDS_MAX = 60;
const steps = MEMORY_STEPS;

describe('a simulation in memory', () => {
  it('does the same for the same seed, and something else for another', () => {
    const [once, again, other] = [77, 77, 78].map((seed) => simulateInMemory({ seed, steps }));
    expect(again!.digest).toBe(once!.digest);
    expect(other!.digest).not.toBe(once!.digest);
  });
});

/** By the promise that is broken first, or where the deciders stop at what ought to be impossible. */
const BITES: Readonly<Record<MemoryProtection, RegExp>> = {
  inbox: /^(coins are the chain’s|balances are what the states say)/,
  'acknowledge-last': /^(coins are the chain’s|everything comes to an end)/,
  outbox: /^everything comes to an end/,
  'answer-last': /^what callers were told stays true: .* was accepted, and isn't there/,
  idempotency: /^a request is carried out once/,
  'append-lock': /^an address is given once/,
  'one-writer': /^limits of accounts: .* is overdrawn/,
  'limit-check': /^limits of accounts: .* is overdrawn/,
  'life-in-transfer-ids': /^balances are what the states say/,
  'declared-outputs': /^what is ours is nobody else’s doing/,
  'coin-claims': /^claims and versions/,
  'window-in-place': /^netting positions/,
  confirmations: /^deposits are credited when they are deep enough/,
  freeze: /^limits of accounts: .* is overdrawn/,
  'reorg-depth': /^a deep reorg stops what would be final/,
  timers: /^what has an end ends/,
  'linked-legs': /^balances are what the states say/,
  'quote-used-once': /^(quotes|a bug, or what ought to be impossible: .*a quote that is used)/,
  'quote-ends': /^quotes: .*(ends with its quote|is settled in time)/,
  'positions-of-all-legs': /^netting positions/,
  'replacement-fee': /^what is signed is relayed/,
  anchor: /^transactions vouched for exclude each other/,
  'signer-journal': /^transactions vouched for exclude each other/,
  'hand-out-journal': /^transactions vouched for exclude each other/,
  'journal-before-hand-out': /^what was handed out is in the journal/,
};

describe('a simulation in memory bites', () => {
  it.each(MEMORY_PROTECTIONS)('without the %s', (without) => {
    let found: MemoryResult | undefined;
    for (let seed = 1; seed <= SEEDS_MAX && found === undefined; seed++) {
      const result = simulateInMemory({ seed, steps, without });
      if (result.problems.some((problem) => BITES[without].test(problem))) found = result;
    }
    expect(found, `${SEEDS_MAX} seeds broke no ${BITES[without]}`).toBeDefined();
    const { seed } = found!;
    expect(memoryReport(found!)).toContain(
      `npm run sim -- --memory --seed ${seed} --steps ${steps} --without ${without}`,
    );
    expect(simulateInMemory({ seed, steps }).problems).toEqual([]);
  });
});
