import 'reflect-metadata';
import { fromTimestamp, type signingV1, toTimestamp } from '@finality/contracts';
import type { Instant, Sats } from '@finality/kernel';
import type { StatementPurpose, StatementSubject } from '@finality/signing';
import { TestSignatory } from '@finality/signing/spec';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { coin, payout, type Wallet } from './payout.fixture.ts';
import { attemptOn, outcomeOf, type Signer, SignerRig } from './signer-rig.fixture.ts';

const HOUR_MS = 3_600_000;
const PAYER = 'bank-a';
const [ann, bob, eve] = [new TestSignatory(11), new TestSignatory(12, 'regtest', 'tr'), new TestSignatory(13)];

let rig: SignerRig;
let signer: Signer;
let payer: Wallet;
let payee: Wallet;

beforeAll(async () => {
  rig = await SignerRig.open();
  signer = await rig.start();
  payer = await rig.wallet(signer, PAYER, 'wpkh');
  payee = await rig.wallet(signer, 'bank-b', 'tr');
  for (const who of [ann, bob]) {
    const proof = signed(who, 'register signatory', { address: who.address });
    await signer.port.registerSignatory({ institutionId: PAYER, address: who.address, proof, endorsement: undefined });
  }
});

afterAll(() => rig.close());

function signed(who: TestSignatory, purpose: StatementPurpose, about: StatementSubject): signingV1.SignedStatement {
  const until = (Math.floor(rig.runtime.now() / 1000) * 1000 + HOUR_MS) as Instant;
  const statement = who.sign(
    { purpose, domain: 'finality', institutionId: PAYER, network: 'regtest', ...about },
    until,
  );
  return { ...statement, validUntil: toTimestamp(statement.validUntil) };
}

function requiring(aboveSats: bigint, approvals: number): signingV1.RequireApprovalsRequest {
  const required = { aboveSats: aboveSats as Sats, approvals };
  return {
    institutionId: PAYER,
    aboveSats,
    approvals,
    request: signed(ann, 'require approvals', { required }),
    approval: signed(bob, 'agree to approvals', { required }),
  };
}

/** Of what a request is to pay. */
function approvalsOf(
  { walletId, authorisation, outputs }: signingV1.SignTransactionRequest,
  ...who: readonly TestSignatory[]
): signingV1.SignedStatement[] {
  const { settlementId, amountSats, payeeInstitutionId, request } = authorisation!.payouts[0]!;
  const to = `wallet ${outputs[0]!.payee!.walletId}`;
  const about = { settlementId, mode: request!.mode, amountSats: amountSats as Sats, payeeInstitutionId, walletId, to };
  return who.map((each) => signed(each, 'approve payout', { payout: about }));
}

const paying = (amount: bigint): signingV1.SignTransactionRequest =>
  payout({ from: payer, to: payee, coins: [coin(90_000n)], amount });

function approved(
  request: signingV1.SignTransactionRequest,
  approvals: readonly signingV1.SignedStatement[],
): signingV1.SignTransactionRequest {
  const [only] = request.authorisation!.payouts;
  return { ...request, authorisation: { payouts: [{ ...only!, approvals: [...approvals] }] } };
}

it('asks for signatories’ approvals when two of them have said so and it has cooled, and remembers them', async () => {
  const said = requiring(40_000n, 2);
  const { inForceFrom } = await signer.port.requireApprovals(said);
  expect(fromTimestamp(inForceFrom!)).toBe(rig.runtime.now() + 24 * HOUR_MS);
  expect(await signer.port.requireApprovals(said)).toEqual({ inForceFrom: undefined });
  expect(await attemptOn(signer, paying(50_000n))).toBe('signed');
  rig.runtime.advance(24 * HOUR_MS);

  const request = paying(50_000n);
  expect(await attemptOn(signer, request)).toBe('APPROVALS_MISSING');
  expect(await attemptOn(signer, approved(request, approvalsOf(request, ann, eve)))).toBe('APPROVALS_MISSING');
  const good = approvalsOf(request, ann, bob);
  expect(await attemptOn(signer, approved(request, good))).toBe('signed');
  expect(await attemptOn(signer, approved(paying(50_000n), good))).toBe('APPROVALS_MISSING');
  expect(await attemptOn(signer, paying(40_000n))).toBe('signed');
  const { signed: kept } = await signer.port.listSigned({ afterPosition: 0n, pageSize: 50 });
  const entry = kept.find((each) => each.request?.lineageId === request.lineageId);
  expect(entry?.request?.authorisation?.payouts[0]?.approvals).toEqual(good);
});

it('tells which approvals hold before it is asked for a signature', async () => {
  const request = paying(60_000n);
  const { settlementId, amountSats } = request.authorisation!.payouts[0]!;
  const about = {
    settlementId,
    payerInstitutionId: PAYER,
    payeeInstitutionId: 'bank-b',
    amountSats,
    mode: 'bilateral',
    walletId: payer.walletId,
    payeeWalletId: payee.walletId,
  };
  const check = async (payouts: signingV1.PayoutToApprove[]): Promise<readonly signingV1.ApprovalsFound[]> =>
    (await signer.port.checkApprovals({ payouts })).payouts;
  const approvals = approvalsOf(request, ann, eve, ann);
  expect(
    await check([
      { ...about, approvals },
      { ...about, amountSats: 1n, approvals: approvals.slice(0, 1) },
    ]),
  ).toEqual([
    { settlementId, required: 2, signatories: [ann.address], refusals: ['UNKNOWN_SIGNATORY'] },
    { settlementId, required: 0, signatories: [], refusals: ['SIGNATURE_INVALID'] },
  ]);
});

it('isn’t talked out of it by what was signed before, or by one alone', async () => {
  const none = requiring(0n, 0);
  const { approval } = requiring(0n, 0);
  expect(await outcomeOf(signer.port.requireApprovals({ ...none, approval: none.request }))).toBe(
    'APPROVED_BY_REQUESTER',
  );
  expect(await outcomeOf(signer.port.requireApprovals({ ...none, aboveSats: 80_000n, approvals: 2 }))).toBe(
    'SIGNATURE_INVALID',
  );
  await signer.port.requireApprovals({ ...none, approval });
  const again = requiring(40_000n, 2);
  await signer.port.requireApprovals(again);
  expect(await outcomeOf(signer.port.requireApprovals(none))).toBe('SIGNATURE_REPLAYED');
  rig.runtime.advance(25 * HOUR_MS);
  expect(await attemptOn(signer, paying(50_000n))).toBe('APPROVALS_MISSING');
});
