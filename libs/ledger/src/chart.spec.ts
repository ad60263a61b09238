import { describe, expect, it } from 'vitest';
import type { AccountId } from './account.ts';
import {
  accountSpec,
  availableAccount,
  ccpAccount,
  type Claim,
  claimPath,
  clearingClaim,
  custodyAccount,
  heldAccount,
  incomingAccount,
  inFlightAccount,
  networkFeesAccount,
  nostroAccount,
  parseAccountId,
  pledgeAccount,
  settlementSuspenseAccount,
  standbyAccount,
  transitAccount,
  unitOf,
  walletSuspenseAccount,
} from './chart.ts';
import { BTC, parseUnit } from './unit.ts';

const clearing: Claim = { kind: 'clearing', institutionId: 'bank-a' };
const USD = parseUnit('USD')!;
const dollars: Claim = clearingClaim('bank-a', USD);
const wallet: Claim = { kind: 'wallet', walletId: '0198c1de-7f00-7000-8000-000000000001' };

describe('the chart of accounts', () => {
  it.each([
    [availableAccount(clearing), 'clearing/bank-a/available', { kind: 'claim', claim: clearing, part: 'available' }],
    [inFlightAccount(clearing), 'clearing/bank-a/in_flight', { kind: 'claim', claim: clearing, part: 'in_flight' }],
    [
      incomingAccount(wallet),
      'wallet/0198c1de-7f00-7000-8000-000000000001/incoming',
      { kind: 'claim', claim: wallet, part: 'incoming' },
    ],
    [
      heldAccount(wallet),
      'wallet/0198c1de-7f00-7000-8000-000000000001/held',
      { kind: 'claim', claim: wallet, part: 'held' },
    ],
    [
      pledgeAccount('collateral', 'bank-a'),
      'collateral/bank-a',
      { kind: 'pledge', pledge: 'collateral', institutionId: 'bank-a', unit: BTC },
    ],
    [
      pledgeAccount('default_fund', 'bank-a'),
      'default_fund/bank-a',
      { kind: 'pledge', pledge: 'default_fund', institutionId: 'bank-a', unit: BTC },
    ],
    [custodyAccount('pool'), 'custody/pool', { kind: 'custody', walletId: 'pool' }],
    [walletSuspenseAccount('pool'), 'suspense/pool', { kind: 'suspense_wallet', walletId: 'pool' }],
    [settlementSuspenseAccount(), 'suspense/settlement', { kind: 'suspense_settlement' }],
    [transitAccount(), 'transit', { kind: 'transit' }],
    [standbyAccount(), 'standby', { kind: 'standby', unit: BTC }],
    [standbyAccount(USD), 'standby/USD', { kind: 'standby', unit: USD }],
    [ccpAccount(), 'ccp', { kind: 'ccp', unit: BTC }],
    [availableAccount(dollars), 'clearing/bank-a/USD/available', { kind: 'claim', claim: dollars, part: 'available' }],
    [ccpAccount(USD), 'ccp/USD', { kind: 'ccp', unit: USD }],
    [nostroAccount(USD), 'nostro/USD', { kind: 'nostro', unit: USD }],
    [networkFeesAccount(), 'fees/network', { kind: 'fees_network' }],
  ])('%s', (id, path, name) => {
    expect(id).toBe(path);
    expect(parseAccountId(id)).toEqual(name);
  });

  it('limits what we decide by what is there, and never what the chain says', () => {
    const limited = [availableAccount(clearing), inFlightAccount(clearing), heldAccount(clearing), ccpAccount()];
    const pledged = [pledgeAccount('collateral', 'bank-a'), pledgeAccount('default_fund', 'bank-a')];
    const free = [incomingAccount(clearing), custodyAccount('pool'), transitAccount(), settlementSuspenseAccount()];
    for (const id of [...limited, ...pledged]) {
      expect(accountSpec(id).limit).toEqual({ kind: 'debits_must_not_exceed_credits', overdraft: 0n });
    }
    for (const id of free) expect(accountSpec(id).limit).toEqual({ kind: 'none' });
    expect(accountSpec(nostroAccount(USD)).limit).toEqual({ kind: 'credits_must_not_exceed_debits' });
  });

  it('says by its path what an account counts', () => {
    for (const id of [
      availableAccount(dollars),
      incomingAccount(dollars),
      ccpAccount(USD),
      nostroAccount(USD),
      pledgeAccount('collateral', 'bank-a', USD),
    ])
      expect(accountSpec(id).unit).toBe('USD');
    for (const id of [availableAccount(clearing), availableAccount(wallet), ccpAccount(), custodyAccount('pool')])
      expect(accountSpec(id).unit).toBe('BTC');
    expect([unitOf(dollars), unitOf(clearing), unitOf(wallet)]).toEqual(['USD', 'BTC', 'BTC']);
  });

  it('gives BTC the paths without a unit', () => {
    expect(clearingClaim('bank-a', BTC)).toEqual(clearing);
    expect(ccpAccount(BTC)).toBe(ccpAccount());
    expect(() => nostroAccount(BTC)).toThrow('held by wallets');
  });

  it.each([
    '',
    'clearing',
    'clearing/a',
    'clearing/a/gone',
    'wallet//available',
    'wallet/a/available/x',
    'fees/other',
    'collateral',
    'collateral/a/BTC',
    'collateral/a/USD/EUR',
    'default_fund/a/usd',
    'custody/a/b',
    'clearing/a/BTC/available',
    'clearing/a/usd/available',
    'clearing/a/USD',
    'clearing/a/USD/EUR/available',
    'wallet/a/USD/available',
    'ccp/BTC',
    'ccp/XAU',
    'nostro',
    'nostro/BTC',
    'nostro/USD/available',
  ])('has no account "%s"', (id) => {
    expect(() => parseAccountId(id as AccountId)).toThrow('no account of the chart');
  });

  it.each(['', 'a/b', ' a', '../x', 'a'.repeat(129)])('refuses "%s" as an id in a path', (id) => {
    expect(() => claimPath({ kind: 'wallet', walletId: id })).toThrow("can't be part");
  });

  it('keeps the suspense of a wallet apart from that of settlements', () => {
    expect(() => walletSuspenseAccount('settlement')).toThrow('no wallet');
  });
});
