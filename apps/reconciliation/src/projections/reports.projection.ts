import { encoded, reconciliationV1 } from '@finality/contracts';
import type { Session, States, StoredEvent } from '@finality/event-store';
import { assert } from '@finality/kernel';
import type { Report } from '@finality/reconciliation';
import { reportMessage } from '../report-message.ts';
import { runStream } from '../streams.ts';

// Completed reports, to be listed newest first.

export interface ReportPage {
  readonly reports: readonly reconciliationV1.Report[];
  /** Position of the last one, when there are more. */
  readonly next: bigint | undefined;
}

/** In the batch that completes them. */
export async function projectReports(session: Session, events: readonly StoredEvent[], states: States): Promise<void> {
  for (const { type, stream, position } of events) {
    if (type !== 'run_completed') continue;
    const state = states.state(runStream, stream.slice(`${runStream.aggregate.name}/`.length));
    assert(state.status === 'completed', 'a completed run has a report');
    await saveReport(session, state.report, position);
  }
}

async function saveReport(session: Session, report: Report, position: bigint): Promise<void> {
  const bytes = Buffer.from(encoded(reconciliationV1.Report, reportMessage(report)));
  await session.query('INSERT INTO reports (report_id, position, report) VALUES ($1, $2, $3)', [
    report.reportId,
    position,
    bytes,
  ]);
}

/** Reports completed before a position of the log. */
export async function reportsBefore(
  session: Session,
  position: bigint | undefined,
  pageSize: number,
): Promise<ReportPage> {
  const rows = await session.query<{ position: bigint; report: Buffer }>(
    'SELECT position, report FROM reports WHERE $1::bigint IS NULL OR position < $1 ORDER BY position DESC LIMIT $2',
    [position ?? null, pageSize + 1],
  );
  const page = rows.slice(0, pageSize);
  return {
    reports: page.map((row) => reconciliationV1.Report.decode(row.report)),
    next: rows.length > pageSize ? page.at(-1)!.position : undefined,
  };
}
