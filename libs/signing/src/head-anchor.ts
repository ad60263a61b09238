import { nullDataScript, type ScriptHex } from '@finality/bitcoin';
import { err, ok, type Result, type Sats } from '@finality/kernel';
import { headCommitment, type HeadReference, isLater } from '@finality/ledger';
import type { Account } from './account.ts';
import type { SigningFacts } from './facts.ts';
import { PLATFORM_INSTITUTION_ID } from './payouts.ts';
import type { DeclaredOutput, HeadOutput, SigningRequest } from './request.ts';
import { type Refused, refusedBy } from './rules.ts';

/** The head that a transaction with these outputs anchors, if it does. */
export function headOf(outputs: readonly DeclaredOutput[]): HeadReference | undefined {
  return outputs.find((output) => output.kind === 'head')?.head;
}

/** Exactly what a head is written as, and no money. */
export function scriptOfHead({ head, valueSats }: HeadOutput): Result<ScriptHex, Refused> {
  if (valueSats === 0n) return ok(nullDataScript(headCommitment(head)));
  return err(refusedBy('OUTPUT_NOT_DECLARED', `expected 0 sat in the output of a head, got ${valueSats}`));
}

/**
 * What holds beside for a transaction that writes a head of the ledger into the chain: it says nothing that the signer hasn't signed, pays nobody
 * but its own wallet, which is the platform's, and there is one lineage of them in an interval, by the signer's clock. So whoever has taken over
 * the caller can write nothing of his own, and burn one capped fee in that time. Later versions anchor the same head, and exclude each other.
 */
export function checkHeadAnchor(
  { lineageId, outputs, payouts }: SigningRequest,
  { institutionId }: Pick<Account, 'institutionId'>,
  { lineage, limits, now, signedHead, headAnchored }: Facts,
  feeSats: Sats,
): Refused | undefined {
  const head = headOf(outputs);
  if (lineage.versions.length > 0 && textOf(head) !== textOf(lineage.head))
    return refusedBy('HEAD_OF_LINEAGE', `lineage ${lineageId} anchors ${textOf(lineage.head)}, not ${textOf(head)}`);
  if (head === undefined) return undefined;
  const kinds = outputs.map(({ kind }) => kind).sort();
  if (kinds.join(' ') !== 'change head' || payouts.length > 0)
    return refusedBy('HEAD_ANCHOR_FORM', `expected change and head, got ${kinds.join(', ')}`);
  if (institutionId !== PLATFORM_INSTITUTION_ID)
    return refusedBy('HEAD_ANCHOR_WALLET', `expected a wallet of the platform, got one of ${institutionId}`);
  if (limits.headAnchors === undefined) return refusedBy('HEAD_ANCHORS_OFF', 'no interval is set for anchoring heads');
  const { apartMs, feeMaxSats } = limits.headAnchors;
  if (feeSats > feeMaxSats)
    return refusedBy('HEAD_ANCHOR_FEE_TOO_HIGH', `expected at most ${feeMaxSats} sat, got ${feeSats}`);
  const signed = signedHead(head.epoch, head.segment);
  if (signed !== head.hash)
    return refusedBy('HEAD_NOT_SIGNED', `expected ${signed ?? 'a head that is signed'}, got ${textOf(head)}`);
  if (lineage.versions.length > 0 || headAnchored === null) return undefined;
  if (!isLater(head, headAnchored.head))
    return refusedBy('HEAD_ANCHORED_BEFORE', `${textOf(headAnchored.head)} is anchored by ${headAnchored.lineageId}`);
  const next = headAnchored.acceptedAt + apartMs;
  if (now >= next) return undefined;
  return refusedBy('HEAD_ANCHOR_TOO_SOON', `the next one may be anchored in ${next - now} ms`);
}

type Facts = Pick<SigningFacts, 'lineage' | 'limits' | 'now' | 'signedHead' | 'headAnchored'>;

const textOf = (head: HeadReference | undefined): string =>
  head === undefined ? 'no head' : `head ${head.epoch}/${head.segment} ${head.hash}`;
