import { assert } from '@finality/kernel';

/** A settlement that waits in its payer's line. */
export interface QueuedPayment {
  readonly settlementId: string;
  /** The clearing balance that pays, which is its line; and the one that is paid, in the same unit. */
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
}

/** By clearing balance: what it can pay by itself, its credit line included; negative when more is drawn than it may. */
export type Headroom = ReadonlyMap<string, bigint>;

/**
 * Queued settlements that can be settled at once, all together, though none of their payers could pay the first of its line: what each pays is covered by what it can pay
 * by itself and what the others of the set pay it.
 *
 * Lines are kept: of each payer the set has the first so many. Among all such sets in which no payer ends past its limit there is one that contains every other, and this is it
 * (Bech and Soramäki, "Gridlock resolution in interbank payment systems", Bank of Finland Discussion Papers 9/2001): begin with everything; while somebody is past its limit, take
 * the last of its line away. What is taken away is in no such set, by induction: the payer can't pay all of its line up to there with even everything that is left to be paid to it,
 * and any such set would pay it at most that. So the order in which payers are looked at doesn't matter, and the result is one for each state.
 *
 * An exchange is in no such set, and a line ends before it: it takes from its maker what that has promised, not what it pays, so that of somebody past its limit there would be
 * more than one to take away, and not one set that contains every other.
 * @param lines of each payer in one unit, in the order in which it is to pay. Of one that is cut short, the rest waits.
 * @param headroom of every line
 * @returns in the order of `lines`; empty when nothing can be settled. Takes time proportional to the number of payments.
 */
export function resolveGridlock(
  lines: readonly (readonly QueuedPayment[])[],
  headroom: Headroom,
): readonly QueuedPayment[] {
  const parties = new Map(lines.map((line) => [payerOf(line), { line, taken: line.length, net: 0n }]));
  assert(parties.size === lines.length, 'each payer has one line in a unit');
  for (const [payer, party] of parties) {
    const own = headroom.get(payer);
    assert(own !== undefined, `what ${payer} can pay is known`);
    party.net += own;
  }
  for (const { from, to, amount } of lines.flat()) {
    parties.get(from)!.net -= amount;
    const payee = parties.get(to);
    // Who pays nothing can't be past a limit of its own doing.
    if (payee !== undefined) payee.net += amount;
  }
  const short = [...parties.values()];
  for (let party = short.pop(); party !== undefined; party = short.pop()) {
    while (party.net < 0n && party.taken > 0) {
      const { to, amount } = party.line[--party.taken]!;
      party.net += amount;
      const payee = parties.get(to);
      if (payee === undefined) continue;
      payee.net -= amount;
      short.push(payee);
    }
  }
  return [...parties.values()].flatMap(({ line, taken }) => line.slice(0, taken));
}

function payerOf(line: readonly QueuedPayment[]): string {
  const [first] = line;
  assert(first !== undefined, 'a line has somebody in it');
  assert(
    line.every(({ from }) => from === first.from),
    'a line is one payer’s',
  );
  return first.from;
}
