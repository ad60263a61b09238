import {
  buildPayoutTransaction,
  bytesFromHex,
  deriveScript,
  type FeeRate,
  hexFromBytes,
  MasterKey,
  type OutpointKey,
  parseOutpointKey,
  type PayoutOutput,
  type ScriptHex,
} from '@finality/bitcoin';
import { type Instant, type Sats, unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import {
  type Account,
  accountAggregate,
  ANCHOR_SCRIPT,
  approvalRulesAggregate,
  decideCreateAccount,
  decideSigning,
  type DeclaredOutput,
  type RegisteredDestination,
  lineageAggregate,
  type LineageState,
  signatoriesAggregate,
  type SigningFacts,
  type SigningRequest,
  type SigningRule,
} from './index.ts';

const master = new MasterKey(new Uint8Array(32).fill(7), 'regtest');
const sats = (value: bigint): Sats => value as Sats;

function account(walletId: string, institutionId: string, accountIndex: number): Account {
  const { external, internal } = master.account('wpkh', accountIndex).descriptor;
  return { walletId, institutionId, scriptType: 'wpkh', accountIndex, external, internal };
}

const payer = account('w-a', 'bank-a', 0);
const payee = account('w-b', 'bank-b', 1);
const accounts = [payer, payee, account('w-c', 'bank-c', 2)];
const scriptOf = (of: Account, branch: 0 | 1, index: number): ScriptHex =>
  deriveScript(master.account('wpkh', of.accountIndex).descriptor, branch, index).script;

const ANCHOR = `${'aa'.repeat(32)}:0` as OutpointKey;
const COIN = `${'bb'.repeat(32)}:1` as OutpointKey;
const FOREIGN_SCRIPT = `0014${'42'.repeat(20)}` as ScriptHex;
const [AMOUNT, FEE, INPUTS] = [60_000n, 1_000n, 100_000n] as const;

interface Draft {
  request: SigningRequest;
  facts: SigningFacts;
}

interface Plan {
  readonly outputs?: readonly PayoutOutput[];
  readonly declared?: readonly DeclaredOutput[];
  readonly coins?: readonly OutpointKey[];
}

const payment: PayoutOutput = { script: scriptOf(payee, 0, 3), valueSats: sats(AMOUNT) };
const change: PayoutOutput = { script: scriptOf(payer, 1, 5), valueSats: sats(INPUTS - AMOUNT - FEE) };
const toPayee: DeclaredOutput = {
  kind: 'payee',
  valueSats: sats(AMOUNT),
  settlementId: 's-1',
  institutionId: 'bank-b',
  walletId: 'w-b',
  branch: 0,
  index: 3,
};
const toChange: DeclaredOutput = { kind: 'change', valueSats: change.valueSats, index: 5 };

/** A payout of 60,000 sat from two coins of 40,000 and 60,000 that everything is right with. */
function draft({
  outputs = [payment, change],
  declared = [toPayee, toChange],
  coins = [ANCHOR, COIN],
}: Plan = {}): Draft {
  const values = [40_000n, 60_000n];
  const inputs = coins.map((outpoint, index) => ({
    outpoint,
    valueSats: sats(values[index]!),
    branch: 0 as const,
    index,
  }));
  const built = buildPayoutTransaction({
    inputs: inputs.map((input) => ({
      outpoint: unwrap(parseOutpointKey(input.outpoint)),
      valueSats: input.valueSats,
      script: scriptOf(payer, 0, input.index),
    })),
    outputs,
    locktime: 100,
  });
  const request: SigningRequest = {
    lineageId: 'l-1',
    version: 1,
    walletId: 'w-a',
    anchor: ANCHOR,
    unsignedTransaction: built.unsigned,
    inputs,
    outputs: declared,
    epoch: 4,
    payouts: [authorisation('s-1')],
  };
  return { request, facts: facts() };
}

/** The payee gets so much less than the amount, and may get so much less. */
const deducting = (deductedSats: bigint, maxSats: bigint): SigningRequest['payouts'][number] => ({
  ...authorisation('s-1'),
  amountSats: sats(AMOUNT + deductedSats),
  payeeFeeMaxSats: sats(maxSats),
});

function authorisation(settlementId: string): SigningRequest['payouts'][number] {
  return {
    settlementId,
    network: 'regtest',
    payerInstitutionId: 'bank-a',
    payeeInstitutionId: 'bank-b',
    amountSats: sats(AMOUNT),
    payeeFeeMaxSats: sats(0n),
    requestSignature: '',
    requestKeyId: '',
    requestNonce: '',
    riskVerdictSignature: '',
    amlVerdictSignature: '',
    approvals: [],
  };
}

const PAID_SCRIPT = `5120${'37'.repeat(32)}` as ScriptHex;
const DESTINATION: RegisteredDestination = {
  destinationId: 'd-1',
  institutionId: 'bank-b',
  place: { kind: 'script', address: 'bcrt1p', script: PAID_SCRIPT },
  usableAt: 1_000 as Instant,
  signatories: ['ann', 'bob'],
};

/** A payout to a destination of the payee's. */
function toDestination(over: Partial<SigningFacts> = {}, of: Partial<DeclaredOutput> = {}): Draft {
  const declared = {
    kind: 'destination',
    valueSats: sats(AMOUNT),
    settlementId: 's-1',
    institutionId: 'bank-b',
    destinationId: 'd-1',
  } as const;
  const { request } = draft({
    outputs: [{ script: PAID_SCRIPT, valueSats: sats(AMOUNT) }, change],
    declared: [{ ...declared, ...of } as DeclaredOutput, toChange],
  });
  return { request, facts: facts(over) };
}

/** Beyond index 0, which is all that is known. */
const INDEX_GAP = 10;

function facts(over: Partial<SigningFacts> = {}): SigningFacts {
  return {
    network: 'regtest',
    account: (walletId) => accounts.find((each) => each.walletId === walletId),
    scriptOf,
    indexHighest: () => 0,
    destination: (id) =>
      id === DESTINATION.destinationId ? { status: 'registered', destination: DESTINATION } : { status: 'none' },
    signatories: () => signatoriesAggregate.initialState,
    approvalRules: () => approvalRulesAggregate.initialState,
    domain: 'finality',
    now: DESTINATION.usableAt,
    lineage: lineageAggregate.initialState,
    signedHead: () => undefined,
    headAnchored: null,
    coin: () => ({}),
    paymentsOf: () => [],
    ancestryOf: () => [],
    otherLineage: () => lineageAggregate.initialState,
    sentBeforeSats: 0n,
    sentInLineageSats: 0n,
    limits: {
      feeMaxSats: sats(20_000n),
      feeRateMax: 50_000n as FeeRate,
      rollingMaxSats: 1_000_000n,
      windowMs: 86_400_000,
      indexGapMax: INDEX_GAP,
    },
    epochHighest: 4,
    ...over,
  };
}

const decide = ({ request, facts: known }: Draft): SigningRule | 'accepted' | 'repeated' => {
  const decided = decideSigning(request, known);
  if (!decided.ok) return decided.error.rule;
  return decided.value.repeated ? 'repeated' : 'accepted';
};

const asking = (change: Partial<SigningRequest>, plan: Plan = {}): Draft => {
  const { request, facts: known } = draft(plan);
  return { request: { ...request, ...change }, facts: known };
};

const knowing = (known: Partial<SigningFacts>): Draft => ({ ...draft(), facts: facts(known) });

const outputsOf = (...declared: readonly DeclaredOutput[]): Draft => asking({ outputs: declared });

/** What was accepted before as version 1 of the lineage. */
function signedBefore(request: SigningRequest): LineageState {
  const decided = unwrap(decideSigning(request, facts()));
  const decision = {
    policyVersion: 1,
    limits: facts().limits,
    epochHighest: 4,
    sentBeforeSats: 0n,
    indicesHighest: {},
  };
  const event = {
    type: 'signing_accepted',
    request,
    institutionId: 'bank-a',
    txid: decided.transaction.txid,
    feeSats: decided.feeSats,
    sentSats: decided.sentSats,
    acceptedAt: 1 as Instant,
    decision,
  } as const;
  return lineageAggregate.evolve(lineageAggregate.initialState, event);
}

function patched(edit: (bytes: Uint8Array) => void): Draft {
  const { request, facts: known } = draft();
  const bytes = Uint8Array.from(bytesFromHex(request.unsignedTransaction));
  edit(bytes);
  return { request: { ...request, unsignedTransaction: hexFromBytes(bytes) }, facts: known };
}

const SEQUENCE_OFFSET = 4 + 1 + 36 + 1;

type OwnRule = Exclude<SigningRule, 'WALLET_OF_SIGNER' | `HEAD_${string}`>;

/** For each rule one request that is right but for what the rule is about. Those about what is handed out and about heads have tests of their own. */
const refused: Readonly<Record<OwnRule, Draft>> = {
  EPOCH_TOO_LOW: asking({ epoch: 3 }),
  UNKNOWN_WALLET: asking({ walletId: 'w-x' }),
  TRANSACTION_FORM: patched((bytes) => (bytes[SEQUENCE_OFFSET] = 0xfe)),
  OTHER_WALLET_IN_LINEAGE: knowing({
    lineage: { ...signedBefore(draft().request), fixed: { walletId: 'w-c', anchor: ANCHOR } },
  }),
  OTHER_ANCHOR_IN_LINEAGE: knowing({
    lineage: { ...signedBefore(draft().request), fixed: { walletId: 'w-a', anchor: COIN } },
  }),
  ANCHOR_NOT_SPENT: asking({ anchor: `${'cc'.repeat(32)}:0` as OutpointKey }),
  VERSION_ALREADY_SIGNED: {
    ...draft({
      outputs: [payment, { ...change, valueSats: sats(38_000n) }],
      declared: [toPayee, { ...toChange, valueSats: sats(38_000n) }],
    }),
    facts: facts({ lineage: signedBefore(draft().request) }),
  },
  INPUT_NOT_DECLARED: asking({ inputs: [...draft().request.inputs].reverse() }),
  COIN_OF_OTHER_LINEAGE: knowing({ coin: (outpoint) => (outpoint === COIN ? { lineageId: 'l-0' } : {}) }),
  COIN_RELEASED: knowing({ lineage: { ...lineageAggregate.initialState, released: [COIN] } }),
  COIN_VALUE_DIFFERS: knowing({ coin: (outpoint) => (outpoint === COIN ? { valueSats: sats(60_001n) } : {}) }),
  COIN_SCRIPT_DIFFERS: knowing({ coin: (outpoint) => (outpoint === COIN ? { script: scriptOf(payer, 0, 9) } : {}) }),
  OUTPUT_NOT_DECLARED: outputsOf(toPayee),
  OUTPUT_SCRIPT_DIFFERS: asking({}, { outputs: [{ ...payment, script: FOREIGN_SCRIPT }, change] }),
  OUTPUT_VALUE_DIFFERS: asking({}, { outputs: [{ ...payment, valueSats: sats(AMOUNT + 1n) }, change] }),
  CHANGE_NOT_OURS: asking({}, { outputs: [payment, { ...change, script: scriptOf(payer, 0, 5) }] }),
  SEVERAL_CHANGE_OUTPUTS: asking(
    {},
    {
      outputs: [payment, { ...change, valueSats: sats(20_000n) }, { ...change, valueSats: sats(19_000n) }],
      declared: [toPayee, { ...toChange, valueSats: sats(20_000n) }, { ...toChange, valueSats: sats(19_000n) }],
    },
  ),
  SEVERAL_ANCHOR_OUTPUTS: asking(
    {},
    {
      outputs: [payment, change, anchorOutput(), anchorOutput()],
      declared: [toPayee, toChange, { kind: 'anchor', valueSats: sats(0n) }, { kind: 'anchor', valueSats: sats(0n) }],
    },
  ),
  UNKNOWN_PAYEE: outputsOf({ ...toPayee, institutionId: 'bank-c' }, toChange),
  PAYEE_BRANCH: asking(
    {},
    {
      outputs: [{ ...payment, script: scriptOf(payee, 1, 3) }, change],
      declared: [{ ...toPayee, branch: 1 }, toChange],
    },
  ),
  UNKNOWN_DESTINATION: toDestination({}, { destinationId: 'd-2' } as Partial<DeclaredOutput>),
  DESTINATION_COOLING: toDestination({ now: (DESTINATION.usableAt - 1) as Instant }),
  DESTINATION_SIGNATORY_REVOKED: toDestination({
    signatories: () => ({ signatories: [], revoked: [{ address: 'bob', at: (DESTINATION.usableAt - 1) as Instant }] }),
  }),
  APPROVALS_MISSING: knowing({ approvalRules: () => ({ current: { aboveSats: sats(AMOUNT - 1n), approvals: 1 } }) }),
  DESTINATION_REMOVED: toDestination({ destination: () => ({ status: 'removed', destination: DESTINATION }) }),
  INDEX_TOO_FAR: asking(
    {},
    {
      outputs: [payment, { ...change, script: scriptOf(payer, 1, INDEX_GAP + 1) }],
      declared: [toPayee, { ...toChange, index: INDEX_GAP + 1 }],
    },
  ),
  NOT_AUTHORISED: asking({ payouts: [] }),
  AUTHORISED_NETWORK_DIFFERS: asking({ payouts: [{ ...authorisation('s-1'), network: 'signet' }] }),
  AUTHORISED_AMOUNT_DIFFERS: asking({ payouts: [{ ...authorisation('s-1'), amountSats: sats(AMOUNT - 1n) }] }),
  PAYEES_BEAR_MORE_THAN_FEE: asking({ payouts: [deducting(FEE + 1n, FEE + 1n)] }),
  AUTHORISED_PAYEE_DIFFERS: asking({ payouts: [{ ...authorisation('s-1'), payeeInstitutionId: 'bank-c' }] }),
  AUTHORISED_PAYER_DIFFERS: asking({ payouts: [{ ...authorisation('s-1'), payerInstitutionId: 'bank-c' }] }),
  SETTLEMENT_PAID_TWICE: asking(
    { payouts: [{ ...authorisation('s-1'), amountSats: sats(49_500n) }] },
    {
      outputs: [
        { ...payment, valueSats: sats(49_500n) },
        { ...payment, valueSats: sats(49_500n) },
      ],
      declared: [
        { ...toPayee, valueSats: sats(49_500n) },
        { ...toPayee, valueSats: sats(49_500n) },
      ],
    },
  ),
  PAYOUT_DIFFERS: knowing({
    lineage: { ...lineageAggregate.initialState, payouts: { 's-1': { ...toPayee, index: toPayee.index + 1 } } },
  }),
  SETTLEMENT_OF_OTHER_LINEAGE: knowing({ paymentsOf: () => [{ lineageId: 'l-0', version: 1 }] }),
  OUTPUTS_EXCEED_INPUTS: asking({ inputs: draft().request.inputs.map((input) => ({ ...input, valueSats: sats(1n) })) }),
  FEE_TOO_HIGH: asking({}, { outputs: [payment], declared: [toPayee] }),
  FEE_RATE_TOO_HIGH: asking(
    {},
    {
      outputs: [payment, { ...change, valueSats: sats(25_000n) }],
      declared: [toPayee, { ...toChange, valueSats: sats(25_000n) }],
    },
  ),
  ROLLING_LIMIT: knowing({ sentBeforeSats: 1_000_000n - AMOUNT - FEE + 1n }),
};

function anchorOutput(): PayoutOutput {
  return { script: ANCHOR_SCRIPT, valueSats: sats(0n) };
}

describe('decideSigning', () => {
  it('accepts a payout that everything is right with', () => {
    const { request, facts: known } = draft();
    const accepted = unwrap(decideSigning(request, known));
    expect([accepted.feeSats, accepted.sentSats, accepted.repeated]).toEqual([FEE, AMOUNT + FEE, false]);
  });

  it.each(Object.keys(refused) as OwnRule[])('refuses by %s', (rule) => {
    const { request, facts: known } = refused[rule];
    const decided = decideSigning(request, known);
    expect(decided.ok ? 'accepted' : decided.error.rule, decided.ok ? '' : decided.error.message).toBe(rule);
  });

  it('pays destinations of the payee, nobody else’s, and no other script', () => {
    expect(decide(toDestination())).toBe('accepted');
    expect(decide(toDestination({}, { institutionId: 'bank-c' } as Partial<DeclaredOutput>))).toBe(
      'UNKNOWN_DESTINATION',
    );
    const { request, facts: known } = toDestination();
    const elsewhere = draft({
      outputs: [{ script: FOREIGN_SCRIPT, valueSats: sats(AMOUNT) }, change],
      declared: request.outputs,
    });
    expect(decide({ request: elsewhere.request, facts: known })).toBe('OUTPUT_SCRIPT_DIFFERS');
  });

  it('has payees bear no more than the fee at their destinations either', () => {
    const bearing = (deductedSats: bigint): string => {
      const { request, facts: known } = toDestination();
      return decide({ request: { ...request, payouts: [deducting(deductedSats, FEE + 1n)] }, facts: known });
    };
    expect([bearing(FEE), bearing(FEE + 1n)]).toEqual(['accepted', 'PAYEES_BEAR_MORE_THAN_FEE']);
  });

  it('signs for a destination that was removed what it has signed for it before', () => {
    const { request } = toDestination();
    const removed = { destination: () => ({ status: 'removed' as const, destination: DESTINATION }) };
    const lineage = signedBefore(request);
    expect(decide(toDestination({ ...removed, lineage }))).toBe('repeated');
    const dearer = {
      outputs: [
        { script: PAID_SCRIPT, valueSats: sats(AMOUNT) },
        { ...change, valueSats: sats(38_000n) },
      ],
    };
    const declared = [request.outputs[0]!, { ...toChange, valueSats: sats(38_000n) }];
    const second = { ...draft({ ...dearer, declared }).request, version: 2 };
    expect(decide({ request: second, facts: facts({ ...removed, lineage }) })).toBe('accepted');
    expect(decide({ request: second, facts: facts(removed) })).toBe('DESTINATION_REMOVED');
  });

  it('accepts the limits themselves', () => {
    expect(decide(knowing({ sentBeforeSats: 1_000_000n - AMOUNT - FEE }))).toBe('accepted');
    expect(decide(knowing({ epochHighest: 4 }))).toBe('accepted');
    expect(decide({ ...draft(), facts: facts({ limits: { ...facts().limits, feeMaxSats: sats(FEE) } }) })).toBe(
      'accepted',
    );
  });

  it('says that the same version with the same transaction was accepted before, whatever the limits are now', () => {
    const lineage = signedBefore(draft().request);
    expect(decide(knowing({ lineage, sentBeforeSats: 10n ** 12n }))).toBe('repeated');
  });

  it('refuses the same transaction with other values of its inputs, whose signature halves could be put together', () => {
    const lineage = signedBefore(draft().request);
    const [first, second] = draft().request.inputs;
    const inputs = [
      { ...first!, valueSats: sats(first!.valueSats - 1n) },
      { ...second!, valueSats: sats(second!.valueSats + 1n) },
    ];
    expect(decide({ ...asking({ inputs }), facts: facts({ lineage }) })).toBe('VERSION_ALREADY_SIGNED');
  });

  it('accepts another version that spends the anchor, and counts the dearer of the two', () => {
    const lineage = signedBefore(draft().request);
    const next = asking(
      { version: 2 },
      {
        outputs: [payment, { ...change, valueSats: sats(38_000n) }],
        declared: [toPayee, { ...toChange, valueSats: sats(38_000n) }],
      },
    );
    const sent = AMOUNT + 2_000n;
    const known = {
      lineage,
      sentInLineageSats: AMOUNT + FEE,
      coin: () => ({ lineageId: 'l-1' }),
      paymentsOf: () => [{ lineageId: 'l-1', version: 1 }],
    };
    expect(decide({ ...next, facts: facts({ ...known, sentBeforeSats: 1_000_000n - sent }) })).toBe('accepted');
    expect(decide({ ...next, facts: facts({ ...known, sentBeforeSats: 1_000_000n - sent + 1n }) })).toBe(
      'ROLLING_LIMIT',
    );
  });

  it('lets the payee bear what is authorised of the fee, and no more than there is', () => {
    expect(decide(asking({ payouts: [deducting(FEE, FEE)] }))).toBe('accepted');
    expect(decide(asking({ payouts: [deducting(FEE - 1n, FEE)] }))).toBe('accepted');
    expect(decide(asking({ payouts: [deducting(FEE, FEE - 1n)] }))).toBe('AUTHORISED_AMOUNT_DIFFERS');
    expect(decide(asking({ payouts: [deducting(-1n, FEE)] }))).toBe('AUTHORISED_AMOUNT_DIFFERS');
  });

  it('accepts another version that pays nobody but the wallet', () => {
    const all = { ...change, valueSats: sats(INPUTS - 2_000n) };
    const known = { lineage: signedBefore(draft().request), coin: () => ({ lineageId: 'l-1' }) };
    const declared: readonly DeclaredOutput[] = [{ ...toChange, valueSats: all.valueSats }];
    const cancelling = asking({ version: 2, payouts: [] }, { outputs: [all], declared });
    expect(decide({ ...cancelling, facts: facts(known) })).toBe('accepted');
  });

  it('accepts one anchor output of nothing, and refuses one with value', () => {
    const outputs = [payment, change, anchorOutput()];
    const anchor: DeclaredOutput = { kind: 'anchor', valueSats: sats(0n) };
    expect(decide(asking({}, { outputs, declared: [toPayee, toChange, anchor] }))).toBe('accepted');
    expect(decide(asking({}, { outputs, declared: [toPayee, toChange, { ...anchor, valueSats: sats(1n) }] }))).toBe(
      'OUTPUT_NOT_DECLARED',
    );
  });

  it.each([
    ['version 1', patched((bytes) => (bytes[0] = 1))],
    ['nLockTime as a time', patched((bytes) => bytes.fill(0xff, bytes.length - 4))],
    ['bytes that are no transaction', asking({ unsignedTransaction: 'ff' })],
  ])('refuses %s', (_what, wrong) => {
    expect(decide(wrong)).toBe('TRANSACTION_FORM');
  });

  it('refuses two authorisations of one settlement, and one without output', () => {
    expect(decide(asking({ payouts: [authorisation('s-1'), authorisation('s-1')] }))).toBe('NOT_AUTHORISED');
    expect(decide(asking({ payouts: [authorisation('s-1'), authorisation('s-2')] }))).toBe('NOT_AUTHORISED');
  });
});

describe('accounts', () => {
  const command = { walletId: 'w-a', institutionId: 'bank-a', scriptType: 'wpkh' } as const;

  it('are opened once', () => {
    const decided = decideCreateAccount(command, accountAggregate.initialState, () => payer);
    expect(decided).toEqual({ kind: 'accepted', events: [{ type: 'account_created', account: payer }] });
    const state = accountAggregate.evolve(accountAggregate.initialState, { type: 'account_created', account: payer });
    expect(decideCreateAccount(command, state, () => payee)).toEqual({ kind: 'accepted', events: [] });
  });

  it.each([{ institutionId: 'bank-b' }, { scriptType: 'tr' } as const])(
    'are refused when asked for otherwise: %j',
    (other) => {
      const state = { account: payer };
      const decided = decideCreateAccount({ ...command, ...other }, state, () => payee);
      expect(decided.kind === 'refused' && decided.refused.reason).toBe('ACCOUNT_DIFFERS');
    },
  );
});
