import {
  type Branch,
  buildPayoutTransaction,
  type OutpointKey,
  parseOutpointKey,
  parseTransaction,
  type ScriptHex,
} from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { sats, unwrap } from '@finality/kernel';
import { refusalOf } from '@finality/service';
import type { SigningPort } from '@finality/signer-app';

export interface FreeCoin {
  readonly outpoint: OutpointKey;
  readonly valueSats: bigint;
  readonly script: ScriptHex;
  readonly branch: Branch;
  readonly index: number;
}

export interface RebuildingOptions {
  /** How often no answer is taken for a no. */
  readonly isLost: () => boolean;
  /** Unspent coins of a wallet. */
  readonly coinsOf: (walletId: string) => Promise<readonly FreeCoin[]>;
  readonly broadcast: (raw: Uint8Array) => void;
  readonly newId: () => string;
}

/** About what the first transaction of a payout pays, for one more input and output. */
const FEE_SATS = 2_000n;
/** Less is left to the network: nodes relay nothing smaller. */
const CHANGE_MIN_SATS = 1_000n;

/**
 * Breaks the anchor rule (DESIGN 8), from outside: settlement's line to the signer takes a lost answer for a refusal, builds the payout anew
 * from other coins, has that signed under another name, and sends it. Simulations must fail with it.
 */
export function rebuildingSigner(signer: SigningPort, options: RebuildingOptions): SigningPort {
  return {
    createAccount: (request) => signer.createAccount(request),
    deriveScripts: (request) => signer.deriveScripts(request),
    recordHandOut: (request) => signer.recordHandOut(request),
    listJournal: (request) => signer.listJournal(request),
    listSigned: (request) => signer.listSigned(request),
    raiseEpoch: (request) => signer.raiseEpoch(request),
    registerSignatory: (request) => signer.registerSignatory(request),
    revokeSignatory: (request) => signer.revokeSignatory(request),
    requireApprovals: (request) => signer.requireApprovals(request),
    checkApprovals: (request) => signer.checkApprovals(request),
    checkDestinationRequest: (request) => signer.checkDestinationRequest(request),
    registerDestination: (request) => signer.registerDestination(request),
    removeDestination: (request) => signer.removeDestination(request),
    checkDestinations: (request) => signer.checkDestinations(request),
    signLedgerHead: (request) => signer.signLedgerHead(request),
    releaseCoins: (request) => signer.releaseCoins(request),
    signTransaction: async (request) => {
      const answer = await signer.signTransaction(request);
      if (options.isLost()) await payAgain(signer, request, options);
      return answer;
    },
  };
}

async function payAgain(
  signer: SigningPort,
  request: signingV1.SignTransactionRequest,
  { coinsOf, broadcast, newId }: RebuildingOptions,
): Promise<void> {
  const used = new Set(request.inputs.map(({ outpoint }) => outpoint));
  const [payee] = request.outputs;
  // Not what pays for another transaction, makes one coin of many, or anchors a head.
  if (payee === undefined || (!payee.payee && !payee.toDestination)) return;
  const others = await coinsOf(request.walletId);
  for (const coin of others) {
    if (used.has(coin.outpoint) || coin.valueSats < payee.valueSats + FEE_SATS) continue;
    try {
      const { signedTransaction } = await signer.signTransaction(rebuilt(request, coin, newId));
      return broadcast(signedTransaction);
    } catch (error) {
      // A coin of another payout: the next one may do.
      if (refusalOf(error)?.kind !== 'failed_precondition') throw error;
    }
  }
}

/** The same payee and amount, from that coin; what is left goes to where the first one's change went. */
function rebuilt(
  request: signingV1.SignTransactionRequest,
  coin: FreeCoin,
  newId: () => string,
): signingV1.SignTransactionRequest {
  const [payee] = request.outputs;
  const settlementId = newId();
  const first = unwrap(parseTransaction(request.unsignedTransaction));
  const place = request.outputs.findIndex(({ change }) => change !== undefined);
  const changeSats = coin.valueSats - payee!.valueSats - FEE_SATS;
  const change =
    place > 0 && changeSats >= CHANGE_MIN_SATS
      ? [{ declared: { ...request.outputs[place]!, valueSats: changeSats }, script: first.outputs[place]!.script }]
      : [];
  const paid = { declared: { ...payee!, ...payeeOf(payee!, settlementId) }, script: first.outputs[0]!.script };
  const outputs = [paid, ...change];
  const { unsigned } = buildPayoutTransaction({
    inputs: [
      { outpoint: unwrap(parseOutpointKey(coin.outpoint)), valueSats: sats(coin.valueSats), script: coin.script },
    ],
    outputs: outputs.map(({ declared, script }) => ({ valueSats: sats(declared.valueSats), script })),
    locktime: first.locktime,
  });
  const { outpoint, valueSats, branch, index } = coin;
  const own = payee!.payee?.settlementId ?? payee!.toDestination?.settlementId;
  const payouts = (request.authorisation?.payouts ?? [])
    .filter((payout) => payout.settlementId === own)
    .map((payout) => ({ ...payout, settlementId }));
  return {
    ...request,
    lineageId: newId(),
    version: 1,
    anchor: outpoint,
    unsignedTransaction: Buffer.from(unsigned, 'hex'),
    inputs: [{ outpoint, valueSats, branch, index }],
    outputs: outputs.map(({ declared }) => declared),
    authorisation: { payouts },
  };
}

const payeeOf = (
  { payee, toDestination }: signingV1.OutputToSign,
  settlementId: string,
): Pick<signingV1.OutputToSign, 'payee' | 'toDestination'> => ({
  payee: payee && { ...payee, settlementId },
  toDestination: toDestination && { ...toDestination, settlementId },
});
