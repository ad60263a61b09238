import {
  addressOf,
  feeRate,
  hexFromBytes,
  type Network,
  type OutpointKey,
  outpointKey,
  parseBlockHash,
  parseDescriptor,
  parseOutpointKey,
  parseScriptHex,
  parseTxid,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { addressV1, amlV1, chainV1, fromTimestamp, reconciliationV1, riskV1 } from '@finality/contracts';
import { assert, type Instant, sats, unwrap } from '@finality/kernel';
import { command, type Interpreted, type IncomingMessage, unknownMessage } from '@finality/messaging';
import type {
  AddressRecord,
  Assessment,
  BlockRef,
  ChainFact,
  DestinationRecord,
  NodeFees,
  Recommendation,
  WalletRecord,
  WatchedTransaction,
} from '@finality/settlement';
import type { SettlementCommand } from '../store/commands.ts';

// Messages of other services as commands of this one. What can't be read throws, and parks the message with that cause.

type Command = Interpreted<SettlementCommand>;

export function riskVerdict({ payload }: IncomingMessage): Command {
  const { verdict } = riskV1.VerdictReached.decode(payload);
  assert(verdict !== undefined, 'expected a verdict, got none');
  const { RECOMMENDATION_APPROVE, RECOMMENDATION_MANUAL_REVIEW, RECOMMENDATION_REJECT } = riskV1.Recommendation;
  const names = {
    [RECOMMENDATION_APPROVE]: 'approve',
    [RECOMMENDATION_MANUAL_REVIEW]: 'manual_review',
    [RECOMMENDATION_REJECT]: 'reject',
  } as const;
  const assessment = assessmentOf(
    names[verdict.recommendation as keyof typeof names],
    verdict.rulesVersion,
    verdict.reason,
  );
  const isSettlement = verdict.subjectKind === riskV1.SubjectKind.SUBJECT_KIND_SETTLEMENT;
  return command({
    type: 'verdict',
    subject: isSettlement ? 'settlement' : 'deposit',
    id: verdict.subjectId,
    by: 'risk',
    assessment,
  });
}

export function reconciliationRun({ payload }: IncomingMessage): Command {
  const { report } = reconciliationV1.RunCompleted.decode(payload);
  assert(report?.cut !== undefined, 'expected a report with its cut');
  const { reportId, breaks, cut } = report;
  return command({
    type: 'reconciled',
    report: { reportId, breaks: breaks.length },
    ledgerPosition: cut.ledgerPosition,
  });
}

export function amlVerdict({ payload }: IncomingMessage): Command {
  const { verdict } = amlV1.VerdictReached.decode(payload);
  assert(verdict !== undefined, 'expected a verdict, got none');
  const { RECOMMENDATION_APPROVE, RECOMMENDATION_MANUAL_REVIEW, RECOMMENDATION_REJECT } = amlV1.Recommendation;
  const names = {
    [RECOMMENDATION_APPROVE]: 'approve',
    [RECOMMENDATION_MANUAL_REVIEW]: 'manual_review',
    [RECOMMENDATION_REJECT]: 'reject',
  } as const;
  const assessment = assessmentOf(
    names[verdict.recommendation as keyof typeof names],
    verdict.rulesVersion,
    verdict.reason,
  );
  const isSettlement = verdict.subjectKind === amlV1.SubjectKind.SUBJECT_KIND_SETTLEMENT;
  return command({
    type: 'verdict',
    subject: isSettlement ? 'settlement' : 'deposit',
    id: verdict.subjectId,
    by: 'aml',
    assessment,
  });
}

function assessmentOf(recommendation: Recommendation | undefined, rulesVersion: string, reason: string): Assessment {
  // Fail closed: a recommendation that this release doesn't know isn't an approval.
  return recommendation === undefined
    ? { recommendation: 'manual_review', rulesVersion, reason: `unknown recommendation: ${reason}` }
    : { recommendation, rulesVersion, reason };
}

const SCRIPT_TYPES: Readonly<Record<number, WalletRecord['scriptType']>> = {
  [addressV1.ScriptType.SCRIPT_TYPE_WPKH]: 'wpkh',
  [addressV1.ScriptType.SCRIPT_TYPE_TR]: 'tr',
  [addressV1.ScriptType.SCRIPT_TYPE_PKH]: 'pkh',
  [addressV1.ScriptType.SCRIPT_TYPE_SH_WPKH]: 'sh-wpkh',
  [addressV1.ScriptType.SCRIPT_TYPE_WSH_SORTEDMULTI]: 'wsh-sortedmulti',
  [addressV1.ScriptType.SCRIPT_TYPE_SH_WSH_SORTEDMULTI]: 'sh-wsh-sortedmulti',
};

export function walletChanged({ payload }: IncomingMessage, network: Network): Command {
  const { wallet } = addressV1.WalletChanged.decode(payload);
  assert(wallet !== undefined, 'expected a wallet, got none');
  const scriptType = SCRIPT_TYPES[wallet.scriptType];
  assert(scriptType !== undefined, `expected a script type, got ${wallet.scriptType}`);
  const { walletId, institutionId, externalDescriptor, internalDescriptor } = wallet;
  const custodial = wallet.kind === addressV1.WalletKind.WALLET_KIND_CUSTODIAL;
  const known = { walletId, institutionId, scriptType, custodial, scanning: wallet.scanning };
  if (custodial) return command({ type: 'wallet_changed', wallet: known });
  const descriptor = unwrap(parseDescriptor([externalDescriptor, internalDescriptor], network));
  return command({ type: 'wallet_changed', wallet: { ...known, descriptor } });
}

const DESTINATION_STATUSES: Readonly<Record<number, DestinationRecord['status']>> = {
  [addressV1.DestinationStatus.DESTINATION_STATUS_HELD]: 'held',
  [addressV1.DestinationStatus.DESTINATION_STATUS_PENDING]: 'pending',
  [addressV1.DestinationStatus.DESTINATION_STATUS_COOLING]: 'listed',
  [addressV1.DestinationStatus.DESTINATION_STATUS_ACTIVE]: 'listed',
  [addressV1.DestinationStatus.DESTINATION_STATUS_REMOVED]: 'removed',
  [addressV1.DestinationStatus.DESTINATION_STATUS_REJECTED]: 'rejected',
};

export function destinationChanged({ payload }: IncomingMessage): Command {
  const { destination } = addressV1.DestinationChanged.decode(payload);
  assert(destination !== undefined, 'expected a destination, got none');
  const { destinationId, institutionId, script, address, walletId, usableAt } = destination;
  const status = DESTINATION_STATUSES[destination.status];
  assert(status !== undefined, `expected a status of a destination, got ${destination.status}`);
  return command({
    type: 'destination_changed',
    destination: {
      destinationId,
      institutionId,
      place:
        walletId === undefined
          ? { kind: 'script', script: unwrap(parseScriptHex(script)), address }
          : { kind: 'wallet', walletId },
      status,
      usableAt: usableAt === undefined ? (0 as Instant) : fromTimestamp(usableAt),
    },
  });
}

const PURPOSES: Readonly<Record<number, AddressRecord['purpose']>> = {
  [addressV1.AddressPurpose.ADDRESS_PURPOSE_CLEARING]: 'clearing',
  [addressV1.AddressPurpose.ADDRESS_PURPOSE_WALLET]: 'wallet',
  [addressV1.AddressPurpose.ADDRESS_PURPOSE_CHANGE]: 'change',
  [addressV1.AddressPurpose.ADDRESS_PURPOSE_SETTLEMENT]: 'settlement',
};

export function addressIssued({ payload }: IncomingMessage): Command {
  const { address } = addressV1.AddressIssued.decode(payload);
  assert(address !== undefined, 'expected an address, got none');
  const purpose = PURPOSES[address.purpose];
  if (purpose === undefined) return unknownMessage;
  const { script, walletId, institutionId, index } = address;
  return command({
    type: 'address_issued',
    address: {
      script: unwrap(parseScriptHex(script)),
      address: address.address,
      walletId,
      institutionId,
      purpose,
      branch: branchOf(address.branch),
      index,
    },
  });
}

/** A fact of another network is a wrong configuration: it parks, visibly. */
export function chainFact({ payload }: IncomingMessage, network: Network): Command {
  const fact = chainV1.ChainFact.decode(payload);
  assert(fact.network === network, `expected facts of ${network}, got ${fact.network}`);
  const interpreted = factOf(fact, network);
  return interpreted === undefined ? unknownMessage : command({ type: 'chain_fact', fact: interpreted });
}

function factOf(fact: chainV1.ChainFact, network: Network): ChainFact | undefined {
  if (fact.blockConnected) return { kind: 'block_connected', block: blockOf(fact.blockConnected) };
  if (fact.blockDisconnected) {
    const { forkHeight } = fact.blockDisconnected;
    return { kind: 'block_disconnected', block: blockOf(fact.blockDisconnected), forkHeight };
  }
  if (fact.feesEstimated) return { kind: 'fees_estimated', fees: feesOf(fact.feesEstimated) };
  if (fact.blockAgreed) return { kind: 'block_agreed', block: blockOf(fact.blockAgreed) };
  if (fact.blockDisputed) return { kind: 'block_disputed', block: blockOf(fact.blockDisputed) };
  if (fact.transactionSeen)
    return { kind: 'transaction_seen', transaction: transactionOf(fact.transactionSeen.transaction, network) };
  if (fact.transactionConfirmed) {
    return {
      kind: 'transaction_confirmed',
      transaction: transactionOf(fact.transactionConfirmed.transaction, network),
      block: blockOf(fact.transactionConfirmed),
    };
  }
  if (fact.transactionUnconfirmed) {
    return {
      kind: 'transaction_unconfirmed',
      txid: txidOf(fact.transactionUnconfirmed.txid),
      block: blockOf(fact.transactionUnconfirmed),
    };
  }
  if (fact.transactionReplaced) {
    const { txid, byTxid, outpoint, byHeight, byBlockHash } = fact.transactionReplaced;
    return {
      kind: 'transaction_replaced',
      txid: txidOf(txid),
      byTxid: txidOf(byTxid),
      outpoint,
      ...(byHeight > 0 ? { byBlock: blockOf({ height: byHeight, blockHash: byBlockHash }) } : {}),
    };
  }
  if (fact.transactionEvicted) return { kind: 'transaction_evicted', txid: txidOf(fact.transactionEvicted.txid) };
  if (fact.transactionBroadcast)
    return {
      kind: 'transaction_broadcast',
      txid: txidOf(fact.transactionBroadcast.txid),
      answer: fact.transactionBroadcast.answer,
    };
  return undefined;
}

function feesOf({ fast, normal, slow, floor, mempoolKnown, mempool }: chainV1.FeesEstimated): NodeFees {
  const known = Object.entries({ fast, normal, slow }).filter(([, rate]) => rate > 0n);
  return {
    estimates: Object.fromEntries(known.map(([target, rate]) => [target, feeRate(rate)])),
    floor: feeRate(floor),
    ...(mempoolKnown && {
      mempool: mempool.map(({ feeRateSatsPerKvb, vsizeBytes }) => ({
        feeRate: feeRate(feeRateSatsPerKvb),
        vsize: Number(vsizeBytes),
      })),
    }),
  };
}

function transactionOf(transaction: chainV1.WatchedTransaction | undefined, network: Network): WatchedTransaction {
  assert(transaction !== undefined, 'expected a transaction, got none');
  const txid = txidOf(transaction.txid);
  return {
    txid,
    coinbase: transaction.coinbase,
    inputs: transaction.inputs.map(({ outpoint, script }) => ({
      outpoint: outpoint as OutpointKey,
      script,
      address: script === '' ? '' : (addressOf(unwrap(parseScriptHex(script)), network) ?? ''),
    })),
    outputs: transaction.outputs.map((output) => outputOf(txid, output, network)),
    ...(transaction.raw.length > 0 && { raw: hexFromBytes(transaction.raw) }),
  };
}

function outputOf(txid: Txid, output: chainV1.WatchedOutput, network: Network): WatchedTransaction['outputs'][number] {
  const script: ScriptHex = unwrap(parseScriptHex(output.script));
  return {
    outpoint: unwrapOutpoint(txid, output.vout),
    valueSats: sats(output.valueSats),
    script,
    walletId: output.walletId,
    custodial: output.custodial,
    branch: branchOf(output.branch),
    index: output.index,
    address: addressOf(script, network) ?? '',
  };
}

function unwrapOutpoint(txid: Txid, vout: number): OutpointKey {
  const key = outpointKey({ txid, vout });
  unwrap(parseOutpointKey(key));
  return key;
}

const txidOf = (text: string): Txid => unwrap(parseTxid(text));

const blockOf = ({ height, blockHash }: { height: number; blockHash: string }): BlockRef => ({
  height,
  hash: unwrap(parseBlockHash(blockHash)),
});

function branchOf(branch: number): 0 | 1 {
  assert(branch === 0 || branch === 1, `expected branch 0 or 1, got ${branch}`);
  return branch;
}
