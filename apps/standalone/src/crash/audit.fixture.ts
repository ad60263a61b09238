import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type OutpointKey, outpointKey, parseBlock, type ParsedTransaction, type ScriptHex } from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import { addressV1, settlementV1 } from '@finality/contracts';
import { checkStates, readTransaction, verifyChain } from '@finality/event-store';
import { assert, unwrap } from '@finality/kernel';
import { verifyLedger } from '@finality/ledger-store';
import { createPool, silentLog } from '@finality/service';
import type { Pool } from 'pg';
import { BLUEPRINTS } from '../services.ts';
import { type Outside, sum } from './outside.fixture.ts';

const DATABASE = 'finality';
const POSTMASTER_PORT_LINE = 3;
const SESSIONS_MAX = 2;

/** What has happened on the chain to the money that was paid in. */
export interface ChainAccount {
  /** Transactions that spent it, each with all its outputs. */
  readonly spends: readonly ParsedTransaction[];
  /** Every output of the active chain to a script. */
  readonly outputs: ReadonlyMap<ScriptHex, readonly { readonly txid: string; readonly valueSats: bigint }[]>;
  readonly feesSats: bigint;
  readonly unspentSats: bigint;
}

/**
 * Follows the deposits through the node's active chain. All money stays within our wallets, so whatever a transaction makes of it is
 * counted on; nothing that the platform says is used.
 */
export async function followMoney(node: BitcoinNode, deposits: readonly ScriptHex[]): Promise<ChainAccount> {
  const paidIn = new Set(deposits);
  const ours = new Map<OutpointKey, bigint>();
  const outputs = new Map<ScriptHex, { txid: string; valueSats: bigint }[]>();
  const spends: ParsedTransaction[] = [];
  let feesSats = 0n;
  for (const transaction of await transactionsOf(node)) {
    const { txid, inputs } = transaction;
    const spent = inputs.flatMap(({ outpoint }) => ours.get(outpointKey(outpoint)) ?? []);
    for (const { outpoint } of inputs) ours.delete(outpointKey(outpoint));
    if (spent.length > 0) {
      assert(spent.length === inputs.length, `${txid} spends nobody else's coins`);
      spends.push(transaction);
      feesSats += sum(spent) - sum(transaction.outputs.map(({ valueSats }) => valueSats));
    }
    for (const [vout, { script, valueSats }] of transaction.outputs.entries()) {
      outputs.set(script, [...(outputs.get(script) ?? []), { txid, valueSats }]);
      if (spent.length > 0 || paidIn.has(script)) ours.set(outpointKey({ txid, vout }), valueSats);
    }
  }
  return { spends, outputs, feesSats, unspentSats: sum([...ours.values()]) };
}

async function transactionsOf(node: BitcoinNode): Promise<ParsedTransaction[]> {
  const { height } = await node.chainInfo();
  const found: ParsedTransaction[] = [];
  for (let at = 1; at <= height; at++) {
    const raw = await node.rawBlock((await node.blockHash(at))!);
    found.push(...unwrap(parseBlock(raw!)).transactions);
  }
  return found;
}

/** How what was settled on the chain differs from the settlements that were asked for; empty when each was paid exactly once. */
export async function wrongPayments(outside: Outside, chain: ChainAccount): Promise<string[]> {
  const { ADDRESS_PURPOSE_SETTLEMENT, ADDRESS_PURPOSE_CHANGE } = addressV1.AddressPurpose;
  const addresses = await outside.addresses();
  const payees = addresses.filter(({ purpose }) => purpose === ADDRESS_PURPOSE_SETTLEMENT);
  const change = new Set(
    addresses.flatMap(({ purpose, script }) => (purpose === ADDRESS_PURPOSE_CHANGE ? script : [])),
  );
  const labelled = new Map(payees.map(({ label, script }) => [label, script as ScriptHex]));
  const wrong: string[] = [];
  /** Settlements that a transaction pays: those that waited for its coins may have joined a later version of it. */
  const payers = new Map<string, string[]>();
  const alone = new Set<string>();
  for (const order of outside.orders) {
    const settlement = await outside.settlementOf(order);
    const { settlementId, txid, amountSats, settlementMode } = settlement;
    const script = labelled.get(`settlement ${settlementId}`);
    const paid = (script && chain.outputs.get(script)) ?? [];
    const onChain = settlementMode !== settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED;
    const isRight = onChain
      ? paid.length === 1 &&
        paid[0]?.txid === txid &&
        paid[0]?.valueSats === amountSats &&
        amountSats === order.amountSats
      : script === undefined && txid === undefined;
    const described = paid.map((output) => `${output.valueSats} in ${output.txid}`).join(', ');
    if (!isRight) wrong.push(`${settlementId}: ${amountSats} sat in ${txid}, on the chain ${described || 'nothing'}`);
    if (txid === undefined) continue;
    payers.set(txid, [...(payers.get(txid) ?? []), settlementId]);
    if (settlementMode === settlementV1.SettlementMode.SETTLEMENT_MODE_BLOCKCHAIN) alone.add(txid);
  }
  const unexplained = chain.spends.filter(({ txid, outputs }) => {
    const paid = payers.get(txid)?.length ?? 0;
    const back = outputs.filter(({ script }) => change.has(script)).length;
    return outputs.length !== paid + back || back > 1;
  });
  const shared = [...alone].filter((txid) => payers.get(txid)!.length > 1);
  return [
    ...wrong,
    ...unexplained.map(({ txid }) => `${txid} pays more than its settlements and change`),
    ...shared.map((txid) => `${txid} isn't one settlement's own`),
  ];
}

/** A Postgres of ours from behind: as its superuser, whoever else is using it. */
export class DatabaseView {
  readonly #pool: Pool;

  private constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** @param postgresDir where its server lives */
  static async open(postgresDir: string): Promise<DatabaseView> {
    const password = (await readFile(path.join(postgresDir, 'password'), 'utf8')).trim();
    const lines = (await readFile(path.join(postgresDir, 'data', 'postmaster.pid'), 'utf8')).split('\n');
    const url = `postgres://finality_admin:${password}@127.0.0.1:${lines[POSTMASTER_PORT_LINE]}/${DATABASE}`;
    const options = { applicationName: 'finality/audit', connectionsMax: SESSIONS_MAX, log: silentLog };
    return new DatabaseView(createPool(url, options));
  }

  close(): Promise<void> {
    return this.#pool.end();
  }

  /** Steps between which settlements are that haven't ended: `executing` alone would hide whether anything is signed. */
  async unsettled(): Promise<readonly string[]> {
    const { rows } = await this.#pool.query<{ step: string }>(
      `SELECT s.status || CASE WHEN s.status <> 'executing' THEN '' WHEN NOT l.to_sign THEN ', signed' ELSE ', ' || coalesce(l.status, 'no lineage') END AS step
       FROM settlement.settlements s LEFT JOIN settlement.lineages l USING (lineage_id)
       WHERE s.status NOT IN ('settled', 'rejected', 'failed', 'cancelled', 'expired', 'reversed')`,
    );
    return rows.map(({ step }) => step);
  }

  /** Process ids of a service's sessions. */
  async backendsOf(applicationName: string): Promise<readonly number[]> {
    const { rows } = await this.#pool.query<{ pid: number }>(
      'SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY pid',
      [applicationName],
    );
    return rows.map(({ pid }) => pid);
  }

  /** What isn't as it should be in any service's store: hash chains, states against events, parked messages, the ledger's totals. */
  async problems(): Promise<string[]> {
    const found: string[] = [];
    for (const { schema, streams } of BLUEPRINTS) {
      await readTransaction({ pool: this.#pool, schema }, async (session) => {
        const chain = await verifyChain(session);
        if (!chain.ok) found.push(`${schema}: at position ${chain.position} ${chain.problem}`);
        if (chain.position === 0n) found.push(`${schema}: nothing has happened`);
        const { differences } = await checkStates(session, streams);
        found.push(...differences.map(({ stream, problem }) => `${schema}: ${stream}: ${problem}`));
        const parked = await session.query<{ topic: string; ordering_key: string }>(
          'SELECT topic, ordering_key FROM parked_messages',
        );
        found.push(...parked.map(({ topic, ordering_key: key }) => `${schema}: ${topic} ${key} was parked`));
        if (schema !== 'settlement') return;
        const ledger = await verifyLedger(session);
        if (!ledger.ok) found.push(`ledger: ${JSON.stringify(ledger.difference)}`);
      });
    }
    return found;
  }
}
