import {
  type Branch,
  deriveScript,
  type OutpointKey,
  parseDescriptor,
  parseTransaction,
  outpointKey,
  type ScriptHex,
} from '@finality/bitcoin';
import { chainV1, TOPICS } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { decodeJson, unwrap } from '@finality/kernel';
import { type ChainTip, type Lineage, type LivingSettlement, settlementsPaid } from '@finality/settlement';

// What the services' tables hold, for checks only: read as the server's administrator, whom no service ever is.

const NETWORK = 'regtest';
/** More facts than a block has here. */
const FACTS_BACK = 200;

export interface Place {
  readonly walletId: string;
  readonly branch: Branch;
  readonly index: number;
}

/** Scripts of all wallets, whoever has the keys, as far as the chain watcher follows them, derived anew. */
export async function walletScripts(session: Session): Promise<ReadonlyMap<ScriptHex, Place>> {
  const wallets = await session.query<{
    wallet_id: string;
    external: string;
    internal: string;
    watched_external: number;
    watched_internal: number;
  }>(
    `SELECT wallet_id, external, internal, watched_external, watched_internal FROM address_issuer.wallets
     WHERE external IS NOT NULL ORDER BY wallet_id`,
  );
  const places = new Map<ScriptHex, Place>();
  for (const { wallet_id: walletId, external, internal, ...watched } of wallets) {
    const descriptor = unwrap(parseDescriptor([external, internal], NETWORK));
    const derive = (branch: Branch, below: number): void => {
      for (let index = 0; index < below; index++)
        places.set(deriveScript(descriptor, branch, index).script, { walletId, branch, index });
    };
    derive(0, watched.watched_external);
    derive(1, watched.watched_internal);
  }
  return places;
}

/** Addresses issued for settlements to be paid to, by settlement. */
export async function payeeScripts(session: Session): Promise<ReadonlyMap<string, readonly ScriptHex[]>> {
  const rows = await session.query<{ label: string; script: ScriptHex }>(
    `SELECT label, script FROM address_issuer.addresses WHERE purpose = 'settlement' ORDER BY position`,
  );
  const scripts = new Map<string, ScriptHex[]>();
  for (const { label, script } of rows) {
    const settlementId = label.replace(/^settlement /, '');
    scripts.set(settlementId, [...(scripts.get(settlementId) ?? []), script]);
  }
  return scripts;
}

export async function settlements(session: Session): Promise<readonly LivingSettlement[]> {
  const rows = await session.query<{ state: string }>(
    `SELECT s.state FROM settlement.settlements p JOIN settlement.stream_states s ON s.stream = 'settlement/' || p.settlement_id
     ORDER BY p.created_position`,
  );
  return rows.map(({ state }) => decodeJson(state) as LivingSettlement);
}

export interface LedgerPlace {
  readonly height: number;
  /** Empty before the first block. */
  readonly hash: string;
  /** Some facts of a block have been consumed, others haven't: then the ledger is between two blocks. */
  readonly isBetween: boolean;
}

/** The block that the ledger has consumed. */
export async function ledgerPlace(session: Session): Promise<LedgerPlace> {
  const [row] = await session.query<{ state: string }>(
    `SELECT state FROM settlement.stream_states WHERE stream = 'chain_tip/chain'`,
  );
  if (!row) return { height: 0, hash: '', isBetween: false };
  const tip = decodeJson(row.state) as ChainTip;
  const facts = await session.query<{ payload: Buffer }>(
    `SELECT payload FROM chain_watcher.published_messages WHERE topic = $1 AND sequence <=
       (SELECT last_sequence FROM settlement.inbox_keys WHERE topic = $1 AND ordering_key = $2) ORDER BY sequence DESC LIMIT $3`,
    [TOPICS.chainFact.name, NETWORK, FACTS_BACK],
  );
  const last = facts
    .map(({ payload }) => chainV1.ChainFact.decode(payload))
    .find(
      (fact) =>
        fact.blockConnected ?? fact.blockDisconnected ?? fact.transactionConfirmed ?? fact.transactionUnconfirmed,
    );
  const isBetween = last?.transactionConfirmed !== undefined || last?.transactionUnconfirmed !== undefined;
  return { height: tip.height, hash: tip.recent.at(-1)?.hash ?? '', isBetween };
}

/** Coins that the ledger holds for unspent. */
export async function unspentCoins(
  session: Session,
): Promise<readonly { readonly outpoint: OutpointKey; readonly walletId: string; readonly valueSats: bigint }[]> {
  const rows = await session.query<{ outpoint: OutpointKey; wallet_id: string; value_sats: bigint }>(
    'SELECT outpoint, wallet_id, value_sats FROM settlement.coins WHERE spent_by IS NULL AND height IS NOT NULL ORDER BY outpoint',
  );
  return rows.map((row) => ({ outpoint: row.outpoint, walletId: row.wallet_id, valueSats: row.value_sats }));
}

/** What could pay now, per wallet: final, released, claimed by none. */
export async function spendableSats(session: Session, heightMax: number): Promise<ReadonlyMap<string, bigint>> {
  const rows = await session.query<{ wallet_id: string; sats: bigint }>(
    `SELECT wallet_id, sum(value_sats)::bigint AS sats FROM settlement.coins
     WHERE spent_by IS NULL AND claimed_by IS NULL AND released AND height <= $1 GROUP BY wallet_id ORDER BY wallet_id`,
    [heightMax],
  );
  return new Map(rows.map((row) => [row.wallet_id, row.sats]));
}

export interface JournalEntry {
  readonly lineageId: string;
  readonly version: number;
  readonly txid: string;
  readonly inputs: ReadonlySet<OutpointKey>;
  readonly scripts: ReadonlySet<ScriptHex>;
  readonly settlementIds: readonly string[];
}

/** Everything that was ever offered for signature and accepted. */
export async function signerJournal(session: Session): Promise<readonly JournalEntry[]> {
  const rows = await session.query<{
    lineage_id: string;
    version: number;
    txid: string;
    unsigned_transaction: Buffer;
    settlements: string[];
  }>(
    `SELECT j.lineage_id, j.version, j.txid, j.unsigned_transaction,
       ARRAY(SELECT p.settlement_id FROM signer.journal_payouts p WHERE p.lineage_id = j.lineage_id AND p.version = j.version ORDER BY 1) AS settlements
     FROM signer.journal j ORDER BY j.position`,
  );
  return rows.map((row) => {
    const { inputs, outputs } = unwrap(parseTransaction(row.unsigned_transaction));
    return {
      lineageId: row.lineage_id,
      version: row.version,
      txid: row.txid,
      inputs: new Set(inputs.map(({ outpoint }) => outpointKey(outpoint))),
      scripts: new Set(outputs.map(({ script }) => script)),
      settlementIds: row.settlements,
    };
  });
}

/** @param when now, or at any time so far: operators may have looked at why since */
export async function institutionsFrozen(session: Session, when: 'now' | 'ever' = 'now'): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ institution_id: string }>(
    when === 'now'
      ? `SELECT institution_id FROM settlement.institutions WHERE status = 'frozen' ORDER BY 1`
      : `SELECT DISTINCT split_part(stream, '/', 2) AS institution_id FROM settlement.events WHERE type = 'institution_frozen' ORDER BY 1`,
  );
  return new Set(rows.map((row) => row.institution_id));
}

/** Wallets whose keys are their owners': accounts of theirs are memos. */
export async function memoWallets(session: Session): Promise<ReadonlySet<string>> {
  const rows = await session.query<{ wallet_id: string }>(
    'SELECT wallet_id FROM settlement.wallets WHERE NOT custodial ORDER BY 1',
  );
  return new Set(rows.map((row) => row.wallet_id));
}

/** Transactions that nobody can send yet, as their owners haven't signed them, by the settlements that they are to pay. */
export async function awaitedFromOwners(session: Session): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await session.query<{ lineage_id: string; state: string }>(
    `SELECT l.lineage_id, s.state FROM settlement.lineages l JOIN settlement.wallets w USING (wallet_id)
     JOIN settlement.stream_states s ON s.stream = 'lineage/' || l.lineage_id
     WHERE NOT w.custodial AND l.status IN ('planned', 'offered') ORDER BY 1`,
  );
  const awaited = new Map<string, readonly string[]>();
  for (const { lineage_id: lineageId, state } of rows) {
    const lineage = decodeJson(state) as Lineage;
    const isSigned =
      'versions' in lineage && lineage.versions.some((each) => each.signedHex !== undefined || each.broadcast);
    if (!isSigned) awaited.set(lineageId, settlementsIn(lineage));
  }
  return awaited;
}

function settlementsIn(lineage: Lineage): readonly string[] {
  if (lineage.status === 'planned') return lineage.plan.payouts.map(({ settlementId }) => settlementId);
  return 'versions' in lineage ? settlementsPaid(lineage) : [];
}

export async function ownersOfWallets(session: Session): Promise<ReadonlyMap<string, string>> {
  const rows = await session.query<{ wallet_id: string; institution_id: string }>(
    'SELECT wallet_id, institution_id FROM settlement.wallets ORDER BY 1',
  );
  return new Map(rows.map((row) => [row.wallet_id, row.institution_id]));
}

/** How often each kind of event happened in the settlement service: what a run has been through. */
export async function eventCounts(session: Session): Promise<Readonly<Record<string, number>>> {
  const rows = await session.query<{ type: string; count: bigint }>(
    'SELECT type, count(*) AS count FROM settlement.events GROUP BY type ORDER BY type',
  );
  return Object.fromEntries(rows.map(({ type, count }) => [type, Number(count)]));
}
