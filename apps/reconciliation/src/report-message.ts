import { reconciliationV1, toTimestamp } from '@finality/contracts';
import { assertNever } from '@finality/kernel';
import type { Break, BreakKind, Report } from '@finality/reconciliation';

/** Breaks and timing items that one message lists; `checked` less `matched` says how many breaks there are. */
export const LISTED_MAX = 1_000;

/** A report as others see it. */
export function reportMessage(report: Report): reconciliationV1.Report {
  const { reportId, cut, checked, matched, breaks, timing, startedAt, completedAt } = report;
  return {
    reportId,
    cut: { ...cut },
    checked,
    matched,
    breaks: breaks.slice(0, LISTED_MAX).map(breakMessage),
    timing: timing.slice(0, LISTED_MAX).map((item) => ({ ...item })),
    startedAt: toTimestamp(startedAt),
    completedAt: toTimestamp(completedAt),
  };
}

function breakMessage({ kind, ...rest }: Break): reconciliationV1.Break {
  return { kind: kindMessage(kind), ...rest };
}

function kindMessage(kind: BreakKind): reconciliationV1.BreakKind {
  const { BreakKind: Kind } = reconciliationV1;
  switch (kind) {
    case 'amount':
      return Kind.BREAK_KIND_AMOUNT;
    case 'missing_in_ledger':
      return Kind.BREAK_KIND_MISSING_IN_LEDGER;
    case 'missing_on_chain':
      return Kind.BREAK_KIND_MISSING_ON_CHAIN;
    case 'duplicate':
      return Kind.BREAK_KIND_DUPLICATE;
    case 'ledger_unbalanced':
      return Kind.BREAK_KIND_LEDGER_UNBALANCED;
    case 'unknown_signature':
      return Kind.BREAK_KIND_UNKNOWN_SIGNATURE;
    default:
      return assertNever(kind, 'kind of break');
  }
}
