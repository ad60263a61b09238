import { type Instant, sats } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { lineageAggregate } from './lineage.ts';
import { checkPayouts, type PayoutFacts } from './payouts.ts';
import type { SigningRequest } from './request.ts';
import { signatoriesAggregate } from './signatories.ts';

const FACTS: PayoutFacts = {
  network: 'regtest',
  lineage: lineageAggregate.initialState,
  paymentsOf: () => [],
  ancestryOf: () => [],
  otherLineage: () => lineageAggregate.initialState,
  destination: () => ({ status: 'none' }),
  now: 0 as Instant,
  signatories: () => signatoriesAggregate.initialState,
};

/** 60,000 sat to bank-b's wallet, on account of whoever it says. */
function paidBy(payerInstitutionId: string): SigningRequest {
  const payout = { settlementId: 's-1', institutionId: 'bank-b', walletId: 'w-b', branch: 0, index: 3 } as const;
  return {
    lineageId: 'l-1',
    version: 1,
    walletId: 'pool',
    anchor: `${'aa'.repeat(32)}:0` as SigningRequest['anchor'],
    unsignedTransaction: '',
    inputs: [],
    outputs: [{ kind: 'payee', valueSats: sats(60_000n), ...payout }],
    epoch: 1,
    payouts: [
      {
        settlementId: 's-1',
        network: 'regtest',
        payerInstitutionId,
        payeeInstitutionId: 'bank-b',
        amountSats: sats(60_000n),
        payeeFeeMaxSats: sats(0n),
        requestSignature: '',
        requestKeyId: '',
        requestNonce: '',
        riskVerdictSignature: '',
        amlVerdictSignature: '',
        approvals: [],
      },
    ],
  };
}

const ruleOf = (walletOf: string, payer: string): string | undefined =>
  checkPayouts(paidBy(payer), { institutionId: walletOf }, FACTS, sats(1_000n))?.rule;

describe('the pool', () => {
  it('pays an institution what is its own', () => expect(ruleOf('platform', 'bank-b')).toBeUndefined());

  it('pays nobody what is another’s, or the platform’s', () => {
    expect(ruleOf('platform', 'bank-a')).toBe('AUTHORISED_PAYER_DIFFERS');
    expect(ruleOf('platform', 'platform')).toBe('AUTHORISED_PAYER_DIFFERS');
    expect(ruleOf('bank-a', 'bank-a')).toBeUndefined();
  });

  it('is the only wallet that pays what isn’t its owner’s', () =>
    expect(ruleOf('bank-a', 'bank-b')).toBe('AUTHORISED_PAYER_DIFFERS'));
});
