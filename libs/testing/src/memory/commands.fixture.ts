import { assertNever } from '@finality/kernel';
import type { TimerKind } from '@finality/settlement';
import type { Command } from '@finality/settlement/spec';

/** Commands that somebody outside asks for, with an idempotency key; the others are the service's own, and done again as they are. */
const OF_CALLERS: readonly Command['type'][] = [
  'submit',
  'reverse',
  'cancel',
  'review',
  'review_deposit',
  'create_institution',
  'reprioritize',
  'restrict_counterparties',
  'allow_counterparty',
  'remove_counterparty',
  'set_approval_policy',
  'set_limits',
  'set_liquidity_alerts',
  'set_credit_line',
  'set_credit_terms',
  'propose_change',
  'confirm_proposal',
  'reject_proposal',
  'post_pledge',
  'release_pledge',
  'freeze_institution',
  'unfreeze_institution',
  'declare_default',
  'issue_api_key',
  'revoke_api_key',
  'confirm_incident',
  'open_window',
  'close_window',
  'agree_netting',
  'end_netting',
  'choose_window_payout',
  'set_debit_cap',
  'release_coins',
  'confirm_release',
  'resolve_suspense',
  'confirm_resolution',
  'prepare_psbt',
  'add_signatures',
  'bump',
  'propose_bank_booking',
  'confirm_bank_booking',
  'reject_bank_booking',
  'correct_bank_line',
  'publish_rate',
  'withdraw_rate',
  'request_quote',
];

export const isOfCaller = ({ type }: Command): boolean => OF_CALLERS.includes(type);

/** The same request once more: the service would give what it makes of it another id. */
export function askedAgain(command: Command, attempt: number): Command {
  if (attempt === 1) return command;
  const renamed = (id: string): string => `${id}-${attempt}`;
  if (command.type === 'submit') {
    const { submission } = command;
    return { ...command, submission: { ...submission, settlementId: renamed(submission.settlementId) } };
  }
  if (command.type === 'request_quote') {
    const { request } = command;
    return { ...command, request: { ...request, quoteId: renamed(request.quoteId) } };
  }
  if (command.type !== 'reverse') return command;
  return { ...command, reversal: { ...command.reversal, settlementId: renamed(command.reversal.settlementId) } };
}

/** The settlement that a command makes; empty where it makes none. */
export function settlementOf(command: Command): string {
  if (command.type === 'submit') return command.submission.settlementId;
  return command.type === 'reverse' ? command.reversal.settlementId : '';
}

/** What a timer sets off. */
export function rung(kind: TimerKind, id: string): Command {
  switch (kind) {
    case 'credit_line':
      return { type: 'expire_credit_line', institutionId: id };
    case 'collection':
      return { type: 'collect', institutionId: id };
    case 'due':
      return { type: 'fall_due', settlementId: id };
    case 'expiry':
      return { type: 'expire', settlementId: id };
    default:
      return assertNever(kind, 'timer');
  }
}

/** In a line of a trace. */
export function described(command: Command): string {
  switch (command.type) {
    case 'submit': {
      const { settlementId, mode, from, to, feeBearer, destinationId } = command.submission;
      const outside = destinationId === undefined ? '' : ` at ${destinationId}`;
      return `submit ${settlementId}: ${mode}, ${from} pays ${to}${outside} ${whatOf(command.submission)}, fee of ${feeBearer}`;
    }
    case 'reverse': {
      const { settlementId, reverses } = command.reversal;
      return `reverse ${reverses} by ${settlementId}: ${whatOf(command.reversal)}`;
    }
    case 'verdict':
      return `verdict of ${command.by} on ${command.subject} ${shortened(command.id)}: ${command.assessment.recommendation}`;
    case 'chain_fact':
      return `chain fact ${factText(command.fact)}`;
    case 'destinations_assigned':
    case 'transaction_signed':
      return `${command.type} ${command.lineageId} version ${command.version}`;
    default:
      return `${command.type} ${textOf(command)}`;
  }
}

type Submission = Extract<Command, { type: 'submit' }>['submission'];

function whatOf({ amountSats, paid, quoteId }: Submission): string {
  if (quoteId !== undefined) return `at quote ${quoteId}`;
  return paid === undefined ? `${amountSats} sat` : `${paid.amount} ${paid.unit}`;
}

function factText(fact: Extract<Command, { type: 'chain_fact' }>['fact']): string {
  const txid = 'txid' in fact ? fact.txid : 'transaction' in fact ? fact.transaction.txid : '';
  const block = 'block' in fact ? `at ${fact.block.height} ${fact.block.hash.slice(0, 8)}` : '';
  return [fact.kind, txid.slice(0, 8), block].filter((part) => part !== '').join(' ');
}

function textOf({ type: _type, ...fields }: Command): string {
  const text = JSON.stringify(fields, (name, value: unknown) => {
    if (name === 'caller' || name === 'psbt' || name === 'signedHex') return undefined;
    return typeof value === 'bigint' ? `${value}` : typeof value === 'string' ? shortened(value) : value;
  });
  return text.replaceAll('"', '');
}

/** Ids of transactions and outpoints by their beginning. */
export const shortened = (text: string): string => text.replace(/([0-9a-f]{8})[0-9a-f]{56}/g, '$1');
