import { type Aggregate, assert, assertNever, type Instant } from '@finality/kernel';

/** What the signer's journal says and the restored store contradicts, or what neither of them knows: for a person to look at. */
export interface RecoveryDifference {
  /** What it is about: a txid, a settlement, an institution. */
  readonly subject: string;
  readonly description: string;
}

/** What reconciliation found at a cut after the journal had been imported. */
export interface RecoveryReport {
  readonly reportId: string;
  readonly breaks: number;
}

export type RecoveryEvent = { readonly at: Instant } &
  /** The journal is known up to this position: the next start begins there. */
  (
    | { readonly type: 'journal_checked'; readonly position: bigint }
    /** This store is older than the signer's journal, or an operator says so. */
    | { readonly type: 'recovery_begun'; readonly epoch: number; readonly reason: string }
    | { readonly type: 'transaction_imported'; readonly txid: string }
    | { readonly type: 'difference_found'; readonly difference: RecoveryDifference }
    /** `ledgerPosition`: of this store's log; what is cut there or later has all of it. */
    | { readonly type: 'journal_imported'; readonly position: bigint; readonly ledgerPosition: bigint }
    | { readonly type: 'recovery_reported'; readonly report: RecoveryReport }
    | { readonly type: 'recovery_ended'; readonly by: string; readonly reason: string }
  );

interface Recovering {
  readonly journalPosition: bigint;
  readonly epoch: number;
  readonly reason: string;
  readonly begunAt: Instant;
  /** Transactions that this store didn't know. */
  readonly imported: number;
  /** At most {@link DIFFERENCES_MAX}. */
  readonly differences: readonly RecoveryDifference[];
}

/**
 * Restored from an older copy, the store learns from the signer's journal what was paid since (`importing`), then takes part in everything but
 * new payouts until ledger and chain were found to agree, or an operator takes the responsibility (`reconciling`).
 */
export type Recovery =
  | { readonly status: 'normal'; readonly journalPosition: bigint }
  | (Recovering & { readonly status: 'importing' })
  | (Recovering & {
      readonly status: 'reconciling';
      readonly ledgerPosition: bigint;
      /** The last one; missing before the first. */
      readonly report?: RecoveryReport;
    });

export const DIFFERENCES_MAX = 1_000;

export const recoveryAggregate: Aggregate<Recovery, RecoveryEvent> = {
  name: 'recovery',
  initialState: { status: 'normal', journalPosition: 0n },
  evolve,
};

function evolve(state: Recovery, event: RecoveryEvent): Recovery {
  switch (event.type) {
    case 'journal_checked':
      return { ...state, journalPosition: event.position };
    case 'recovery_begun': {
      const { epoch, reason, at } = event;
      // From the beginning: which entry the copy was made after isn't known.
      return { status: 'importing', journalPosition: 0n, epoch, reason, begunAt: at, imported: 0, differences: [] };
    }
    case 'transaction_imported':
      return { ...importing(state), imported: importing(state).imported + 1 };
    case 'difference_found': {
      const before = importing(state);
      return { ...before, differences: [...before.differences, event.difference].slice(0, DIFFERENCES_MAX) };
    }
    case 'journal_imported': {
      const { position, ledgerPosition } = event;
      return { ...importing(state), status: 'reconciling', journalPosition: position, ledgerPosition };
    }
    case 'recovery_reported':
      assert(state.status === 'reconciling', `a report counts while reconciling, not ${state.status}`);
      return { ...state, report: event.report };
    case 'recovery_ended':
      assert(state.status === 'reconciling', `what is ${state.status} can't end`);
      return { status: 'normal', journalPosition: state.journalPosition };
    default:
      return assertNever(event, 'recovery event');
  }
}

function importing(state: Recovery): Extract<Recovery, { status: 'importing' }> {
  assert(state.status === 'importing', `transactions are imported while importing, not ${state.status}`);
  return state;
}
