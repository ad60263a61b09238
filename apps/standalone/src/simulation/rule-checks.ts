import type { Session } from '@finality/event-store';
import { decodeJson } from '@finality/kernel';
import type { ApprovalTier, LivingSettlement, PaymentRulesEvent } from '@finality/settlement';

interface EventRow {
  readonly position: bigint;
  readonly stream: string;
  readonly type: string;
  readonly data: string;
}

/** Of one institution, at one place of the log. */
interface Bound {
  isRestricted: boolean;
  /** From when on each may be paid. */
  readonly allowed: Map<string, number>;
  tiers: readonly ApprovalTier[];
}

const RULE_EVENTS = [
  'counterparties_restricted',
  'counterparties_freed',
  'approval_tiers_set',
  'counterparty_allowed',
  'counterparty_removed',
];

/**
 * What institutions have bound themselves to, by the order of the log: nothing began for a counterparty that wasn't listed, or was cooling; and nothing
 * went on without as many approvals as it needed, each by another person of the payer's, none by who asked.
 */
export async function ruleProblems(session: Session, all: readonly LivingSettlement[]): Promise<readonly string[]> {
  const rows = await session.query<EventRow>(
    `SELECT position, stream, type, data FROM events WHERE type = ANY($1) OR type IN ('screening_requested', 'api_key_issued') ORDER BY position`,
    [RULE_EVENTS],
  );
  const byId = new Map(all.map((settlement) => [settlement.terms.settlementId, settlement]));
  const bound = new Map<string, Bound>();
  const owners = new Map<string, string | undefined>();
  const problems: string[] = [];
  for (const { stream, type, data } of rows) {
    const id = stream.slice(stream.indexOf('/') + 1);
    if (type === 'api_key_issued') {
      owners.set(id, (decodeJson(data) as { readonly institutionId?: string }).institutionId);
    } else if (type === 'screening_requested') {
      const settlement = byId.get(id);
      const at = (decodeJson(data) as { readonly at: number }).at;
      if (settlement !== undefined) problems.push(...begunProblems(settlement, at, bound.get(settlement.terms.from)));
    } else {
      apply(bound, decodeJson(data) as PaymentRulesEvent);
    }
  }
  return [...problems, ...all.flatMap((settlement) => approvalProblems(settlement, owners))];
}

function apply(bound: Map<string, Bound>, event: PaymentRulesEvent): void {
  const { institutionId } = event;
  const rules = bound.get(institutionId) ?? { isRestricted: false, allowed: new Map<string, number>(), tiers: [] };
  bound.set(institutionId, rules);
  if (event.type === 'approval_tiers_set') rules.tiers = event.tiers;
  else if (event.type === 'counterparty_allowed') rules.allowed.set(event.counterpartyId, event.allowedFrom);
  else if (event.type === 'counterparty_removed') rules.allowed.delete(event.counterpartyId);
  else rules.isRestricted = event.type === 'counterparties_restricted';
}

/** What was begun is what the rules of that place of the log allow, and needs what they ask for. */
function begunProblems({ terms, approvals }: LivingSettlement, at: number, rules: Bound | undefined): string[] {
  // What a window pays out goes to its owner; what a default takes back nobody has asked for.
  if (rules === undefined || terms.netPayout !== undefined || terms.submittedBy === 'default') return [];
  const { settlementId, from, to, reverses, units, amountSats } = terms;
  const problems: string[] = [];
  const payees = [to, ...(units?.exchange === undefined ? [] : [units.exchange.makerId])].filter((id) => id !== from);
  const isUnlisted = (id: string): boolean => (rules.allowed.get(id) ?? Infinity) > at;
  if (rules.isRestricted && reverses === undefined)
    for (const payee of payees.filter(isUnlisted))
      problems.push(`settlement ${settlementId} of ${from} pays ${payee}, which isn't on its list yet`);
  const tier = rules.tiers.findLast(({ aboveSats }) => amountSats > aboveSats);
  if (units === undefined && (approvals?.required ?? 0) !== (tier?.approvals ?? 0))
    problems.push(
      `settlement ${settlementId} for ${amountSats} needs ${approvals?.required ?? 0} approvals, by the rules ${tier?.approvals ?? 0}`,
    );
  return problems;
}

function approvalProblems(
  { terms, approvals, transitions }: LivingSettlement,
  owners: ReadonlyMap<string, string | undefined>,
): readonly string[] {
  if (approvals === undefined) return [];
  const { settlementId, submittedBy, from } = terms;
  const { given, required, areSigned } = approvals;
  const problems: string[] = [];
  if (new Set(given.map(({ by }) => by)).size < given.length) problems.push('somebody has approved it twice');
  if (given.some(({ by }) => by === submittedBy)) problems.push('whoever asked for it has approved it');
  if (given.some(({ by }) => owners.get(by) !== from)) problems.push('somebody else than its payer has approved it');
  if (areSigned && given.some(({ signed }) => signed === undefined)) problems.push('an approval has no signature');
  if (transitions.some(({ status }) => status === 'approved') && given.length < required)
    problems.push(`it went on with ${given.length} approvals of ${required}`);
  return problems.map((problem) => `settlement ${settlementId}: ${problem}`);
}
