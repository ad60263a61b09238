import {
  collectSignatures,
  type Descriptor,
  outpointKey,
  parseOutpointKey,
  preparePsbt,
  type PsbtPlan,
} from '@finality/bitcoin';
import type { settlementV1 } from '@finality/contracts';
import { assert, refusal, unwrap } from '@finality/kernel';
import { toRpcException } from '@finality/service';
import {
  latest,
  lineageIdOf,
  type LivingSettlement,
  type OfferedLineage,
  type OfferedVersion,
  psbtPlanOf,
  versionNumbered,
  versionToSign,
} from '@finality/settlement';
import { readTransaction } from '../outbound/read-transaction.ts';
import { loadPreviousTransactions } from '../projections/previous-transactions.ts';
import { loadWallets } from '../projections/registry.ts';
import { lineageStream } from '../store/streams.ts';
import type { Gateway } from './gateway.ts';

/** What a payer who signs for himself has been handed out, or will be. */
export interface OwnPayout {
  readonly settlement: LivingSettlement;
  readonly lineage: OfferedLineage;
  readonly descriptor: Descriptor;
}

/** @throws RefusalException NOT_AWAITING_SIGNATURE where nothing was handed out */
export async function ownPayout(gateway: Gateway, settlement: LivingSettlement): Promise<OwnPayout> {
  const found = await findPayout(gateway, settlement);
  if (found === undefined) throw nothingToSign(settlement);
  return found;
}

async function findPayout({ env, reader }: Gateway, settlement: LivingSettlement): Promise<OwnPayout | undefined> {
  const lineageId = lineageIdOf(settlement);
  const lineage = lineageId === undefined ? undefined : (await reader.loadState(lineageStream, lineageId)).state;
  if (lineage === undefined || !('versions' in lineage) || lineage.custodial) return undefined;
  const { walletId } = lineage;
  const { wallets } = await readTransaction(env.pool, (session) => loadWallets(session, [walletId], []));
  const [wallet] = wallets;
  assert(wallet?.descriptor !== undefined, `wallet ${walletId} has a descriptor`);
  return { settlement, lineage, descriptor: wallet.descriptor };
}

/** What its owner is to sign; once there is nothing more, what he was handed last. */
export const versionShown = (lineage: OfferedLineage): OfferedVersion => versionToSign(lineage) ?? latest(lineage);

/** The PSBT of a version in its present state. */
export async function settlementPsbt(
  gateway: Gateway,
  settlementId: string,
  number: number,
): Promise<settlementV1.SettlementPsbt> {
  const { settlement, lineage, descriptor } = await ownPayout(gateway, await gateway.settlement(settlementId));
  const version = versionNumbered(lineage, number);
  return {
    settlement: await gateway.show(settlement),
    version: version.version,
    txid: version.txid,
    ...progressOf(version, await planOf(gateway, version, descriptor)),
  };
}

/**
 * For a request that was answered before: what its owner has been handed as it is now, or the settlement alone where that has ended unpaid, and nothing is signed any more.
 * @param unsigned the transaction that it was about, if it was about a certain one
 * @param before what has to be done before anything leaves
 */
export async function psbtAgain(
  gateway: Gateway,
  settlementId: string,
  { unsigned, before }: { readonly unsigned?: string; readonly before?: () => Promise<unknown> },
): Promise<settlementV1.SettlementPsbt> {
  const settlement = await gateway.settlement(settlementId);
  const found = await findPayout(gateway, settlement);
  if (found === undefined) {
    const nothing = { version: 0, txid: '', psbt: '', signaturesMissing: 0, previousTransactionsMissing: [] };
    return { settlement: await gateway.show(settlement), ...nothing };
  }
  await before?.();
  const version = unsigned === undefined ? undefined : versionOf(found.lineage, unsigned);
  return settlementPsbt(gateway, settlementId, (version ?? versionShown(found.lineage)).version);
}

/** With what made its coins, as far as chain-watcher has told it; a P2TR signature commits to all that a signer could want to know of it. */
export async function planOf(
  { env }: Pick<Gateway, 'env'>,
  version: OfferedVersion,
  descriptor: Descriptor,
): Promise<PsbtPlan> {
  if (descriptor.scriptType === 'tr') return psbtPlanOf(version, descriptor);
  const txids = version.inputs.map(({ outpoint }) => unwrap(parseOutpointKey(outpoint)).txid);
  const previous = await readTransaction(env.pool, (session) => loadPreviousTransactions(session, txids));
  return psbtPlanOf(version, descriptor, previous);
}

function progressOf(
  { signatures }: OfferedVersion,
  plan: PsbtPlan,
): Pick<settlementV1.SettlementPsbt, 'psbt' | 'signaturesMissing' | 'previousTransactionsMissing'> {
  const previousTransactionsMissing = plan.inputs.flatMap(({ outpoint, place, previousTransaction }) =>
    place.descriptor.scriptType === 'tr' || previousTransaction !== undefined ? [] : [outpointKey(outpoint)],
  );
  if (signatures !== undefined)
    return { psbt: signatures.psbt, signaturesMissing: signatures.missing, previousTransactionsMissing };
  return {
    previousTransactionsMissing,
    psbt: unwrap(preparePsbt(plan)).base64,
    signaturesMissing: unwrap(collectSignatures(plan, [])).missing,
  };
}

/** The version whose transaction this is. */
export function versionOf({ versions }: OfferedLineage, unsigned: string): OfferedVersion | undefined {
  return versions.find(({ unsignedHex }) => unsignedHex === unsigned);
}

const nothingToSign = ({ status }: LivingSettlement): Error =>
  toRpcException(
    refusal(
      'failed_precondition',
      'NOT_AWAITING_SIGNATURE',
      `expected a settlement whose payer has something to sign, got one that is ${status}`,
    ),
  );
