import type { ScriptHex } from '@finality/bitcoin';
import type { Session } from '@finality/event-store';
import { type LivingSettlement, paidSats } from '@finality/settlement';
import type { ChainView } from './chain-view.ts';
import { type JournalEntry, payeeScripts, signerJournal } from './records.ts';

const UNPAID: readonly LivingSettlement['status'][] = ['rejected', 'failed', 'cancelled', 'expired'];

/** Nobody is paid twice, and nothing was ever signed that could make it so. */
export async function payoutProblems(
  session: Session,
  chain: ChainView,
  all: readonly LivingSettlement[],
  isEnd: boolean,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const scripts = await payeeScripts(session);
  const outputs = chain.outputsByScript();
  const journal = await signerJournal(session);
  for (const settlement of all) {
    const { terms, status } = settlement;
    const { settlementId } = terms;
    const payout = 'payout' in settlement ? settlement.payout : undefined;
    // Less what the payee bears of the fee.
    const amountSats = payout === undefined ? terms.amountSats : paidSats(terms, payout);
    if (terms.payee.kind === 'destination') {
      problems.push(...outsideProblems(settlement, terms.payee.script, { amountSats, outputs, journal, isEnd }));
      continue;
    }
    const own = scripts.get(settlementId) ?? [];
    const paid = own.flatMap((script) => outputs.get(script) ?? []);
    if (paid.length > 1)
      problems.push(
        `settlement ${settlementId} is paid ${paid.length} times: ${paid.map((o) => o.outpoint).join(', ')}`,
      );
    if (paid.some(({ valueSats }) => valueSats !== amountSats))
      problems.push(`settlement ${settlementId} is paid another amount than ${amountSats}`);
    if (!isEnd || terms.mode === 'centralized') continue;
    if (status === 'settled' && paid.length !== 1)
      problems.push(`settlement ${settlementId} is settled, and not paid on the chain`);
    if (UNPAID.includes(status) && (paid.length > 0 || own.some((script) => chain.isPendingTo(script))))
      problems.push(`settlement ${settlementId} is ${status}, and paid`);
  }
  if (isEnd) problems.push(...outsideCountProblems(all, outputs));
  return [...problems, ...exclusionProblems(journal, scripts), ...lineageProblems(journal)];
}

/** An address outside has been paid as often as settlements say so. */
function outsideCountProblems(
  all: readonly LivingSettlement[],
  outputs: ReturnType<ChainView['outputsByScript']>,
): readonly string[] {
  const paid = new Map<ScriptHex, number>();
  for (const { terms, status } of all) {
    if (terms.payee.kind !== 'destination') continue;
    const { script } = terms.payee;
    paid.set(script, (paid.get(script) ?? 0) + (status === 'settled' ? 1 : 0));
  }
  return [...paid].flatMap(([script, count]) => {
    const found = outputs.get(script)?.length ?? 0;
    return found === count ? [] : [`script ${script} is paid ${found} times, by ${count} settlements`];
  });
}

interface Paid {
  readonly amountSats: bigint;
  readonly outputs: ReturnType<ChainView['outputsByScript']>;
  readonly journal: readonly JournalEntry[];
  readonly isEnd: boolean;
}

/** An address outside is paid by many settlements: what is this one's is in a transaction that was signed for it. */
function outsideProblems(
  { terms: { settlementId }, status }: LivingSettlement,
  script: ScriptHex,
  { amountSats, outputs, journal, isEnd }: Paid,
): readonly string[] {
  const own = new Set<string>(
    journal.flatMap(({ settlementIds, txid }) => (settlementIds.includes(settlementId) ? [txid] : [])),
  );
  const there = (outputs.get(script) ?? []).filter(({ txid, valueSats }) => own.has(txid) && valueSats === amountSats);
  const txids = new Set(there.map(({ txid }) => txid));
  if (txids.size > 1) return [`settlement ${settlementId} is paid by ${[...txids].join(', ')}`];
  if (!isEnd || (status === 'settled') === (txids.size === 1)) return [];
  return status === 'settled' || UNPAID.includes(status)
    ? [`settlement ${settlementId} is ${status}, and paid outside ${txids.size} times`]
    : [];
}

/** All transactions ever offered for one payout exclude each other pairwise, by themselves or by what they need: one of them confirms at most (DESIGN 8). */
function exclusionProblems(
  journal: readonly JournalEntry[],
  scripts: ReadonlyMap<string, readonly ScriptHex[]>,
): readonly string[] {
  const problems: string[] = [];
  const known = new Set([...scripts.keys(), ...journal.flatMap(({ settlementIds }) => settlementIds)]);
  const byTxid = new Map(journal.map((entry) => [entry.txid, entry]));
  for (const settlementId of known) {
    const own = scripts.get(settlementId) ?? [];
    const paying = journal.filter(
      (entry) => entry.settlementIds.includes(settlementId) || own.some((script) => entry.scripts.has(script)),
    );
    if (!areExclusive(paying, byTxid)) problems.push(`settlement ${settlementId}: ${notExclusive(paying)}`);
  }
  return problems;
}

/** Of one lineage likewise, whether it pays anybody or writes a head of the ledger into the chain: a coin of its own is in all of them. */
function lineageProblems(journal: readonly JournalEntry[]): readonly string[] {
  const byTxid = new Map(journal.map((entry) => [entry.txid, entry]));
  return [...new Set(journal.map(({ lineageId }) => lineageId))].flatMap((lineageId) => {
    const versions = journal.filter((entry) => entry.lineageId === lineageId);
    return areExclusive(versions, byTxid) ? [] : [`lineage ${lineageId}: ${notExclusive(versions)}`];
  });
}

function areExclusive(entries: readonly JournalEntry[], byTxid: ReadonlyMap<string, JournalEntry>): boolean {
  const spent = entries.map((entry) => spentWith(entry, byTxid));
  return spent.every((one, i) => spent.slice(i + 1).every((other) => excludes(one, other)));
}

const notExclusive = (entries: readonly JournalEntry[]): string =>
  `transactions were signed that don't exclude each other: ${entries
    .map(({ lineageId, version, txid }) => `${txid.slice(0, 12)} (${lineageId} v${version})`)
    .join(', ')}`;

/** By outpoint, which transaction spends it: this one, or one of ours that it needs. */
function spentWith(entry: JournalEntry, byTxid: ReadonlyMap<string, JournalEntry>): ReadonlyMap<string, string> {
  const spent = new Map<string, string>();
  const needed = new Set([entry]);
  for (const { txid, inputs } of needed) {
    for (const outpoint of inputs) {
      spent.set(outpoint, txid);
      const parent = byTxid.get(outpoint.slice(0, 64));
      if (parent) needed.add(parent);
    }
  }
  return spent;
}

const excludes = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean =>
  [...one].some(([outpoint, txid]) => (other.get(outpoint) ?? txid) !== txid);
