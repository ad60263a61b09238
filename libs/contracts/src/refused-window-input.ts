import { invalid, type RefusedCaller, type RefusedInput } from './refused-row.ts';

/** No resource has it. */
const UNKNOWN_ID = '00000000-0000-7000-8000-000000000000';

const refused = (
  rpc: string,
  input: string,
  [status, reason, field = '']: readonly [status: string, reason: string, field?: string],
  more: Pick<RefusedInput, 'caller' | 'change'> = {},
): RefusedInput => ({ rpc, input, status, reason, field, ...more });

const wrongRole = (rpc: string, caller: RefusedCaller): RefusedInput =>
  refused(
    rpc,
    `an API key that isn’t ${caller === 'operator' ? 'an institution’s' : 'an operator’s'}`,
    ['PERMISSION_DENIED', 'ROLE_REQUIRED'],
    {
      caller,
    },
  );

/** Of the windows' service. */
export const WINDOWS: readonly RefusedInput[] = [
  wrongRole('OpenWindow', 'payer'),
  refused('OpenWindow', 'while a window is open', ['FAILED_PRECONDITION', 'WINDOW_OPEN']),
  wrongRole('CloseWindow', 'payer'),
  invalid('CloseWindow', 'no window', 'window_id', { window_id: '' }),
  invalid('CloseWindow', 'no reason', 'reason', { reason: '' }),
  refused('CloseWindow', 'an unknown window', ['NOT_FOUND', 'UNKNOWN_WINDOW'], { change: { window_id: UNKNOWN_ID } }),
  refused('CloseWindow', 'a window that is closed', ['FAILED_PRECONDITION', 'WINDOW_NOT_OPEN']),
  invalid('GetWindow', 'no id', 'window_id', { window_id: 'the last one' }),
  refused('GetWindow', 'an unknown window', ['NOT_FOUND', 'UNKNOWN_WINDOW'], { change: { window_id: UNKNOWN_ID } }),
  invalid('ListWindows', 'page size 1001', 'page_size', { page_size: 1001 }),
  invalid('ListWindows', 'a status that isn’t in the enum', 'status', { status: 99 }),
  invalid('ListWindows', 'a page token of its own making', 'page_token', { page_token: 'next' }),
  wrongRole('AgreeBilateralNetting', 'operator'),
  invalid('AgreeBilateralNetting', 'itself', 'counterparty_id', { counterparty_id: '$payer' }),
  refused('AgreeBilateralNetting', 'unknown institution', ['NOT_FOUND', 'UNKNOWN_INSTITUTION', 'counterparty_id'], {
    change: { counterparty_id: 'nobody-knows-it' },
  }),
  refused(
    'AgreeBilateralNetting',
    'an institution that is frozen',
    ['FAILED_PRECONDITION', 'INSTITUTION_FROZEN', 'counterparty_id'],
    { change: { counterparty_id: '$frozen' } },
  ),
  invalid('EndBilateralNetting', 'itself', 'counterparty_id', { counterparty_id: '$payer' }),
  refused('EndBilateralNetting', 'with somebody who hasn’t agreed to anything', ['NOT_FOUND', 'UNKNOWN_PAIR'], {
    change: { counterparty_id: '$stranger' },
  }),
  wrongRole('SetWindowPayout', 'operator'),
  invalid('SetWindowPayout', 'no rule', 'rule', { rule: 'WINDOW_PAYOUT_RULE_UNSPECIFIED' }),
  invalid('SetWindowPayout', 'neither a wallet nor a destination', 'wallet_id', { wallet_id: '' }),
  invalid('SetWindowPayout', 'a wallet and a destination', 'destination_id', { destination_id: 'd' }),
  invalid('SetWindowPayout', 'a floor of another rule', 'floor_sats', { floor_sats: '1' }),
  invalid('SetWindowPayout', 'a negative floor', 'floor_sats', {
    rule: 'WINDOW_PAYOUT_RULE_ABOVE_FLOOR',
    floor_sats: '-1',
  }),
  refused('SetWindowPayout', 'a wallet that isn’t its own', ['NOT_FOUND', 'UNKNOWN_WALLET', 'wallet_id'], {
    change: { wallet_id: 'pool' },
  }),
  refused(
    'SetWindowPayout',
    'a destination that nobody knows',
    ['NOT_FOUND', 'UNKNOWN_DESTINATION', 'destination_id'],
    { change: { wallet_id: '', destination_id: 'nobody-knows-it' } },
  ),
  wrongRole('SetDebitCap', 'compliance'),
  invalid('SetDebitCap', 'a negative cap', 'cap', { cap: '-1' }),
  invalid('SetDebitCap', 'a cap above 21·10^14 satoshi', 'cap', { cap: '2100000000000001' }),
  invalid('SetDebitCap', 'a unit that isn’t registered', 'unit', { unit: 'usd' }),
  invalid('SetDebitCap', 'no reason', 'reason', { reason: '' }),
  refused('SetDebitCap', 'an institution that nobody knows', ['NOT_FOUND', 'UNKNOWN_INSTITUTION', 'institution_id'], {
    change: { institution_id: 'nobody-knows-it' },
  }),
  refused('SetDebitCap', 'another institution’s API key', ['PERMISSION_DENIED', 'FOREIGN_INSTITUTION'], {
    caller: 'stranger',
  }),
  wrongRole('GetWindowPayout', 'operator'),
  refused('ListNettingPairs', 'no API key', ['UNAUTHENTICATED', 'API_KEY_MISSING'], { caller: 'none' }),
];
