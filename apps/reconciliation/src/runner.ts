import type { ledgerV1, signingV1 } from '@finality/contracts';
import { NodeError } from '@finality/bitcoin-node';
import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import {
  type ChainView,
  compare,
  type Comparison,
  type Cut,
  type Journal,
  type JournalRecord,
  type LedgerCut,
} from '@finality/reconciliation';
import { indexedBlocks, indexTip, outputsAt, placesOfScripts } from './projections/chain-index.projection.ts';
import { uncoveredWallets } from './projections/wallets.projection.ts';
import { snapshot } from './outbound/pool-session.ts';
import type { JournalPort, LedgerPort } from './tokens.ts';
import type { WorkContext } from './workers/context.ts';
import type { DeriveScripts } from './workers/derive-scripts.worker.ts';
import type { FollowIndex } from './workers/follow-index.worker.ts';

/** Cuts tried: each time a block leaves the chain meanwhile, or the ledger has seen one that our node hasn't. */
const CUTS_MAX = 10;
const CUT_RETRY_MS = 300;
/** Of these, as many wait for addresses that we may not have been told of yet. What is still unknown then isn't ours: a break. */
const CUTS_PATIENT = 5;
/** Steps of the index in one run: 2,500 blocks behind, the rest has to be there already. */
const INDEX_STEPS_MAX = 100;
const JOURNAL_PAGE = 1_000;
/** Ten million signatures. */
const JOURNAL_PAGES_MAX = 10_000;
const CUSTODY = 'custody/';

export interface RunnerOptions {
  readonly context: WorkContext;
  readonly ledger: LedgerPort;
  readonly signer: JournalPort;
  readonly index: FollowIndex;
  readonly scripts: DeriveScripts;
}

/** Takes a cut and compares what everybody says at it. Changes nothing but the index. */
export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** A refusal says what hasn't caught up: trying again later can help. */
  async run(): Promise<Result<{ readonly cut: Cut; readonly comparison: Comparison }, Refusal>> {
    const { ledger, context } = this.#options;
    let reason = '';
    for (let attempt = 0; attempt < CUTS_MAX; attempt++) {
      if (attempt > 0) await context.runtime.sleep(CUT_RETRY_MS);
      const endBeforeCut = await this.#journalEnd();
      const cut = cutOf(await ledger.getLedgerCut({}));
      const chain = await this.#chainAt(cut, attempt < CUTS_PATIENT);
      if (typeof chain === 'string') {
        reason = chain;
        continue;
      }
      const journal: Journal = { endBeforeCut, entries: await this.#journal() };
      const { position, height, blockHash } = cut;
      const fixed = { ledgerPosition: position, height, blockHash, signerJournalPosition: endBeforeCut };
      return ok({ cut: fixed, comparison: compare(cut, chain, journal) });
    }
    return err(refusal('unavailable', 'NO_COMMON_CUT', `no cut could be compared: ${reason}`, { retryable: true }));
  }

  /** The chain at exactly the cut's block, or why it can't be seen. */
  async #chainAt(cut: LedgerCut, isPatient: boolean): Promise<ChainView | string> {
    const { context } = this.#options;
    const { height, blockHash } = cut;
    if (blockHash === '') return { height, blockHash, outputs: [] };
    const problem = await this.#catchUp(cut);
    if (problem !== undefined) return problem;
    const scripts = cut.coins.flatMap(({ script }) => (script === '' ? [] : [script]));
    const known = await placesOfScripts(context.session, scripts);
    const unknown = scripts.find((script) => !known.has(script));
    if (isPatient && unknown !== undefined) return `the address with script ${unknown} hasn't been announced to us yet`;
    const named = [...cut.coins.map((coin) => coin.outpoint), ...cut.settlements.map((s) => s.payeeOutpoint)];
    return snapshot(context.pool, async (session) => {
      const [block] = await indexedBlocks(session, height, height);
      if (block?.hash !== blockHash)
        return `the node has ${block?.hash ?? 'nothing'} at ${height}, the cut ${blockHash}`;
      return { height, blockHash, outputs: await outputsAt(session, height, named) };
    });
  }

  async #catchUp(cut: LedgerCut): Promise<string | undefined> {
    const { context, index, scripts } = this.#options;
    const wallets = cut.accounts
      .filter(({ account }) => account.startsWith(CUSTODY))
      .map(({ account }) => account.slice(CUSTODY.length));
    for (let step = 0; step < INDEX_STEPS_MAX; step++) {
      if ((await scripts.step()) === 'idle') break;
    }
    const [uncovered] = await uncoveredWallets(context.session, wallets);
    if (uncovered !== undefined) return `wallet ${uncovered} hasn't been announced to us yet`;
    try {
      for (let step = 0; step < INDEX_STEPS_MAX; step++) {
        if ((await index.follow()) === 'idle') break;
      }
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      return error.message;
    }
    const tip = await indexTip(context.session);
    return (tip?.height ?? -1) < cut.height
      ? `our node is at ${tip?.height ?? 'no block'}, the ledger at ${cut.height}`
      : undefined;
  }

  async #journalEnd(): Promise<bigint> {
    return (await this.#options.signer.listJournal({ afterPosition: 0n, pageSize: 1 })).lastPosition;
  }

  async #journal(): Promise<readonly JournalRecord[]> {
    const entries: JournalRecord[] = [];
    let after = 0n;
    for (let page = 0; page < JOURNAL_PAGES_MAX; page++) {
      const answer = await this.#options.signer.listJournal({ afterPosition: after, pageSize: JOURNAL_PAGE });
      entries.push(...answer.entries.map(journalRecord));
      const last = answer.entries.at(-1);
      if (!last || last.position >= answer.lastPosition) return entries;
      after = last.position;
    }
    throw new Error(`the signer's journal has more than ${JOURNAL_PAGES_MAX * JOURNAL_PAGE} entries`);
  }
}

function journalRecord({ position, lineageId, version, txid }: signingV1.JournalEntry): JournalRecord {
  return { position, lineageId, version, txid };
}

function cutOf(message: ledgerV1.LedgerCut): LedgerCut {
  const { position, height, blockHash } = message;
  return {
    position,
    height,
    blockHash,
    accounts: message.accounts.map(({ account, unit, debits, credits }) => ({ account, unit, debits, credits })),
    coins: message.coins.map(({ outpoint, walletId, valueSats, script }) => ({
      outpoint,
      walletId,
      valueSats,
      script,
    })),
    settlements: message.settlements.map(({ settlementId, status, mode, amountSats, payeeOutpoint }) => {
      return { settlementId, status: word(status), mode: word(mode), amountSats, payeeOutpoint };
    }),
    transactions: message.transactions.map(({ lineageId, version, txid, status }) => {
      return { lineageId, version, txid, status: word(status) };
    }),
  };
}

/** `SETTLEMENT_STATUS_SETTLED` and `settled` mean the same. */
const word = (text: string): string => text.toLowerCase().replace(/^(settlement|transaction)_(status|mode)_/, '');
