import 'reflect-metadata';
import { deriveScript, MasterKey, parseTransaction, type ScriptHex } from '@finality/bitcoin';
import { fromTimestamp, type signingV1, toTimestamp } from '@finality/contracts';
import { type Instant, unwrap } from '@finality/kernel';
import type { SignedStatement, StatementPurpose, StatementSubject } from '@finality/signing';
import { TestSignatory } from '@finality/signing/spec';
import { refusalOf } from '@finality/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coin, payout, sats, scriptOf, unsigned, type Wallet } from './payout.fixture.ts';
import { attemptOn, outcomeOf, type Signer, SignerRig } from './signer-rig.fixture.ts';

const HOUR_MS = 3_600_000;
const PAYEE = 'bank-b';
const [ann, bob, eve] = [new TestSignatory(1), new TestSignatory(2, 'regtest', 'tr'), new TestSignatory(3)];
const outside = new MasterKey(new Uint8Array(32).fill(5), 'regtest').account('wpkh', 0).descriptor;

let rig: SignerRig;
let signer: Signer;
let payer: Wallet;
let made = 0;

beforeAll(async () => {
  rig = await SignerRig.open();
  signer = await rig.start();
  payer = await rig.wallet(signer, 'bank-a', 'wpkh');
  for (const who of [ann, bob]) await signer.port.registerSignatory(joining(who));
});

afterAll(() => rig.close());

function signed(
  who: TestSignatory,
  purpose: StatementPurpose,
  about: string | StatementSubject,
  institutionId = PAYEE,
): signingV1.SignedStatement {
  const until = (Math.floor(rig.runtime.now() / 1000) * 1000 + HOUR_MS) as Instant;
  const statement: SignedStatement = who.sign(
    { purpose, domain: 'finality', institutionId, network: 'regtest', ...subjectOf(about) },
    until,
  );
  return { ...statement, validUntil: toTimestamp(statement.validUntil) };
}

const subjectOf = (about: string | StatementSubject): StatementSubject =>
  typeof about === 'string' ? { address: about } : about;

const joining = (who: TestSignatory, institutionId = PAYEE): signingV1.RegisterSignatoryRequest => ({
  institutionId,
  address: who.address,
  proof: signed(who, 'register signatory', who.address, institutionId),
  endorsement: undefined,
});

interface Listed {
  readonly destinationId: string;
  readonly script: ScriptHex;
  readonly request: signingV1.RegisterDestinationRequest;
}

/** A request for a fresh address that everything is right with. */
function asking(): Listed {
  made += 1;
  const { address, script } = deriveScript(outside, 0, made);
  const destinationId = `destination-${made}`;
  const request = {
    destinationId,
    institutionId: PAYEE,
    address,
    request: signed(ann, 'register destination', address),
    approval: signed(bob, 'approve destination', address),
    requestedBy: 'key-1',
    approvedBy: 'key-2',
  };
  return { destinationId, script, request };
}

async function listed(): Promise<Listed> {
  const asked = asking();
  await signer.port.registerDestination(asked.request);
  return asked;
}

async function cooled(): Promise<Listed> {
  const destination = await listed();
  rig.runtime.advance(24 * HOUR_MS);
  return destination;
}

function paying(
  { destinationId, script }: Pick<Listed, 'destinationId' | 'script'>,
  over: Partial<signingV1.DestinationOutput> = {},
) {
  const coins = [coin(50_000n)];
  const good = payout({ from: payer, to: payer, coins, amount: 30_000n });
  const { settlementId } = good.authorisation!.payouts[0]!;
  return {
    ...good,
    unsignedTransaction: unsigned(payer, coins, [
      { script, valueSats: sats(30_000n) },
      { script: scriptOf(payer, 1, 2), valueSats: sats(19_500n) },
    ]),
    outputs: [
      { valueSats: 30_000n, toDestination: { settlementId, institutionId: PAYEE, destinationId, ...over } },
      good.outputs[1]!,
    ],
    authorisation: { payouts: [{ ...good.authorisation!.payouts[0]!, payeeInstitutionId: PAYEE }] },
  };
}

const ref = ({ destinationId }: Pick<Listed, 'destinationId'>, institutionId = PAYEE) => ({
  destinationId,
  institutionId,
});

const checked = async (...refs: readonly signingV1.DestinationRef[]): Promise<readonly string[]> =>
  (await signer.port.checkDestinations({ destinations: [...refs] })).rules;

describe('destinations', () => {
  it('are paid once they have cooled by the signer’s own clock', async () => {
    const asked = asking();
    const { usableAt } = await signer.port.registerDestination(asked.request);
    expect(fromTimestamp(usableAt!)).toBe(rig.runtime.now() + 24 * HOUR_MS);
    const request = paying(asked);
    expect(await attemptOn(signer, request)).toBe('DESTINATION_COOLING');
    rig.runtime.advance(24 * HOUR_MS - 1);
    expect(await attemptOn(signer, request)).toBe('DESTINATION_COOLING');
    expect(await checked(ref(asked))).toEqual(['DESTINATION_COOLING']);
    rig.runtime.advance(1);
    expect(await checked(ref(asked), ref(asked, 'bank-c'), ref({ destinationId: 'x' }))).toEqual([
      '',
      'UNKNOWN_DESTINATION',
      'UNKNOWN_DESTINATION',
    ]);
    const { signedTransaction } = await signer.port.signTransaction(request);
    expect(unwrap(parseTransaction(signedTransaction)).outputs[0]!.script).toBe(asked.script);
    // The same again, also once its signatures have expired.
    expect(await signer.port.registerDestination(asked.request)).toEqual({ usableAt });
  });

  it('get nothing when they aren’t this payee’s, nor scripts that aren’t theirs', async () => {
    const [one, other] = [await cooled(), await cooled()];
    expect(await attemptOn(signer, paying(one, { destinationId: 'unknown' }))).toBe('UNKNOWN_DESTINATION');
    expect(await attemptOn(signer, paying(one, { institutionId: 'bank-c' }))).toBe('UNKNOWN_DESTINATION');
    expect(await attemptOn(signer, paying({ ...one, script: other.script }))).toBe('OUTPUT_SCRIPT_DIFFERS');
    const noPayee = paying(one);
    noPayee.authorisation.payouts[0]!.payeeInstitutionId = 'bank-c';
    expect(await attemptOn(signer, noPayee)).toBe('AUTHORISED_PAYEE_DIFFERS');
  });

  it('that are removed get no first signature; what was signed before is given again, after a restart too', async () => {
    const destination = await cooled();
    const before = paying(destination);
    const first = await signer.port.signTransaction(before);
    await signer.port.removeDestination(ref(destination));
    const again = await rig.start();
    expect(await attemptOn(again, paying(destination))).toBe('DESTINATION_REMOVED');
    expect(await again.port.signTransaction(before)).toEqual(first);
    expect(await checked(ref(destination))).toEqual(['DESTINATION_REMOVED']);
    expect(await outcomeOf(signer.port.registerDestination(destination.request))).toBe('DESTINATION_REMOVED');
    await signer.port.removeDestination(ref(destination));
  });

  it('aren’t registered twice with the same signatures, not at the same time either', async () => {
    const { request } = asking();
    const asked = ['twice-1', 'twice-2', 'twice-3'].map((destinationId) => ({ ...request, destinationId }));
    const outcomes = await Promise.all(asked.map((each) => outcomeOf(signer.port.registerDestination(each))));
    expect(outcomes.sort()).toEqual(['SIGNATURE_REPLAYED', 'SIGNATURE_REPLAYED', 'done']);
    const check = { institutionId: PAYEE, address: request.address, request: request.request };
    expect(await outcomeOf(signer.port.checkDestinationRequest(check))).toBe('SIGNATURE_REPLAYED');
  });

  it('need a request and an approval by signatories that only the signer knows', async () => {
    const { request } = asking();
    const { address } = request;
    const check = (statement: signingV1.SignedStatement, institutionId = PAYEE): Promise<string> =>
      outcomeOf(signer.port.checkDestinationRequest({ institutionId, address, request: statement }));
    expect(await check(request.request!)).toBe('done');
    expect(await check(signed(eve, 'register destination', address))).toBe('UNKNOWN_SIGNATORY');
    expect(await check(signed(ann, 'register destination', address, 'bank-c'), 'bank-c')).toBe('UNKNOWN_SIGNATORY');
    rig.runtime.advance(HOUR_MS);
    expect(await check(request.request!)).toBe('REQUEST_EXPIRED');
    expect(await outcomeOf(signer.port.registerDestination(request))).toBe('REQUEST_EXPIRED');
  });

  it.each([
    ['request.nonce', { request: { nonce: 'a; b' } }],
    ['approval.signature', { approval: { signature: '' } }],
    ['approval.valid_until', { approval: { validUntil: undefined } }],
    ['address', { address: '' }],
    ['destination_id', { destinationId: '' }],
    ['approved_by', { approvedBy: '' }],
  ])('can’t be asked for so in %s', async (field, wrong) => {
    const { request } = asking();
    const merged = {
      ...request,
      ...wrong,
      request: { ...request.request!, ...('request' in wrong ? wrong.request : {}) },
      approval: { ...request.approval!, ...('approval' in wrong ? wrong.approval : {}) },
    };
    const failure: unknown = await signer.port.registerDestination(merged).catch((error: unknown) => error);
    expect(refusalOf(failure)?.fields?.map((each) => each.field)).toEqual([field]);
  });
});

describe('wallets whose keys are the payee’s own', () => {
  const own = { walletId: 'w-own', institutionId: PAYEE, descriptor: outside };
  const { walletId } = own;
  const subject = { descriptor: outside.external };
  const destinationId = 'destination-of-own-keys';
  const request = (over: Partial<signingV1.RegisterDestinationRequest> = {}) => ({
    destinationId,
    institutionId: PAYEE,
    address: '',
    wallet: { walletId, descriptor: outside.text },
    request: signed(ann, 'register destination', subject),
    approval: signed(bob, 'approve destination', subject),
    requestedBy: 'key-1',
    approvedBy: 'key-2',
    ...over,
  });
  function payingOwn(index: number, over: Partial<signingV1.PayeeOutput> = {}): signingV1.SignTransactionRequest {
    const good = payout({ from: payer, to: own, coins: [coin(50_000n)], amount: 30_000n, index });
    const [first, ...others] = good.outputs;
    return { ...good, outputs: [{ ...first!, payee: { ...first!.payee!, destinationId, ...over } }, ...others] };
  }
  const derive = (over: Partial<signingV1.DeriveScriptsRequest> = {}) =>
    signer.port.deriveScripts({ walletId, branch: 0, indices: [2_500], destinationId, ...over });

  it('are paid at scripts that the signer derives, within the bound, until they are removed; after a restart too', async () => {
    const check = { institutionId: PAYEE, address: '', wallet: request().wallet, request: request().request };
    expect(await outcomeOf(signer.port.checkDestinationRequest(check))).toBe('done');
    const { usableAt } = await signer.port.registerDestination(request());
    expect(await attemptOn(signer, payingOwn(1))).toBe('DESTINATION_COOLING');
    rig.runtime.advance(24 * HOUR_MS);
    expect(fromTimestamp(usableAt!)).toBe(rig.runtime.now());
    const first = payingOwn(1);
    const { signedTransaction } = await signer.port.signTransaction(first);
    expect(unwrap(parseTransaction(signedTransaction)).outputs[0]!.script).toBe(scriptOf(own, 0, 1));
    // What owners are handed to sign is taken as told, and proves nothing.
    const other = { ...own, walletId: 'w-other', institutionId: 'bank-c' };
    const told = payout({ from: other, to: own, coins: [coin(50_000n)], amount: 30_000n, index: 2_599 });
    await signer.port.recordHandOut({ request: told, institutionId: 'bank-c', inputScripts: [scriptOf(own, 0, 0)] });
    expect(await attemptOn(signer, payingOwn(2_600))).toBe('INDEX_TOO_FAR');
    expect(await outcomeOf(derive({ walletId: 'w-2' }))).toBe('UNKNOWN_WALLET');
    expect(await outcomeOf(derive({ destinationId: 'x' }))).toBe('UNKNOWN_WALLET');
    expect(await outcomeOf(signer.port.deriveScripts({ walletId, branch: 0, indices: [0] }))).toBe('UNKNOWN_WALLET');
    expect(await derive()).toEqual({ scripts: [scriptOf(own, 0, 2_500)] });
    expect(await attemptOn(signer, payingOwn(2_600))).toBe('signed');
    expect(await attemptOn(signer, payingOwn(3, { branch: 1 }))).toBe('PAYEE_BRANCH');
    expect(await attemptOn(signer, payingOwn(3, { walletId: payer.walletId }))).toBe('UNKNOWN_DESTINATION');
    await signer.port.removeDestination({ destinationId, institutionId: PAYEE });
    const again = await rig.start();
    expect(await attemptOn(again, payingOwn(3))).toBe('DESTINATION_REMOVED');
    expect((await again.port.signTransaction(first)).signedTransaction).toEqual(signedTransaction);
    const { signed: journal } = await again.port.listSigned({ afterPosition: 0n, pageSize: 50 });
    const outputs = journal.flatMap(({ request: asked }) => asked!.outputs);
    expect(outputs.filter(({ payee }) => payee?.destinationId === destinationId)).toHaveLength(2);
  });

  it.each([
    ['address', { address: 'bcrt1q' }],
    ['wallet.descriptor', { wallet: { walletId, descriptor: '' } }],
    ['wallet.wallet_id', { wallet: { walletId: '', descriptor: outside.text } }],
    ['descriptor', { wallet: { walletId, descriptor: outside.internal } }],
  ])('can’t be asked for so in %s', async (field, wrong) => {
    const asked = request({ ...wrong, destinationId: 'destination-wrong' });
    const failure: unknown = await signer.port.registerDestination(asked).catch((error: unknown) => error);
    expect(refusalOf(failure)?.fields?.map((each) => each.field)).toEqual([field]);
  });
});

describe('signatories', () => {
  it('after the first two are endorsed by one of them', async () => {
    const endorsement = signed(bob, 'endorse signatory', eve.address);
    expect(await outcomeOf(signer.port.registerSignatory(joining(eve)))).toBe('ENDORSEMENT_REQUIRED');
    expect(await outcomeOf(signer.port.registerSignatory({ ...joining(eve), endorsement }))).toBe('done');
    const { request } = asking();
    const approval = signed(eve, 'approve destination', request.address);
    expect(await outcomeOf(signer.port.registerDestination({ ...request, approval }))).toBe('done');
  });

  it('that are revoked count no more: not for what waits, nor for what cools', async () => {
    const cooling = await listed();
    const { request } = asking();
    const byEve = signed(eve, 'approve destination', request.address);
    const revocation = signed(ann, 'revoke signatory', bob.address);
    const revoking = { institutionId: PAYEE, address: bob.address, revocation };
    expect(await outcomeOf(signer.port.revokeSignatory({ ...revoking, institutionId: 'bank-c' }))).toBe(
      'UNKNOWN_SIGNATORY',
    );
    expect(await outcomeOf(signer.port.revokeSignatory(revoking))).toBe('done');
    expect(await outcomeOf(signer.port.revokeSignatory(revoking))).toBe('done');
    expect(await outcomeOf(signer.port.registerDestination(request))).toBe('SIGNATORY_REVOKED');
    const used = { ...joining(new TestSignatory(9)), endorsement: { ...revocation, signatory: ann.address } };
    expect(await outcomeOf(signer.port.registerSignatory(used))).toBe('SIGNATURE_REPLAYED');
    rig.runtime.advance(24 * HOUR_MS);
    expect(await attemptOn(signer, paying(cooling))).toBe('DESTINATION_SIGNATORY_REVOKED');
    expect(await checked(ref(cooling))).toEqual(['DESTINATION_SIGNATORY_REVOKED']);
    expect(await outcomeOf(signer.port.registerDestination({ ...request, approval: byEve }))).toBe('REQUEST_EXPIRED');
  });
});
