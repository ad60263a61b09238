import { deriveScript, MasterKey, type ScriptHex } from '@finality/bitcoin';
import { type Instant, unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  type DeclaredOutput,
  type DestinationState,
  type PayoutAuthorisation,
  type RegisteredDestination,
  scriptOfAddress,
} from './index.ts';
import {
  BANK_A,
  BANK_B,
  change,
  coin,
  FOREIGN,
  Journal,
  LIMIT_SATS,
  type Output,
  POOL,
  sats,
  scriptOf,
} from './red-team.fixture.ts';
import { TestSignatory } from './signatory.fixture.ts';

/** What a compromised settlement service may try with the pool's coins, which pay institutions what is their own: net payouts. */

const COOLED = 1_800_000_000_000 as Instant;
const OWN = new MasterKey(new Uint8Array(32).fill(81), 'regtest').account('wpkh', 0).descriptor;
const BANK_B_OUTSIDE = `0014${'b0'.repeat(20)}` as ScriptHex;
const BANK_C_OUTSIDE = `0014${'c0'.repeat(20)}` as ScriptHex;

const listed = (
  destinationId: string,
  institutionId: string,
  place: RegisteredDestination['place'],
): [string, DestinationState] => [
  destinationId,
  { status: 'registered', destination: { destinationId, institutionId, place, usableAt: COOLED, signatories: [] } },
];
const script = (of: ScriptHex): RegisteredDestination['place'] => ({ kind: 'script', script: of, address: `to ${of}` });
const REGISTRY = new Map([
  listed('d-b', 'bank-b', script(BANK_B_OUTSIDE)),
  listed('d-own', 'bank-b', { kind: 'wallet', walletId: 'w-own', descriptor: OWN }),
  listed('d-c', 'bank-c', script(BANK_C_OUTSIDE)),
]);

const AMOUNT = 60_000n;
interface Paid {
  readonly institutionId?: string;
  readonly destinationId?: string;
  readonly walletId?: string;
  readonly settlementId?: string;
  readonly valueSats?: bigint;
  readonly script?: ScriptHex;
}

/** To a destination, or to a wallet where one is named. */
function paid({
  institutionId = 'bank-b',
  destinationId = 'd-b',
  walletId,
  settlementId = 's-1',
  valueSats = AMOUNT,
  script: at = BANK_B_OUTSIDE,
}: Paid = {}): Output {
  const base = { valueSats: sats(valueSats), settlementId, institutionId, destinationId };
  const declared: DeclaredOutput =
    walletId === undefined
      ? { kind: 'destination', ...base }
      : { kind: 'payee', ...base, walletId, branch: 0, index: 3 };
  return { declared, script: at };
}

const own = (over: Paid = {}): Output =>
  paid({ destinationId: 'd-own', walletId: 'w-own', script: deriveScript(OWN, 0, 3).script, ...over });

const authorised = (over: Partial<PayoutAuthorisation> = {}): PayoutAuthorisation => ({
  settlementId: 's-1',
  network: 'regtest',
  payerInstitutionId: 'bank-b',
  payeeInstitutionId: 'bank-b',
  amountSats: sats(AMOUNT),
  payeeFeeMaxSats: sats(0n),
  requestSignature: '',
  requestKeyId: '',
  requestNonce: '',
  riskVerdictSignature: '',
  amlVerdictSignature: '',
  approvals: [],
  ...over,
});

const poolChange = (value: bigint): Output => change(value, scriptOf(POOL, 1, 5));
const ask = (output: Output, over: Partial<PayoutAuthorisation> = {}, journal = new Journal(REGISTRY, COOLED)) =>
  journal.ask({
    from: POOL,
    inputs: [coin(POOL, 100_000n)],
    outputs: [output, poolChange(99_000n - output.declared.valueSats)],
    payouts: [authorised(over)],
  });

describe('the pool’s coins', () => {
  it('pay an institution what is its own, at its destination, at its own keys’ wallet, and at its account', () => {
    expect(ask(paid())).toBe('signed');
    expect(ask(own())).toBe('signed');
    const account: Output = {
      declared: {
        kind: 'payee',
        valueSats: sats(AMOUNT),
        settlementId: 's-1',
        institutionId: 'bank-b',
        walletId: 'b-1',
        branch: 0,
        index: 3,
      },
      script: scriptOf(BANK_B, 0, 3),
    };
    expect(ask(account)).toBe('signed');
  });

  it.each<[string, () => Output, Partial<PayoutAuthorisation>, string]>([
    [
      'at another’s destination',
      () => paid({ destinationId: 'd-c', script: BANK_C_OUTSIDE }),
      {},
      'UNKNOWN_DESTINATION',
    ],
    [
      'to another, whose destination it is',
      () => paid({ institutionId: 'bank-c', destinationId: 'd-c', script: BANK_C_OUTSIDE }),
      {},
      'AUTHORISED_PAYEE_DIFFERS',
    ],
    [
      'to another, as its money',
      () => paid({ institutionId: 'bank-c', destinationId: 'd-c', script: BANK_C_OUTSIDE }),
      { payeeInstitutionId: 'bank-c' },
      'AUTHORISED_PAYER_DIFFERS',
    ],
    ['to it, as the platform’s money', () => paid(), { payerInstitutionId: 'platform' }, 'AUTHORISED_PAYER_DIFFERS'],
    ['at a script that nobody has listed', () => paid({ script: FOREIGN }), {}, 'OUTPUT_SCRIPT_DIFFERS'],
    ['at a destination that nobody has listed', () => paid({ destinationId: 'd-x' }), {}, 'UNKNOWN_DESTINATION'],
    ['at a script outside its own wallet', () => own({ script: FOREIGN }), {}, 'OUTPUT_SCRIPT_DIFFERS'],
    ['at its own wallet’s change', () => own({ script: deriveScript(OWN, 1, 3).script }), {}, 'OUTPUT_SCRIPT_DIFFERS'],
    ['at its own wallet under another’s name', () => own({ institutionId: 'bank-c' }), {}, 'UNKNOWN_DESTINATION'],
    ['at another wallet by the same entry', () => own({ walletId: 'w-other' }), {}, 'UNKNOWN_DESTINATION'],
    ['with more than is authorised', () => paid({ valueSats: AMOUNT + 1n }), {}, 'AUTHORISED_AMOUNT_DIFFERS'],
    ['with less than is authorised', () => paid({ valueSats: AMOUNT - 1n }), {}, 'AUTHORISED_AMOUNT_DIFFERS'],
    [
      'with less, by more than the fee',
      () => paid({ valueSats: AMOUNT - 5_000n }),
      { payeeFeeMaxSats: sats(5_000n) },
      // The rest would have gone to the change.
      'PAYEES_BEAR_MORE_THAN_FEE',
    ],
    ['without an authorisation of its own', () => paid(), { settlementId: 's-2' }, 'NOT_AUTHORISED'],
  ])('aren’t paid %s', (_what, output, over, rule) => {
    expect(ask(output(), over)).toBe(rule);
  });

  it('aren’t paid at a destination that cools, or was removed, whatever settlement still thinks of it', () => {
    expect(ask(paid(), {}, new Journal(REGISTRY, (COOLED - 1) as Instant))).toBe('DESTINATION_COOLING');
    const { destination } = REGISTRY.get('d-b') as Extract<DestinationState, { status: 'registered' }>;
    const removed = new Map(REGISTRY).set('d-b', { status: 'removed', destination });
    expect(ask(paid(), {}, new Journal(removed, COOLED))).toBe('DESTINATION_REMOVED');
  });

  it('aren’t paid elsewhere by a later version, or again by another lineage', () => {
    const journal = new Journal(REGISTRY, COOLED);
    const inputs = [coin(POOL, 100_000n)];
    const payouts = [authorised()];
    expect(journal.ask({ from: POOL, inputs, outputs: [paid(), poolChange(39_000n)], payouts })).toBe('signed');
    const dearer = { from: POOL, version: 2, inputs, payouts };
    expect(journal.ask({ ...dearer, outputs: [own(), poolChange(38_000n)] })).toBe('PAYOUT_DIFFERS');
    expect(journal.ask({ ...dearer, outputs: [paid(), poolChange(38_000n)] })).toBe('signed');
    const again = { from: POOL, lineageId: 'l-2', inputs: [coin(POOL, 100_000n)], payouts };
    expect(journal.ask({ ...again, outputs: [paid(), poolChange(39_000n)] })).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
  });

  it('need the approvals of the signatories of whoever’s money it is, of a payout of the pool’s wallet', () => {
    const ann = new TestSignatory(91);
    const known = { address: ann.address, script: unwrap(scriptOfAddress(ann.address, 'regtest', 'address')) };
    const asked = (walletId: string): string => {
      const journal = new Journal(REGISTRY, COOLED);
      const current = { aboveSats: sats(50_000n), approvals: 1 };
      journal.requires({ current }, { signatories: [known], revoked: [] });
      const payout = {
        settlementId: 's-1',
        mode: 'bilateral',
        amountSats: sats(AMOUNT),
        payeeInstitutionId: 'bank-b',
        walletId,
        to: 'destination d-b',
      };
      const place = { domain: 'finality', institutionId: 'bank-b', network: 'regtest' } as const;
      const approval = ann.sign({ purpose: 'approve payout', ...place, payout }, (COOLED + 3_600_000) as Instant);
      const request = { mode: 'bilateral' } as NonNullable<PayoutAuthorisation['request']>;
      return ask(paid(), { approvals: [approval], request }, journal);
    };
    expect([asked('pool'), asked('b-1')]).toEqual(['signed', 'APPROVALS_MISSING']);
  });

  it('are the only ones that pay an institution’s own money for it', () => {
    const outputs = [paid(), change(39_000n)];
    const attempt = { from: BANK_A, inputs: [coin(BANK_A, 100_000n)], outputs, payouts: [authorised()] };
    expect(new Journal(REGISTRY, COOLED).ask(attempt)).toBe('AUTHORISED_PAYER_DIFFERS');
  });

  it('leave within the platform’s rolling limit, whatever is made up about whose they are', () => {
    const journal = new Journal(REGISTRY, COOLED);
    const answers = Array.from({ length: 20 }, (_, i) => {
      const settlementId = `s-${i}`;
      return journal.ask({
        from: POOL,
        lineageId: `l-${i}`,
        inputs: [coin(POOL, 100_000n)],
        outputs: [paid({ settlementId, valueSats: 99_000n })],
        payouts: [authorised({ settlementId, amountSats: sats(99_000n) })],
      });
    });
    expect(answers.filter((answer) => answer === 'signed')).toHaveLength(Number(LIMIT_SATS / 100_000n));
    expect(answers.at(-1)).toBe('ROLLING_LIMIT');
  });
});
