import type { ledgerV1, ServicePort } from '@finality/contracts';
import { EventReader, PostgresEventStore, type StoreCommand, type Timer, TimerWorker } from '@finality/event-store';
import { assert, type Worker } from '@finality/kernel';
import { Authenticator, INTERNAL_API, SERVICE_ENV, WORKERS } from '@finality/service';
import { type DynamicModule, Module } from '@nestjs/common';
import {
  AUTHENTICATOR,
  READER,
  SETTLEMENT_SCHEMA,
  type SettlementEnv,
  type SettlementReader,
  type SettlementStore,
  STORE,
} from './env.ts';
import { AddressesMessages } from './inbound/addresses.messages.ts';
import { AgreeBilateralNettingRpc } from './inbound/agree-bilateral-netting.rpc.ts';
import { AmlVerdictsMessages } from './inbound/aml-verdicts.messages.ts';
import { Bootstrap } from './inbound/bootstrap.ts';
import { BeginRecoveryRpc } from './inbound/begin-recovery.rpc.ts';
import { AllowCounterpartyRpc } from './inbound/allow-counterparty.rpc.ts';
import { BumpFeeRpc } from './inbound/bump-fee.rpc.ts';
import { CancelSettlementRpc } from './inbound/cancel-settlement.rpc.ts';
import { ChainFactsMessages } from './inbound/chain-facts.messages.ts';
import { CloseWindowRpc } from './inbound/close-window.rpc.ts';
import { ConfirmBankBookingRpc } from './inbound/confirm-bank-booking.rpc.ts';
import { ConfirmCoinReleaseRpc } from './inbound/confirm-coin-release.rpc.ts';
import { ConfirmSuspenseResolutionRpc } from './inbound/confirm-suspense-resolution.rpc.ts';
import { ConfirmIncidentRpc } from './inbound/confirm-incident.rpc.ts';
import { ConfirmProposalRpc } from './inbound/confirm-proposal.rpc.ts';
import { CreateInstitutionRpc } from './inbound/create-institution.rpc.ts';
import { EndBilateralNettingRpc } from './inbound/end-bilateral-netting.rpc.ts';
import { EstimateFeesRpc } from './inbound/estimate-fees.rpc.ts';
import { FinishRecoveryRpc } from './inbound/finish-recovery.rpc.ts';
import { FreezeInstitutionRpc } from './inbound/freeze-institution.rpc.ts';
import { Gateway } from './inbound/gateway.ts';
import { GetStatementRpc } from './inbound/get-statement.rpc.ts';
import { GetApprovalPolicyRpc } from './inbound/get-approval-policy.rpc.ts';
import { GetBalancesRpc } from './inbound/get-balances.rpc.ts';
import { GetCollateralRpc } from './inbound/get-collateral.rpc.ts';
import { GetDefaultRpc } from './inbound/get-default.rpc.ts';
import { GetFundSizingRpc } from './inbound/get-fund-sizing.rpc.ts';
import { GetInclusionProofRpc } from './inbound/get-inclusion-proof.rpc.ts';
import { GetInstitutionRpc } from './inbound/get-institution.rpc.ts';
import { GetLimitsRpc } from './inbound/get-limits.rpc.ts';
import { GetLedgerCutRpc } from './inbound/get-ledger-cut.rpc.ts';
import { GetRecoveryRpc } from './inbound/get-recovery.rpc.ts';
import { GetLiquidityRpc } from './inbound/get-liquidity.rpc.ts';
import { GetQuoteRpc } from './inbound/get-quote.rpc.ts';
import { GetSettlementRpc } from './inbound/get-settlement.rpc.ts';
import { GetWindowPayoutRpc } from './inbound/get-window-payout.rpc.ts';
import { GetWindowRpc } from './inbound/get-window.rpc.ts';
import { ListCounterpartiesRpc } from './inbound/list-counterparties.rpc.ts';
import { ListBankBookingsRpc } from './inbound/list-bank-bookings.rpc.ts';
import { ListDefaultsRpc } from './inbound/list-defaults.rpc.ts';
import { ListDepositsRpc } from './inbound/list-deposits.rpc.ts';
import { ListBalancesRpc } from './inbound/list-balances.rpc.ts';
import { ListEntriesRpc } from './inbound/list-entries.rpc.ts';
import { ListIncidentsRpc } from './inbound/list-incidents.rpc.ts';
import { ListInstitutionsRpc } from './inbound/list-institutions.rpc.ts';
import { ListLedgerHeadsRpc } from './inbound/list-ledger-heads.rpc.ts';
import { ListLockedCoinsRpc } from './inbound/list-locked-coins.rpc.ts';
import { ListNettingPairsRpc } from './inbound/list-netting-pairs.rpc.ts';
import { ListProposalsRpc } from './inbound/list-proposals.rpc.ts';
import { ListSuspenseRpc } from './inbound/list-suspense.rpc.ts';
import { ListRatesRpc } from './inbound/list-rates.rpc.ts';
import { ListSettlementsRpc } from './inbound/list-settlements.rpc.ts';
import { ListWindowsRpc } from './inbound/list-windows.rpc.ts';
import { OpenWindowRpc } from './inbound/open-window.rpc.ts';
import { PostCollateralRpc } from './inbound/post-collateral.rpc.ts';
import { PreparePsbtRpc } from './inbound/prepare-psbt.rpc.ts';
import { ProposeBankBookingRpc } from './inbound/propose-bank-booking.rpc.ts';
import { ProposeChangeRpc } from './inbound/propose-change.rpc.ts';
import { PublishRateRpc } from './inbound/publish-rate.rpc.ts';
import { RejectBankBookingRpc } from './inbound/reject-bank-booking.rpc.ts';
import { RejectProposalRpc } from './inbound/reject-proposal.rpc.ts';
import { RequestQuoteRpc } from './inbound/request-quote.rpc.ts';
import { ReconciliationRunsMessages } from './inbound/reconciliation-runs.messages.ts';
import { ReleaseCoinsRpc } from './inbound/release-coins.rpc.ts';
import { ReleaseCollateralRpc } from './inbound/release-collateral.rpc.ts';
import { ReprioritizeSettlementRpc } from './inbound/reprioritize-settlement.rpc.ts';
import { RemoveCounterpartyRpc } from './inbound/remove-counterparty.rpc.ts';
import { RestrictCounterpartiesRpc } from './inbound/restrict-counterparties.rpc.ts';
import { ResolveSuspenseRpc } from './inbound/resolve-suspense.rpc.ts';
import { ReverseSettlementRpc } from './inbound/reverse-settlement.rpc.ts';
import { ReviewDepositRpc } from './inbound/review-deposit.rpc.ts';
import { ReviewSettlementRpc } from './inbound/review-settlement.rpc.ts';
import { RevokeApiKeyRpc } from './inbound/revoke-api-key.rpc.ts';
import { RiskVerdictsMessages } from './inbound/risk-verdicts.messages.ts';
import { SetApprovalPolicyRpc } from './inbound/set-approval-policy.rpc.ts';
import { SetLimitsRpc } from './inbound/set-limits.rpc.ts';
import { SetDebitCapRpc } from './inbound/set-debit-cap.rpc.ts';
import { SetWindowPayoutRpc } from './inbound/set-window-payout.rpc.ts';
import { StreamStatementRpc } from './inbound/stream-statement.rpc.ts';
import { SetCreditLineRpc } from './inbound/set-credit-line.rpc.ts';
import { SetCreditTermsRpc } from './inbound/set-credit-terms.rpc.ts';
import { SetLiquidityAlertsRpc } from './inbound/set-liquidity-alerts.rpc.ts';
import { SubmitSettlementRpc } from './inbound/submit-settlement.rpc.ts';
import { SubmitSettlementsRpc } from './inbound/submit-settlements.rpc.ts';
import { SubmitSignedPsbtRpc } from './inbound/submit-signed-psbt.rpc.ts';
import { Wakeups } from './inbound/wakeups.ts';
import { DestinationsMessages } from './inbound/destinations.messages.ts';
import { WalletsMessages } from './inbound/wallets.messages.ts';
import { WithdrawRateRpc } from './inbound/withdraw-rate.rpc.ts';
import { WatchSettlementsRpc } from './inbound/watch-settlements.rpc.ts';
import { Admission } from './admission.ts';
import { Commits } from './commits.ts';
import { RecentChanges } from './recent-changes.ts';
import { RecoveryGate } from './recovery-gate.ts';
import type { TimerKind } from '@finality/settlement';
import type { SettlementCommand } from './store/commands.ts';
import { SettlementHandler } from './store/handler.ts';
import { ShownHeight } from './shown-height.ts';
import { AnchorHeads } from './workers/anchor-heads.ts';
import { AssignDestinations } from './workers/assign-destinations.ts';
import { Recover } from './workers/recover.ts';
import { CheckpointBalances } from './workers/checkpoint-balances.ts';
import { CloseWindows } from './workers/close-windows.ts';
import { ConsolidateCoins } from './workers/consolidate-coins.ts';
import { ReleaseCoins } from './workers/release-coins.ts';
import { ReleaseQueued } from './workers/release-queued.ts';
import { ResolveGridlock } from './workers/resolve-gridlock.ts';
import { SealLedger } from './workers/seal-ledger.ts';
import { SignPayouts } from './workers/sign-payouts.ts';
import { WatchLiquidity } from './workers/watch-liquidity.ts';

/** What others of ours call: reconciliation's side of the ledger. */
export type LedgerCutPort = ServicePort<ledgerV1.InternalLedgerServiceServer>;

/** Token of {@link Bootstrap}. */
export const BOOTSTRAP = Symbol('Bootstrap');

const SETTLEMENT_RPCS = [
  SubmitSettlementRpc,
  SubmitSettlementsRpc,
  GetSettlementRpc,
  ListSettlementsRpc,
  CancelSettlementRpc,
  ReverseSettlementRpc,
  BumpFeeRpc,
  PreparePsbtRpc,
  SubmitSignedPsbtRpc,
  EstimateFeesRpc,
  ReviewSettlementRpc,
  WatchSettlementsRpc,
  ListDepositsRpc,
  ReviewDepositRpc,
];
const INSTITUTION_RPCS = [
  CreateInstitutionRpc,
  GetInstitutionRpc,
  ListInstitutionsRpc,
  FreezeInstitutionRpc,
  RevokeApiKeyRpc,
];
const LEDGER_RPCS = [
  GetBalancesRpc,
  ListBalancesRpc,
  ListEntriesRpc,
  GetStatementRpc,
  StreamStatementRpc,
  GetInclusionProofRpc,
  ListLedgerHeadsRpc,
];
const OPERATIONS_RPCS = [
  ListIncidentsRpc,
  ConfirmIncidentRpc,
  GetRecoveryRpc,
  BeginRecoveryRpc,
  FinishRecoveryRpc,
  ListLockedCoinsRpc,
  ReleaseCoinsRpc,
  ConfirmCoinReleaseRpc,
  ListSuspenseRpc,
  ResolveSuspenseRpc,
  ConfirmSuspenseResolutionRpc,
];
const POLICY_RPCS = [
  SetLimitsRpc,
  GetLimitsRpc,
  RestrictCounterpartiesRpc,
  AllowCounterpartyRpc,
  RemoveCounterpartyRpc,
  ListCounterpartiesRpc,
  SetApprovalPolicyRpc,
  GetApprovalPolicyRpc,
];
const WINDOW_RPCS = [
  OpenWindowRpc,
  CloseWindowRpc,
  GetWindowRpc,
  ListWindowsRpc,
  AgreeBilateralNettingRpc,
  EndBilateralNettingRpc,
  ListNettingPairsRpc,
  SetDebitCapRpc,
  SetWindowPayoutRpc,
  GetWindowPayoutRpc,
];
const LIQUIDITY_RPCS = [SetCreditLineRpc, GetLiquidityRpc, ReprioritizeSettlementRpc, SetLiquidityAlertsRpc];
const COLLATERAL_RPCS = [
  PostCollateralRpc,
  ReleaseCollateralRpc,
  GetCollateralRpc,
  SetCreditTermsRpc,
  ListDefaultsRpc,
  GetDefaultRpc,
  GetFundSizingRpc,
];
const CASH_RPCS = [ProposeBankBookingRpc, ConfirmBankBookingRpc, RejectBankBookingRpc, ListBankBookingsRpc];
const EXCHANGE_RPCS = [PublishRateRpc, WithdrawRateRpc, ListRatesRpc, RequestQuoteRpc, GetQuoteRpc];
const PROPOSAL_RPCS = [ProposeChangeRpc, ConfirmProposalRpc, RejectProposalRpc, ListProposalsRpc];
const MESSAGES = [
  RiskVerdictsMessages,
  AmlVerdictsMessages,
  WalletsMessages,
  AddressesMessages,
  DestinationsMessages,
  ChainFactsMessages,
  ReconciliationRunsMessages,
];

@Module({})
export class SettlementModule {
  static register(env: SettlementEnv): DynamicModule {
    const wakeups = new Wakeups(env.runtime);
    const commits = new Commits();
    const recent = new RecentChanges();
    const gate = new RecoveryGate(env.writer);
    const { pool, runtime, config } = env;
    const admission = new Admission({ pool, runtime, waitingMax: config.screeningMax });
    return {
      module: SettlementModule,
      controllers: [
        ...SETTLEMENT_RPCS,
        ...INSTITUTION_RPCS,
        ...WINDOW_RPCS,
        ...LIQUIDITY_RPCS,
        ...COLLATERAL_RPCS,
        ...POLICY_RPCS,
        ...LEDGER_RPCS,
        ...OPERATIONS_RPCS,
        ...CASH_RPCS,
        ...EXCHANGE_RPCS,
        ...PROPOSAL_RPCS,
        ...MESSAGES,
      ],
      providers: [
        Gateway,
        GetLedgerCutRpc,
        { provide: SERVICE_ENV, useValue: env },
        { provide: Wakeups, useValue: wakeups },
        { provide: Commits, useValue: commits },
        { provide: RecentChanges, useValue: recent },
        { provide: RecoveryGate, useValue: gate },
        { provide: Admission, useValue: admission },
        { provide: STORE, useFactory: () => gate.before(openStore(env, { wakeups, commits, recent })) },
        { provide: READER, useFactory: () => new EventReader({ pool: env.pool, schema: SETTLEMENT_SCHEMA }) },
        {
          provide: ShownHeight,
          useFactory: (reader: SettlementReader) => new ShownHeight({ reader, runtime, commits }),
          inject: [READER],
        },
        { provide: AUTHENTICATOR, useFactory: () => new Authenticator('settlement', env.driver) },
        {
          provide: BOOTSTRAP,
          useFactory: (store: SettlementStore) => new Bootstrap(store, env.runtime),
          inject: [STORE],
        },
        {
          provide: INTERNAL_API,
          useFactory: (cut: GetLedgerCutRpc): LedgerCutPort => ({ getLedgerCut: () => cut.handle() }),
          inject: [GetLedgerCutRpc],
        },
        {
          provide: WORKERS,
          useFactory: (store: SettlementStore, reader: SettlementReader, authenticator: Authenticator) =>
            workersOf(env, { store, reader, authenticator, gate, admission }),
          inject: [STORE, READER, AUTHENTICATOR],
        },
      ],
      exports: [INTERNAL_API, WORKERS, BOOTSTRAP],
    };
  }
}

function openStore(
  env: SettlementEnv,
  told: { readonly wakeups: Wakeups; readonly commits: Commits; readonly recent: RecentChanges },
): SettlementStore {
  const { pool, runtime, config, writer } = env;
  const handler = new SettlementHandler(config.policy);
  return new PostgresEventStore({
    pool,
    runtime,
    schema: SETTLEMENT_SCHEMA,
    service: 'settlement',
    handler,
    ...(writer && { writer }),
    onBatch(batch) {
      told.recent.add(batch);
      told.wakeups.notify();
      told.commits.tell(batch.changes);
    },
  });
}

interface WorkingWith {
  readonly store: SettlementStore;
  readonly reader: SettlementReader;
  readonly authenticator: Authenticator;
  readonly gate: RecoveryGate;
  readonly admission: Admission;
}

function workersOf(env: SettlementEnv, { store, reader, authenticator, gate, admission }: WorkingWith): Worker[] {
  const { pool, runtime } = env;
  const { windowMs, anchorApartMs } = env.config;
  const timers = new TimerWorker({
    name: 'settlement timers',
    store,
    pool,
    schema: SETTLEMENT_SCHEMA,
    runtime,
    commandOf: (timer) => timedOf(env, timer),
  });
  return [
    new Recover(env, store, reader, gate),
    new AssignDestinations(env, store, reader, gate),
    new SignPayouts(env, store, reader, gate),
    new ReleaseQueued(env, store, reader, gate),
    new ResolveGridlock(env, store, reader, gate),
    new WatchLiquidity(env, store, reader, gate),
    new ReleaseCoins(env, store, reader, gate),
    ...(env.config.policy.consolidation === undefined ? [] : [new ConsolidateCoins(env, store, reader, gate)]),
    ...(windowMs === undefined ? [] : [new CloseWindows(env, store, reader, gate, windowMs)]),
    new SealLedger(env, store, reader, gate),
    ...(anchorApartMs === undefined ? [] : [new AnchorHeads(env, store, reader, gate, anchorApartMs)]),
    new CheckpointBalances(env),
    admission,
    timers,
    authenticator.worker,
  ];
}

function timedOf({ runtime }: SettlementEnv, timer: Timer): StoreCommand<SettlementCommand> {
  const commandOf = TIMED[timer.kind as TimerKind];
  assert(commandOf !== undefined, `unknown timer ${timer.kind}`);
  const cause = {
    actor: { kind: 'timer', id: timer.kind },
    occurredAt: runtime.now(),
    correlationId: timer.id,
    causationId: timer.id,
  } as const;
  return { body: commandOf(timer.id), cause };
}

const TIMED: Readonly<Record<TimerKind, (id: string) => SettlementCommand>> = {
  due: (settlementId) => ({ type: 'fall_due', settlementId }),
  expiry: (settlementId) => ({ type: 'expire', settlementId }),
  collection: (institutionId) => ({ type: 'collect', institutionId }),
  credit_line: (institutionId) => ({ type: 'expire_credit_line', institutionId }),
};
