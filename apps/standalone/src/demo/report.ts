import { fromTimestamp, modeName, type settlementV1, statusName } from '@finality/contracts';
import { formatInstant } from '@finality/event-store';
import type { Paint } from '../output.ts';
import type { ScenarioResult } from './scenario.ts';

const SATS_PER_BITCOIN = 100_000_000n;
const MODES: Readonly<Record<string, string>> = {
  CENTRALIZED: 'novation on clearing balances, final at once',
  BILATERAL: "from the payer's wallet to a fresh address of the payee's",
  BLOCKCHAIN: 'a transaction of its own, with the highest finality',
};

/** The life of each settlement, state by state, and what the comparison said. */
export function describeResult(result: ScenarioResult, paint: Paint): string {
  return [...result.settlements.map((settlement) => describe(settlement, paint)), conclusion(result, paint)].join('\n');
}

/** `0.12500000 BTC` */
export function bitcoin(amountSats: bigint): string {
  const whole = amountSats / SATS_PER_BITCOIN;
  return `${whole}.${(amountSats % SATS_PER_BITCOIN).toString().padStart(8, '0')} BTC`;
}

function describe(settlement: settlementV1.Settlement, paint: Paint): string {
  const { fromInstitution, toInstitution, amountSats, feeSats, transitions, txid, confirmations } = settlement;
  const mode = modeName(settlement.settlementMode);
  const head = `${mode.padEnd(11)}  ${fromInstitution} → ${toInstitution}  ${bitcoin(amountSats)}`;
  const lines = ['', `${paint.bold(head)}  ${paint.dim(MODES[mode] ?? '')}`];
  lines.push(paint.dim(`  settlement     ${settlement.settlementId}`));
  if (txid !== undefined) {
    const depth = `${confirmations} confirmations of ${settlement.confirmationsRequired} required, fee ${feeSats} sat`;
    lines.push(paint.dim(`  transaction    ${txid}`), paint.dim(`                 ${depth}`));
  }
  const start = transitions[0]?.at && fromTimestamp(transitions[0].at);
  for (const { status, at, reason } of transitions) {
    const time = at && fromTimestamp(at);
    const clock = time === undefined ? '' : formatInstant(time).slice(11, 23);
    const since = time === undefined || start === undefined ? '' : `+${((time - start) / 1_000).toFixed(2)} s`;
    const name = statusName(status).padEnd(13);
    const shown = name.startsWith('settled') ? paint.green(name) : name;
    lines.push(`  ${clock}   ${shown} ${paint.dim(since.padStart(9))}  ${paint.dim(reason)}`.trimEnd());
  }
  return lines.join('\n');
}

function conclusion({ report, figures }: ScenarioResult, paint: Paint): string {
  const { cut, checked, matched, breaks, timing } = report;
  const lines = ['', paint.green(paint.bold('Ledger, chain and counterparties agree to the satoshi.'))];
  lines.push(
    `  compared       ${checked} records: ${matched} match, ${timing.length} in flight, ${breaks.length} breaks`,
    `  at             block ${cut?.height ?? 0}, position ${cut?.ledgerPosition ?? 0n} of the ledger`,
  );
  if (figures) {
    const { depositedSats, claimsSats, feesSats } = figures;
    lines.push(
      `  deposited      ${depositedSats.toString().padStart(12)} sat`,
      `  claims now     ${claimsSats.toString().padStart(12)} sat`,
      `  network fees   ${feesSats.toString().padStart(12)} sat`,
    );
  }
  return lines.join('\n');
}

/** What `--json` prints: `{"settlements":[…],"reconciliation":{"checked","breaks":[]}}`. */
export function resultJson({ settlements, report }: ScenarioResult): string {
  return JSON.stringify({
    settlements: settlements.map((settlement) => ({
      settlement_id: settlement.settlementId,
      mode: modeName(settlement.settlementMode),
      status: statusName(settlement.status),
      txid: settlement.txid ?? null,
      confirmations: settlement.confirmations,
    })),
    reconciliation: {
      checked: Number(report.checked),
      breaks: report.breaks.map(({ subject, description }) => ({ subject, description })),
    },
  });
}
