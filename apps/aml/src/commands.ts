import type { SubjectKind } from '@finality/aml';

/** What the AML service is told by messages. */
export type AmlBody = Monitor | { readonly kind: 'nothing' };

export interface Monitor {
  readonly kind: 'monitor';
  readonly subjectId: string;
  readonly subjectKind: SubjectKind;
  readonly amountSats: bigint;
  readonly institutions: readonly string[];
}

export const NOTHING: AmlBody = { kind: 'nothing' };

/** Nobody waits for an answer. */
export type AmlReply = undefined;
