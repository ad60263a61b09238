import { decodeJson, encodeJson } from '@finality/kernel';
import { type ChainOutput, type ChainView, compare, type Journal, type LedgerCut } from '@finality/reconciliation';
import {
  bankBookingAggregate,
  depositAggregate,
  institutionAggregate,
  isDead,
  type Lineage,
  lineageAggregate,
  type OfferedLineage,
  type OfferedVersion,
  paidSats,
  quoteAggregate,
  rateAggregate,
  type Settlement,
  settlementAggregate,
  tipHash,
  unitDebtAggregate,
  windowAggregate,
} from '@finality/settlement';
import { WALLETS } from '@finality/settlement/spec';
import type { SimulatedWorld } from './world.fixture.ts';

/** Reconciliation finds nothing that what is on its way doesn't explain. */
export function reconcile(world: SimulatedWorld): void {
  const cut = cutOf(world);
  const { breaks } = compare(cut, chainOf(world, cut.settlements), journalOf(world));
  const [first] = breaks;
  if (first !== undefined)
    throw new Error(`${breaks.length} breaks, the first: ${first.kind} ${first.subject}, ${first.description}`);
}

function cutOf({ book }: SimulatedWorld): LedgerCut {
  const tip = book.tip.get();
  const coins = WALLETS.flatMap(({ walletId }) => book.coins.ofWallet(walletId));
  return {
    position: BigInt(book.log.length),
    height: tip.height,
    blockHash: tipHash(tip),
    accounts: book.ledger.accounts().map(({ id, unit, debitsPosted, creditsPosted }) => {
      return { account: id, unit, debits: debitsPosted, credits: creditsPosted };
    }),
    coins: coins
      .filter(({ height, spentBy }) => height !== undefined && spentBy === undefined)
      .map(({ outpoint, walletId, valueSats, script }) => ({ outpoint, walletId, valueSats, script })),
    settlements: book.settlements.all().flatMap(settlementOf),
    transactions: book.lineages.all().flatMap(transactionsOf),
  };
}

function settlementOf(settlement: Settlement): LedgerCut['settlements'] {
  if (settlement.status === 'none') return [];
  const { terms, status } = settlement;
  const payout = 'payout' in settlement ? settlement.payout : undefined;
  if (payout === undefined && terms.mode !== 'centralized') return [];
  const amountSats = payout === undefined ? terms.amountSats : paidSats(terms, payout);
  const { settlementId, mode } = terms;
  return [{ settlementId, status, mode, amountSats, payeeOutpoint: payout?.outpoint ?? '' }];
}

function transactionsOf(lineage: Lineage): LedgerCut['transactions'] {
  if (!('versions' in lineage)) return [];
  const { lineageId } = lineage;
  return lineage.versions.map((each) => {
    return { lineageId, version: each.version, txid: each.txid, status: statusOf(lineage, each) };
  });
}

function statusOf(lineage: OfferedLineage, version: OfferedVersion): string {
  const isInBlock = lineage.inBlock?.version === version.version;
  if (lineage.status === 'final' && isInBlock) return 'final';
  if (lineage.status !== 'offered' || isDead(version, lineage)) return 'dead';
  if (isInBlock) return 'confirmed';
  return version.signedHex === undefined ? 'offered' : 'signed';
}

/** All outputs of our wallets, and those that settlements name, read from the blocks that the ledger has consumed. */
function chainOf({ consumed: { chain, watched } }: SimulatedWorld, settlements: LedgerCut['settlements']): ChainView {
  const named = new Set(settlements.map(({ payeeOutpoint }) => payeeOutpoint));
  const { made, spentBy } = chain.confirmed();
  const outputs = [...new Set(made.values())].flatMap((tx) =>
    tx.outputs.flatMap(({ vout, script, valueSats }): readonly ChainOutput[] => {
      const outpoint = `${tx.txid}:${vout}`;
      const walletId = watched.get(script);
      if (valueSats === 0n || (walletId === undefined && !named.has(outpoint))) return [];
      // What was paid to others is none of ours, spent or not.
      const spent = walletId === undefined || spentBy.has(outpoint);
      return [{ outpoint, walletId: walletId ?? '', valueSats, script, spent }];
    }),
  );
  return { height: chain.tip.height, blockHash: chain.tip.hash, outputs };
}

function journalOf({ vouched }: SimulatedWorld): Journal {
  const entries = vouched.map(({ request: { lineageId, version }, txid }, i) => {
    return { position: BigInt(i + 1), lineageId, version, txid };
  });
  return { endBeforeCut: BigInt(entries.length), entries };
}

/** The events, as they would be read from a store, make the states that were decided on. */
export function replay({ book }: SimulatedWorld): void {
  const { settlements, lineages, deposits, institutions, windows, bankBookings, rates, quotes } = book;
  const kinds = [
    [settlementAggregate, settlements],
    [lineageAggregate, lineages],
    [depositAggregate, deposits],
    [institutionAggregate, institutions],
    [windowAggregate, windows],
    [bankBookingAggregate, bankBookings],
    [rateAggregate, rates],
    [quoteAggregate, quotes],
    [unitDebtAggregate, book.unitDebts],
  ] as const;
  const states = new Map<string, unknown>();
  for (const { stream, event } of book.log) {
    const name = stream.slice(0, stream.indexOf('/'));
    const kind = kinds.find(([aggregate]) => aggregate.name === name);
    if (kind === undefined) continue;
    const { initialState, evolve } = kind[0] as {
      initialState: unknown;
      evolve(state: unknown, event: unknown): unknown;
    };
    states.set(stream, evolve(states.get(stream) ?? initialState, decodeJson(encodeJson(event))));
  }
  for (const [aggregate, records] of kinds)
    for (const id of records.ids()) {
      const found = encodeJson(states.get(`${aggregate.name}/${id}`));
      if (found !== encodeJson(records.get(id))) throw new Error(`the events of ${aggregate.name}/${id} make ${found}`);
    }
}
