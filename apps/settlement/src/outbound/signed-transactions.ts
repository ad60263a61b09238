import {
  addressOf,
  isNetwork,
  outpointKey,
  parseOutpointKey,
  parseScriptHex,
  parseTransaction,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { fromTimestamp, type signingV1 } from '@finality/contracts';
import { assert, type Instant, type Sats, sats, unwrap } from '@finality/kernel';
import type { Mode, SignedApproval, SignedTransaction, Terms } from '@finality/settlement';

/** A settlement as its payout's authorisation describes it. */
export interface SignedSettlement {
  readonly terms: Terms;
  readonly receivedAt: Instant;
}

export interface JournalEntry {
  readonly signed: SignedTransaction;
  /** Those whose request is kept in the journal. */
  readonly settlements: readonly SignedSettlement[];
}

/** An entry of the signer's journal, in our words. The signer is ours: what it can't have said is a bug, and throws. */
export function entryOf(entry: signingV1.SignedTransaction): JournalEntry {
  const { request, txid, institutionId, feeSats, inputScripts, handedOut } = entry;
  assert(request !== undefined, 'an entry of the journal has its request');
  const transaction = unwrap(parseTransaction(request.unsignedTransaction));
  assert(transaction.txid === txid, `the journal’s ${txid} is ${transaction.txid}`);
  const scripts = transaction.outputs.map(({ script }) => script);
  const authorised = request.authorisation?.payouts ?? [];
  const signed: SignedTransaction = {
    lineageId: request.lineageId,
    version: request.version,
    walletId: request.walletId,
    institutionId,
    custodial: !handedOut,
    anchor: keyOf(request.anchor),
    txid: txid as Txid,
    unsignedHex: Buffer.from(request.unsignedTransaction).toString('hex'),
    feeSats: sats(feeSats),
    inputs: request.inputs.map(({ outpoint, valueSats, branch, index }, i) => ({
      outpoint: keyOf(outpoint),
      valueSats: sats(valueSats),
      script: unwrap(parseScriptHex(inputScripts[i] ?? '')),
      branch: branchOf(branch),
      index,
    })),
    outputs: request.outputs.map((output, i) => outputOf(output, request.walletId, scripts[i]!)),
    payouts: request.outputs.flatMap(({ payee, toDestination, valueSats }, i) => {
      const paid = payee ?? toDestination;
      const authorisation = authorised.find(({ settlementId }) => settlementId === paid?.settlementId);
      return paid === undefined
        ? []
        : [payoutOf(paid, { amountSats: sats(valueSats), script: scripts[i]! }, authorisation)];
    }),
    approvals: Object.fromEntries(
      authorised.map(({ settlementId, approvals }) => [settlementId, approvals.map(approvalOf)]),
    ),
  };
  return { signed, settlements: authorised.flatMap((payout) => settlementOf(payout, signed)) };
}

function approvalOf({ signatory, nonce, validUntil, signature }: signingV1.SignedStatement): SignedApproval {
  assert(validUntil !== undefined, 'a signed approval says until when it holds');
  return { signatory, nonce, validUntil: fromTimestamp(validUntil), signature };
}

const keyOf = (text: string): SignedTransaction['anchor'] => outpointKey(unwrap(parseOutpointKey(text)));

function branchOf(branch: number): 0 | 1 {
  assert(branch === 0 || branch === 1, `expected branch 0 or 1, got ${branch}`);
  return branch;
}

function outputOf(
  { payee, toDestination, change, head, valueSats: value }: signingV1.OutputToSign,
  ownWalletId: string,
  script: SignedTransaction['inputs'][number]['script'],
): SignedTransaction['outputs'][number] {
  const valueSats = sats(value);
  if (payee !== undefined) {
    const { settlementId, walletId, branch, index } = payee;
    const destination = { walletId, script, branch: branchOf(branch), index };
    return { role: 'payee', settlementId, valueSats, destination };
  }
  if (toDestination !== undefined) {
    const { settlementId, destinationId } = toDestination;
    return { role: 'payee', settlementId, valueSats, destination: { destinationId, script } };
  }
  if (head !== undefined) return { role: 'head', head: { ...head }, valueSats, destination: { script } };
  assert(change !== undefined, 'this service asks for payees, heads and change only');
  return { role: 'change', valueSats, destination: { walletId: ownWalletId, script, branch: 1, index: change.index } };
}

function payoutOf(
  output: signingV1.PayeeOutput | signingV1.DestinationOutput,
  { amountSats, script }: { readonly amountSats: Sats; readonly script: ScriptHex },
  authorisation: signingV1.PayoutAuthorisation | undefined,
): SignedTransaction['payouts'][number] {
  const { settlementId, institutionId } = output;
  assert(authorisation?.request !== undefined, `the payout of ${settlementId} is authorised, with its request`);
  const { feeSats, droppedSats, feeReservedSats, feeBearer } = authorisation.request;
  return {
    settlementId,
    payee: payeeOf(output, script, authorisation.network),
    payeeInstitutionId: institutionId,
    amountSats,
    payeeFeeSats: sats(authorisation.amountSats - amountSats),
    feeBearer: bearerOf(feeBearer),
    feeSats: sats(feeSats),
    droppedSats: sats(droppedSats),
    feeReservedSats: sats(feeReservedSats),
  };
}

function payeeOf(
  output: signingV1.PayeeOutput | signingV1.DestinationOutput,
  script: ScriptHex,
  network: string,
): SignedTransaction['payouts'][number]['payee'] {
  if ('walletId' in output) {
    const { walletId, destinationId } = output;
    return { kind: 'wallet', walletId, ...(destinationId !== undefined && { destinationId }) };
  }
  assert(isNetwork(network), `"${network}" is no network`);
  const address = addressOf(script, network);
  assert(address !== undefined, 'a destination has an address');
  return { kind: 'destination', destinationId: output.destinationId, script, address };
}

function bearerOf(text: string): Terms['fees']['bearer'] {
  assert(text === 'payer' || text === 'payee' || text === 'shared', `"${text}" bears no fee`);
  return text;
}

function bumpBearerOf(text: string): Terms['fees']['bumpBearer'] {
  assert(text === 'payer' || text === 'platform', `"${text}" bears no bump`);
  return text;
}

function settlementOf(payout: signingV1.PayoutAuthorisation, signed: SignedTransaction): SignedSettlement[] {
  const { request, settlementId, payerInstitutionId: from, payeeInstitutionId: to } = payout;
  const paid = signed.payouts.find((each) => each.settlementId === settlementId);
  if (request?.receivedAt === undefined || paid === undefined) return [];
  const { idempotencyKey, mode, referenceId, callbackUrl, submittedBy, policyVersion } = request;
  const { payerWalletId, destinationId } = request;
  const terms: Terms = {
    settlementId,
    from,
    to,
    amountSats: sats(payout.amountSats),
    mode: modeOf(mode),
    fees: { bearer: bearerOf(request.feeBearer), bumpBearer: bumpBearerOf(request.bumpBearer) },
    referenceId,
    idempotencyKey,
    submittedBy,
    policyVersion,
    ...payerOf(from, signed.walletId, request.netPayoutOf),
    payee: paid.payee,
    ...(callbackUrl !== undefined && { callbackUrl }),
    ...(payerWalletId !== undefined && { payerWalletId }),
    ...(destinationId !== undefined && { destinationId }),
    ...(request.executeAt !== undefined && { executeAt: fromTimestamp(request.executeAt) }),
    ...(request.expiresAt !== undefined && { expiresAt: fromTimestamp(request.expiresAt) }),
    ...(request.reverses !== undefined && { reverses: request.reverses }),
  };
  return [{ terms, receivedAt: fromTimestamp(request.receivedAt) }];
}

/** A balance that was paid out, or a wallet that paid. */
const payerOf = (
  institutionId: string,
  walletId: string,
  netPayoutOf: string | undefined,
): Pick<Terms, 'payer' | 'netPayout'> =>
  netPayoutOf === undefined
    ? { payer: { kind: 'wallet', walletId } }
    : {
        payer: { kind: 'clearing', institutionId },
        netPayout: { windowId: netPayoutOf, poolWalletId: walletId },
      };

function modeOf(mode: string): Mode {
  assert(mode === 'bilateral' || mode === 'blockchain', `${mode} isn't paid on-chain`);
  return mode;
}
