import { assert } from '@finality/kernel';

/** A settlement that waits in its payer's line. */
export interface QueuedPayment {
  readonly settlementId: string;
  /** The clearing balance that pays, which is its line; and the one that is paid, in the same unit. */
  readonly from: string;
  readonly to: string;
  readonly amount: bigint;
  /** That it would fall into; needed only where there are caps. */
  readonly windowId?: string;
}

/** By clearing balance and window: what its owner may still owe there, net, where it has a cap; negative when it owes more by now. */
export type CapRoom = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

/** By clearing balance: what it can pay by itself, its credit line included; negative when more is drawn than it may. */
export type Headroom = ReadonlyMap<string, bigint>;

/**
 * Queued settlements that can be settled at once, all together, though none of their payers could pay the first of its line: what each pays is covered by what it can pay
 * by itself and what the others of the set pay it, and so, in each window where it has a cap, by what it may owe there and what the others pay it there.
 *
 * Lines are kept: of each payer the set has the first so many. Among all such sets in which no payer ends past its limit there is one that contains every other, and this is it
 * (Bech and Soramäki, "Gridlock resolution in interbank payment systems", Bank of Finland Discussion Papers 9/2001): begin with everything; while somebody is past its limit, take
 * the last of its line away. What is taken away is in no such set, by induction: the payer can't pay all of its line up to there with even everything that is left to be paid to it,
 * and any such set would pay it at most that; of a window's cap the same holds, whichever window the last of the line falls into, since lines are kept. So the order in which payers are looked at doesn't matter, and the result is one for each state.
 *
 * An exchange is in no such set, and a line ends before it: it takes from its maker what that has promised, not what it pays, so that of somebody past its limit there would be
 * more than one to take away, and not one set that contains every other.
 * @param lines of each payer in one unit, in the order in which it is to pay. Of one that is cut short, the rest waits.
 * @param headroom of every line
 * @param capRoom of every line whose payer has a cap
 * @returns in the order of `lines`; empty when nothing can be settled. Takes time proportional to the number of payments.
 */
export function resolveGridlock(
  lines: readonly (readonly QueuedPayment[])[],
  headroom: Headroom,
  capRoom: CapRoom = new Map(),
): readonly QueuedPayment[] {
  const parties = new Map(lines.map((line) => [payerOf(line), partyOf(line, headroom, capRoom)]));
  assert(parties.size === lines.length, 'each payer has one line in a unit');
  for (const payment of lines.flat()) {
    pays(parties.get(payment.from)!, payment, 1n);
    const payee = parties.get(payment.to);
    // Who pays nothing can't be past a limit of its own doing.
    if (payee !== undefined) isPaid(payee, payment, 1n);
  }
  const short = [...parties.values()];
  for (let party = short.pop(); party !== undefined; party = short.pop()) {
    while (isPastLimit(party) && party.taken > 0) {
      const last = party.line[--party.taken]!;
      pays(party, last, -1n);
      const payee = parties.get(last.to);
      if (payee === undefined) continue;
      isPaid(payee, last, -1n);
      short.push(payee);
    }
  }
  return [...parties.values()].flatMap(({ line, taken }) => line.slice(0, taken));
}

/** A payer, with what is left to it if so many of its line are settled with what is left of the others'. */
interface Party {
  readonly line: readonly QueuedPayment[];
  taken: number;
  net: bigint;
  /** By window; `payments`: how many of those taken fall into it. */
  readonly rooms: Map<string, { sats: bigint; payments: number }>;
}

function partyOf(line: readonly QueuedPayment[], headroom: Headroom, capRoom: CapRoom): Party {
  const payer = payerOf(line);
  const net = headroom.get(payer);
  assert(net !== undefined, `what ${payer} can pay is known`);
  const rooms = [...(capRoom.get(payer) ?? [])].map(([windowId, sats]) => [windowId, { sats, payments: 0 }] as const);
  return { line, taken: line.length, net, rooms: new Map(rooms) };
}

/** It pays one more of its line, or, with -1, one less. */
function pays(party: Party, { windowId = '', amount }: QueuedPayment, times: 1n | -1n): void {
  party.net -= times * amount;
  const room = party.rooms.get(windowId);
  if (room === undefined) return;
  room.sats -= times * amount;
  room.payments += Number(times);
}

/** One more is paid to it, or, with -1, one less. */
function isPaid(party: Party, { windowId = '', amount }: QueuedPayment, times: 1n | -1n): void {
  party.net += times * amount;
  const room = party.rooms.get(windowId);
  if (room !== undefined) room.sats += times * amount;
}

/** What it owes too much in a window into which it pays nothing is none of its line's doing. */
const isPastLimit = ({ net, rooms }: Party): boolean =>
  net < 0n || [...rooms.values()].some(({ sats, payments }) => sats < 0n && payments > 0);

function payerOf(line: readonly QueuedPayment[]): string {
  const [first] = line;
  assert(first !== undefined, 'a line has somebody in it');
  assert(
    line.every(({ from }) => from === first.from),
    'a line is one payer’s',
  );
  return first.from;
}
