import { encoded, ledgerV1, TOPICS } from '@finality/contracts';
import type { PublicMessage } from '@finality/event-store';
import type { HeadReference } from '@finality/ledger';
import {
  type BlockRef,
  identityOf,
  latest,
  type Lineage,
  type LineageEvent,
  versionNumbered,
} from '@finality/settlement';
import { message } from './public-message.ts';

export type HeadAnchorStatus = 'waiting' | 'confirmed' | 'final' | 'dead';

/** A head of the ledger in the chain, or on its way there. */
export interface HeadAnchor {
  readonly head: HeadReference;
  readonly status: HeadAnchorStatus;
  readonly txid?: string;
  readonly block?: Omit<BlockRef, 'time'>;
}

/** What has become of the head that a lineage anchors; undefined: it anchors none. */
export function headAnchorOf(lineage: Lineage): HeadAnchor | undefined {
  const head = lineage.status === 'none' ? undefined : identityOf(lineage).anchorsHead;
  if (head === undefined) return undefined;
  if (!('versions' in lineage)) return { head, status: lineage.status === 'planned' ? 'waiting' : 'dead' };
  const { status, inBlock } = lineage;
  if (inBlock === undefined)
    return { head, status: status === 'dead' ? 'dead' : 'waiting', txid: latest(lineage).txid };
  const { txid } = versionNumbered(lineage, inBlock.version);
  return { head, status: status === 'final' ? 'final' : 'confirmed', txid, block: inBlock.block };
}

const { LedgerHeadAnchorStatus: Status } = ledgerV1;
const STATUSES: Readonly<Record<HeadAnchorStatus, ledgerV1.LedgerHeadAnchorStatus>> = {
  waiting: Status.LEDGER_HEAD_ANCHOR_STATUS_WAITING,
  confirmed: Status.LEDGER_HEAD_ANCHOR_STATUS_CONFIRMED,
  final: Status.LEDGER_HEAD_ANCHOR_STATUS_FINAL,
  dead: Status.LEDGER_HEAD_ANCHOR_STATUS_DEAD,
};

export const headAnchorMessage = ({ head, status, txid, block }: HeadAnchor): ledgerV1.LedgerHeadAnchor => ({
  epoch: head.epoch,
  segment: head.segment,
  headHash: head.hash,
  status: STATUSES[status],
  txid: txid ?? '',
  blockHash: block?.hash ?? '',
  height: block?.height ?? 0,
});

/** What changes where the head stands. */
const TOLD: readonly LineageEvent['type'][] = [
  'version_offered',
  'version_confirmed',
  'version_unconfirmed',
  'lineage_final',
  'lineage_dead',
  'lineage_abandoned',
];

/** What the world is told of a lineage that anchors a head; nothing of any other. */
export function headAnchorMessages(event: LineageEvent, lineage: Lineage): readonly PublicMessage[] {
  const anchor = TOLD.includes(event.type) ? headAnchorOf(lineage) : undefined;
  if (anchor === undefined) return [];
  const { epoch, segment } = anchor.head;
  const payload = encoded(ledgerV1.LedgerHeadAnchorChanged, { anchor: headAnchorMessage(anchor) });
  return [message(TOPICS.ledgerHeadAnchor, `${epoch}/${segment}`, payload)];
}
