import type { ledgerV1 } from '@finality/contracts';
import type { Session } from '@finality/event-store';
import { readLedgerCut } from '@finality/ledger-store';
import { SERVICE_ENV } from '@finality/service';
import { decodeJson } from '@finality/kernel';
import {
  type ChainTip,
  isDead,
  type Lineage,
  type OfferedLineage,
  type OfferedVersion,
  paidSats,
  type Settlement,
  tipHash,
} from '@finality/settlement';
import { Inject, Injectable } from '@nestjs/common';
import type { SettlementEnv } from '../env.ts';
import { readTransaction } from '../outbound/read-transaction.ts';
import { unspentCoins } from '../projections/coins.ts';
import { CHAIN_TIP_ID, chainTipStream, lineageStream, settlementStream } from '../store/streams.ts';

/** Everything that reconciliation compares, as it is at one position of the log. For our own services only. */
@Injectable()
export class GetLedgerCutRpc {
  readonly #env: SettlementEnv;

  constructor(@Inject(SERVICE_ENV) env: SettlementEnv) {
    this.#env = env;
  }

  handle(): Promise<ledgerV1.LedgerCut> {
    return readTransaction(this.#env.pool, async (session) => {
      const [head] = await session.query<{ position: bigint }>('SELECT position FROM store_head');
      const [tip] = await states<ChainTip>(session, `= '${chainTipStream.aggregate.name}/${CHAIN_TIP_ID}'`);
      const { accounts } = await readLedgerCut(session);
      const coins = await unspentCoins(session);
      const lineages = await states<Lineage>(
        session,
        `IN (SELECT '${lineageStream.aggregate.name}/' || lineage_id FROM lineages)`,
      );
      const settlements = await states<Settlement>(
        session,
        `IN (SELECT '${settlementStream.aggregate.name}/' || settlement_id FROM settlements WHERE lineage_id IS NOT NULL)`,
      );
      return {
        position: head?.position ?? 0n,
        height: tip?.height ?? 0,
        blockHash: tip === undefined ? '' : tipHash(tip),
        accounts: accounts.map(({ id, unit, debitsPosted, creditsPosted }) => ({
          unit,
          account: id,
          debits: debitsPosted,
          credits: creditsPosted,
        })),
        coins: coins.map(({ outpoint, walletId, valueSats, script }) => ({ outpoint, walletId, valueSats, script })),
        settlements: settlements.flatMap((settlement) => settlementOf(settlement)),
        transactions: lineages.flatMap((lineage) => transactionsOf(lineage)),
      };
    });
  }
}

async function states<State>(session: Session, streams: string): Promise<readonly State[]> {
  const rows = await session.query<{ state: string }>(
    `SELECT state FROM stream_states WHERE stream ${streams} ORDER BY stream`,
  );
  return rows.map((row) => decodeJson(row.state) as State);
}

function settlementOf(settlement: Settlement): ledgerV1.CutSettlement[] {
  if (settlement.status === 'none') return [];
  const { terms } = settlement;
  const payout = 'payout' in settlement ? settlement.payout : undefined;
  return [
    {
      settlementId: terms.settlementId,
      status: settlement.status,
      fromInstitution: terms.from,
      toInstitution: terms.to,
      amountSats: payout === undefined ? terms.amountSats : paidSats(terms, payout),
      mode: terms.mode,
      txid: payout?.txid ?? '',
      payeeOutpoint: payout?.outpoint ?? '',
      payeeWalletId: terms.payee.kind === 'wallet' ? terms.payee.walletId : '',
    },
  ];
}

/** Every version that was ever offered for signature, to the signer or to the owners of wallets: its journal has both. */
function transactionsOf(lineage: Lineage): ledgerV1.CutTransaction[] {
  if (!('versions' in lineage)) return [];
  const { lineageId, walletId } = lineage;
  return lineage.versions.map((version) => {
    const { txid } = version;
    return { lineageId, version: version.version, txid, status: statusOf(lineage, version), walletId };
  });
}

function statusOf(lineage: OfferedLineage, version: OfferedVersion): string {
  const isInBlock = lineage.inBlock?.version === version.version;
  if (lineage.status === 'final' && isInBlock) return 'final';
  if (lineage.status !== 'offered' || isDead(version, lineage)) return 'dead';
  if (isInBlock) return 'confirmed';
  return version.signedHex === undefined ? 'offered' : 'signed';
}
