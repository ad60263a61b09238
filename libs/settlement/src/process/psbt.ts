import { err, ok, refusal, type Refusal, type Result } from '@finality/kernel';
import type { Book } from '../book.ts';
import { stopsSigning } from '../chain-tip.ts';
import {
  isDead,
  type Lineage,
  offered,
  type OfferedVersion,
  planOf,
  versionNumbered,
  versionToSign,
} from '../lineage.ts';
import { lineageIdOf, living, type LivingSettlement, type Settlement } from '../settlement.ts';
import { isAffordable, offerVersion } from './offer.ts';

/**
 * What the payer is to sign leaves: built and committed to the first time it is asked for, the same from then on. It counts as broadcast for
 * ever (DESIGN 8). After a bump it is the dearer version.
 */
export function preparePayout(book: Book, settlementId: string): Result<LivingSettlement, Refusal> {
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return unknown(settlementId);
  const lineage = ownLineage(book, state);
  if (lineage === undefined) return notAwaiting(state);
  const plan = planOf(lineage);
  if (plan === undefined) {
    const isAwaited = 'versions' in lineage && versionToSign(lineage) !== undefined;
    return isAwaited ? ok(state) : notAwaiting(state);
  }
  if (plan.destinations === undefined) {
    const message = 'expected a transaction whose addresses are there, got one that waits for them';
    return err(refusal('unavailable', 'PSBT_NOT_READY', message, { retryable: true }));
  }
  if (stopsSigning(book.tip.get())) {
    const message = 'nothing is handed out to be signed until an operator has looked at what is open';
    return err(refusal('failed_precondition', 'SIGNING_STOPPED', message, { retryable: true }));
  }
  if (!isAffordable(book, lineage, plan)) {
    const message = 'the payer has not got what the fee takes more';
    return err(refusal('failed_precondition', 'INSUFFICIENT_LIQUIDITY', message, { retryable: true }));
  }
  offerVersion(book, plan, plan.destinations);
  return ok(living(book.settlements.get(settlementId)));
}

/** Signatures of a version, every one verified, together with those that there were at revision `after`. */
export interface AddedSignatures {
  readonly version: number;
  readonly after: number;
  /** All of them, base64. */
  readonly psbt: string;
  readonly missing: number;
  /** As soon as nothing is missing. */
  readonly signedHex?: string;
}

/** Keeps what was signed. Complete, it is stored before anybody broadcasts it. Signed already: nothing happens. */
export function addSignatures(
  book: Book,
  settlementId: string,
  added: AddedSignatures,
): Result<LivingSettlement, Refusal> {
  const { after, psbt, missing, signedHex } = added;
  const state = book.settlements.get(settlementId);
  if (state.status === 'none') return unknown(settlementId);
  const lineage = ownLineage(book, state);
  if (lineage === undefined || !('versions' in lineage)) return notAwaiting(state);
  const { lineageId } = lineage;
  const version = versionNumbered(lineage, added.version);
  if (version.signedHex !== undefined) return ok(state);
  if (lineage.status !== 'offered' || isDead(version, lineage)) return notAwaiting(state);
  if ((version.signatures?.revision ?? 0) !== after) {
    const message = 'somebody else has added signatures meanwhile';
    return err(refusal('aborted', 'PSBT_CHANGED', message, { retryable: true }));
  }
  const at = book.now;
  if (version.signatures?.psbt !== psbt) {
    const signatures = { psbt, missing, revision: after + 1 };
    book.lineages.record(lineageId, { type: 'signatures_collected', at, version: version.version, signatures });
  }
  if (signedHex !== undefined) {
    book.lineages.record(lineageId, { type: 'version_signed', at, version: version.version, signedHex });
    signedByOwner(book, lineageId, version);
  }
  return ok(living(book.settlements.get(settlementId)));
}

/** A version of a wallet that signs for itself is signed, whoever tells so: from here on its settlements execute. */
export function signedByOwner(book: Book, lineageId: string, { version, txid, payouts }: OfferedVersion): void {
  const { versions } = offered(book.lineages.get(lineageId));
  for (const { settlementId, outpoint, feeSats, droppedSats } of payouts) {
    const state = living(book.settlements.get(settlementId));
    const isAwaited = state.status === 'awaiting_signature';
    if ((!isAwaited && state.status !== 'executing') || !('payout' in state)) continue;
    const shown = versions.find((each) => each.txid === state.payout.txid);
    if (!isAwaited && shown !== undefined && shown.version >= version) continue;
    const payout = { ...state.payout, txid, outpoint, feeSats, droppedSats };
    book.settlements.record(settlementId, {
      type: isAwaited ? 'payout_signed' : 'payout_replaced',
      at: book.now,
      payout,
    });
  }
}

/** The lineage of a settlement whose payer signs for himself. */
function ownLineage(
  book: Book,
  state: LivingSettlement,
): Exclude<Lineage, { status: 'none' | 'abandoned' }> | undefined {
  const lineageId = lineageIdOf(state);
  if (lineageId === undefined || state.status === 'reserved') return undefined;
  const lineage = book.lineages.get(lineageId);
  if (lineage.status === 'none' || lineage.status === 'abandoned') return undefined;
  return ('plan' in lineage ? lineage.plan : lineage).custodial ? undefined : lineage;
}

const unknown = (settlementId: string): { readonly ok: false; readonly error: Refusal } =>
  err(refusal('not_found', 'UNKNOWN_SETTLEMENT', `no settlement ${settlementId}`));

const notAwaiting = ({ status }: Settlement): { readonly ok: false; readonly error: Refusal } =>
  err(
    refusal(
      'failed_precondition',
      'NOT_AWAITING_SIGNATURE',
      `expected a settlement whose payer has something to sign, got one that is ${status}`,
    ),
  );
