import type { Instant } from '@finality/kernel';
import type { LabelList, PaidOutside, Source, Subject } from '@finality/risk';

/** What the risk service is told, by a message or by its own worker. */
export type RiskBody =
  | Screen
  | { readonly kind: 'count'; readonly settlementId: string; readonly merchantId: string; readonly amountSats: bigint }
  | { readonly kind: 'observe'; readonly txid: string; readonly scripts: readonly string[]; readonly at: Instant }
  | { readonly kind: 'load_labels'; readonly list: LabelList }
  | { readonly kind: 'nothing' };

export interface Screen {
  readonly kind: 'screen';
  readonly subject: Subject;
  readonly amountSats: bigint;
  /** The payee of a settlement; a deposit has no merchant. */
  readonly merchantId?: string;
  readonly institutions: readonly string[];
  readonly sources: readonly Source[];
  /** Why there may be no sources. */
  readonly sourcesNote: string;
  /** Where a settlement would leave the platform to. */
  readonly paidOutside?: PaidOutside;
}

export const NOTHING: RiskBody = { kind: 'nothing' };

/** Nobody waits for an answer. */
export type RiskReply = undefined;
