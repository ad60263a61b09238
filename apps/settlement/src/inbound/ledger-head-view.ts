import type { ledgerV1 } from '@finality/contracts';
import type { InclusionProof, LedgerHead, SignedHead } from '@finality/ledger';

// What is hashed and signed, field by field as it is hashed: whoever gets it can do so again.

export function headMessage({ sealedAt, ...head }: LedgerHead): ledgerV1.LedgerHead {
  const { epoch, segment, previous, firstEntry, lastEntry, root, chain, position, eventHash } = head;
  const sealedAtMs = BigInt(sealedAt);
  return { epoch, segment, previous, firstEntry, lastEntry, root, chain, position, eventHash, sealedAtMs };
}

export function signedHeadMessage(head: SignedHead): ledgerV1.SignedLedgerHead {
  return { head: headMessage(head), signature: head.signature, publicKey: head.publicKey };
}

export function proofMessage({ entry, path, head }: InclusionProof): ledgerV1.InclusionProof {
  return {
    entry: {
      number: entry.number,
      position: entry.position,
      transferId: entry.id,
      kind: entry.kind,
      debitAccount: entry.debit,
      creditAccount: entry.credit,
      amount: entry.amount,
      pendingId: entry.pendingId ?? '',
      corrects: entry.corrects ?? '',
      purpose: entry.purpose,
      object: entry.object,
      life: entry.life,
      settlementId: entry.settlementId ?? '',
      recordedAtMs: BigInt(entry.recordedAt),
    },
    path: [...path],
    head: signedHeadMessage(head),
  };
}
