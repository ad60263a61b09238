import { exchangeV1, liquidityV1, proposalV1, settlementV1, toTimestamp } from '@finality/contracts';
import { assertNever, type Instant } from '@finality/kernel';
import { BTC } from '@finality/ledger';
import {
  type Change,
  type CreditTerms,
  institutionOf,
  isExpired,
  type KnownProposal,
  type Limits,
} from '@finality/settlement';
import { BANK_DIRECTIONS } from './exchange-messages.ts';
import { MODES, ROLES } from './messages.ts';

const { ProposalStatus } = proposalV1;
const SECOND_MS = 1_000;

/** As it is at a time: nothing happens when it expires. */
export function proposalMessage(proposal: KnownProposal, now: Instant): proposalV1.Proposal {
  const { proposalId, change, reason, proposedBy, proposedAt, expiresAt, proposals } = proposal;
  const decision = proposal.status === 'proposed' ? undefined : proposal;
  return {
    proposalId,
    institutionId: institutionOf(change),
    change: changeMessage(change),
    status: isExpired(proposal, now) ? ProposalStatus.PROPOSAL_STATUS_EXPIRED : STATUSES[proposal.status],
    reason,
    proposedBy,
    decidedBy: decision?.decidedBy ?? '',
    decisionReason: decision?.decisionReason ?? '',
    proposedAt: toTimestamp(proposedAt),
    decidedAt: decision && toTimestamp(decision.decidedAt),
    expiresAt: toTimestamp(expiresAt),
    proposals,
  };
}

const STATUSES: Readonly<Record<KnownProposal['status'], proposalV1.ProposalStatus>> = {
  proposed: ProposalStatus.PROPOSAL_STATUS_PROPOSED,
  confirmed: ProposalStatus.PROPOSAL_STATUS_CONFIRMED,
  rejected: ProposalStatus.PROPOSAL_STATUS_REJECTED,
};

/** The request that it was asked for by. */
function changeMessage(change: Change): proposalV1.Change {
  switch (change.type) {
    case 'set_credit_line': {
      const { institutionId, creditLineSats: limitSats, limit, expiresAt } = change.request;
      const until = expiresAt && { expiresAt: toTimestamp(expiresAt) };
      const setCreditLine = liquidityV1.SetCreditLineRequest.fromPartial({ institutionId, limitSats, limit, ...until });
      return proposalV1.Change.fromPartial({ setCreditLine });
    }
    case 'set_credit_terms': {
      const { institutionId, terms } = change.request;
      return proposalV1.Change.fromPartial({ setCreditTerms: { institutionId, ...termsAsked(terms) } });
    }
    case 'set_limits': {
      const { institutionId, limits } = change.request;
      return proposalV1.Change.fromPartial({ setLimits: { institutionId, ...limitsAsked(limits) } });
    }
    case 'set_debit_cap': {
      const { institutionId, unit, cap } = change.request;
      return proposalV1.Change.fromPartial({ setDebitCap: { institutionId, unit, cap } });
    }
    case 'set_approval_policy': {
      const { institutionId, tiers: asked } = change.request;
      const tiers = asked.map(({ aboveSats, approvals, areSigned: signed }) => ({ aboveSats, approvals, signed }));
      return proposalV1.Change.fromPartial({ setApprovalPolicy: { institutionId, tiers } });
    }
    case 'restrict_counterparties': {
      const { institutionId, isRestricted: restricted } = change.request;
      return proposalV1.Change.fromPartial({ restrictCounterparties: { institutionId, restricted } });
    }
    case 'release_pledge': {
      const { institutionId, pledge, unit, amount } = change.request;
      const what = unit === BTC ? { amountSats: amount } : { amount: { unit, amount } };
      return proposalV1.Change.fromPartial({ releaseCollateral: { institutionId, pledge: PLEDGES[pledge], ...what } });
    }
    case 'issue_api_key': {
      const { key } = change.request;
      const { secretSha256, roles: names, ...same } = key;
      const issueApiKey = {
        ...same,
        roles: names.map((name) => ROLES[name]),
        secretSha256: Buffer.from(secretSha256, 'hex'),
      };
      return proposalV1.Change.fromPartial({ issueApiKey });
    }
    case 'unfreeze_institution': {
      const { institutionId, althoughOwing } = change.request;
      return proposalV1.Change.fromPartial({ unfreezeInstitution: { institutionId, althoughOwing } });
    }
    case 'declare_default': {
      const { institutionId, unit } = change.request;
      return proposalV1.Change.fromPartial({ declareDefault: { institutionId, unit } });
    }
    case 'correct_bank_line': {
      const { bookingId, institutionId, right } = change.request;
      const instead = right && { right: { ...right, direction: BANK_DIRECTIONS[right.direction] } };
      return proposalV1.Change.fromPartial({ correctBankBooking: { bookingId, institutionId, ...instead } });
    }
    case 'publish_rate':
      return proposalV1.Change.fromPartial({ publishRate: rateAsked(change.proposal) });
    default:
      return assertNever(change, 'change');
  }
}

const PLEDGES = {
  collateral: liquidityV1.Pledge.PLEDGE_COLLATERAL,
  default_fund: liquidityV1.Pledge.PLEDGE_DEFAULT_FUND,
} as const;

function termsAsked({ haircutBps, dueAfterMs, units = [] }: CreditTerms) {
  const secondsOf = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / SECOND_MS);
  const unitTerms = units.map(({ dueAfterMs: due, graceMs: grace, ...own }) => ({
    ...own,
    dueAfterSeconds: secondsOf(due),
    graceSeconds: secondsOf(grace),
  }));
  return { haircutBps, dueAfterSeconds: secondsOf(dueAfterMs), unitTerms };
}

function limitsAsked({
  transactions,
  windows,
}: Limits): Pick<settlementV1.SetLimitsRequest, 'transactions' | 'windows'> {
  const modeOf = (mode?: keyof typeof MODES): settlementV1.SettlementMode =>
    mode === undefined ? settlementV1.SettlementMode.SETTLEMENT_MODE_UNSPECIFIED : MODES[mode];
  return {
    transactions: transactions.map(({ mode, maxSats }) => ({ settlementMode: modeOf(mode), maxSats })),
    windows: windows.map(({ mode, seconds, maxSats, countMax }) =>
      settlementV1.WindowLimit.fromPartial({
        settlementMode: modeOf(mode),
        windowSeconds: BigInt(seconds),
        maxSats,
        ...(countMax !== undefined && { maxCount: BigInt(countMax) }),
      }),
    ),
  };
}

function rateAsked(rate: Extract<Change, { type: 'publish_rate' }>['proposal']): exchangeV1.PublishRateRequest {
  const { makerId, base, counter, price, validUntil, quoteMs, baseMax } = rate;
  return exchangeV1.PublishRateRequest.fromPartial({
    makerInstitution: makerId,
    baseUnit: base,
    counterUnit: counter,
    price: { ...price },
    validUntil: toTimestamp(validUntil),
    quoteSeconds: quoteMs / SECOND_MS,
    ...(baseMax !== undefined && { baseMax }),
  });
}
