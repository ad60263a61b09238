import type { signingV1 } from '@finality/contracts';
import { SERVICE_ENV, type ServiceEnv } from '@finality/service';
import {
  type ApprovalRulesState,
  approvalsFor,
  judgeApprovals,
  PAYOUT_APPROVALS_MAX,
  type SignatoriesState,
} from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { allowListTermsOf, type SignerConfig } from '../config.ts';
import { approvalRulesStream, signatoriesStream } from '../streams.ts';
import { SIGNER_READER, type SignerReader } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

const PAYOUTS_MAX = 1_000;

interface Payer {
  readonly rules: ApprovalRulesState;
  readonly signatories: SignatoriesState;
}

/** For whoever collects approvals: what the signer would make of them. */
@Controller()
export class CheckApprovalsRpc {
  readonly #reader: SignerReader;
  readonly #env: ServiceEnv<SignerConfig>;

  constructor(@Inject(SIGNER_READER) reader: SignerReader, @Inject(SERVICE_ENV) env: ServiceEnv<SignerConfig>) {
    this.#reader = reader;
    this.#env = env;
  }

  @GrpcMethod('SigningService', 'checkApprovals')
  async handle({ payouts }: signingV1.CheckApprovalsRequest): Promise<signingV1.CheckApprovalsResponse> {
    const fields = new StatementFields();
    fields.count(payouts, PAYOUTS_MAX, 'payouts');
    fields.done();
    const ids = [...new Set(payouts.map(({ payerInstitutionId }) => payerInstitutionId))];
    const rules = await this.#reader.loadStates(approvalRulesStream, ids);
    const signatories = await this.#reader.loadStates(signatoriesStream, ids);
    const payers = new Map(
      ids.map((id, i) => [id, { rules: rules[i]!.state, signatories: signatories[i]!.state }] as const),
    );
    return {
      payouts: payouts.map((each, i) => this.#check(each, payers.get(each.payerInstitutionId)!, `payouts[${i}]`)),
    };
  }

  #check(payout: signingV1.PayoutToApprove, payer: Payer, at: string): signingV1.ApprovalsFound {
    const fields = new StatementFields();
    fields.count(payout.approvals, PAYOUT_APPROVALS_MAX, `${at}.approvals`);
    fields.done();
    const payerInstitutionId = fields.id(payout.payerInstitutionId, `${at}.payer_institution_id`);
    const { destinationId, payeeWalletId = '' } = payout;
    const about = {
      settlementId: fields.id(payout.settlementId, `${at}.settlement_id`),
      mode: fields.id(payout.mode, `${at}.mode`),
      amountSats: fields.sats(payout.amountSats, `${at}.amount_sats`),
      payeeInstitutionId: fields.id(payout.payeeInstitutionId, `${at}.payee_institution_id`),
      walletId: fields.id(payout.walletId, `${at}.wallet_id`),
      to: destinationId === undefined ? `wallet ${payeeWalletId}` : `destination ${destinationId}`,
    };
    const approvals = payout.approvals.map((approval, i) => fields.statement(approval, `${at}.approvals[${i}]`));
    fields.done();
    const now = this.#env.runtime.now();
    const { good, wrong } = judgeApprovals(payerInstitutionId, about, approvals, {
      ...allowListTermsOf(this.#env.config),
      now,
      signatories: () => payer.signatories,
    });
    const required = approvalsFor(payer.rules, about.amountSats, now);
    return { settlementId: about.settlementId, required, signatories: [...good], refusals: [...wrong] };
  }
}
