import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as contracts from '@finality/contracts';
import { expect, it } from 'vitest';

const READ = 'tells, and binds nothing';
const STREAM =
  'a stream: what it asks for or tells is asked for and told one by one, and streamed in the end-to-end suites';
const RESTORED = 'after a store was restored from an older copy only: histories of libs/settlement go through that';

/** What the workload never asks for, and why. What moves or binds money belongs into the workload instead. */
const NOT_ASKED: Readonly<Record<string, string>> = {
  'AddressService/getGapReport': READ,
  'AmlService/getVerdict': READ,
  'CashService/listBankBookings': READ,
  'DestinationService/listDestinations': READ,
  'DestinationService/listSignatories': READ,
  'ExchangeService/getQuote': READ,
  'ExchangeService/listRates': READ,
  'FundService/getFundSizing': READ,
  'InstitutionService/getInstitution': READ,
  'LedgerService/listBalances': READ,
  'LedgerService/listEntries': READ,
  'OperationsService/beginRecovery': RESTORED,
  'OperationsService/finishRecovery': RESTORED,
  'OperationsService/getRecovery': RESTORED,
  'PolicyService/getApprovalPolicy': READ,
  'PolicyService/getLimits': READ,
  'PolicyService/listCounterparties': READ,
  'ProposalService/listProposals': READ,
  'ReconciliationService/getReport': READ,
  'ReconciliationService/listReports': READ,
  'SettlementService/estimateFees': READ,
  'SettlementService/listDeposits': READ,
  'SettlementService/listSettlements': READ,
  'SettlementService/submitSettlements': STREAM,
  'SettlementService/watchSettlements': STREAM,
  'WindowService/getWindowPayout': READ,
  'WindowService/listNettingPairs': READ,
};

/** Our own services' alone. */
const INTERNAL = /^(Internal\w+|SigningService|MessageService)\//;

/** Every call of the public API, as `SettlementService/submitSettlement`. */
function publicApi(): readonly string[] {
  const services = Object.values(contracts).flatMap((module) =>
    typeof module === 'object' ? Object.entries(module).filter(([name]) => name.endsWith('ServiceService')) : [],
  );
  const calls = services.flatMap(([name, definition]) =>
    Object.keys(definition as object).map((method) => `${name.replace(/Service$/, '')}/${method}`),
  );
  return calls.filter((call) => !INTERNAL.test(call));
}

it('the workload asks for everything in the API, but for what has a reason not to be asked for', () => {
  const sources = readdirSync(import.meta.dirname)
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => readFileSync(path.join(import.meta.dirname, file), 'utf8'))
    .join('\n');
  const isAsked = (call: string): boolean => call.split('/').every((name) => sources.includes(`'${name}'`));
  const all = publicApi();
  expect(all.length).toBeGreaterThan(Object.keys(NOT_ASKED).length);
  expect(all.filter((call) => !isAsked(call)).sort()).toEqual(Object.keys(NOT_ASKED).sort());
});
