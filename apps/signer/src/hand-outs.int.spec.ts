import 'reflect-metadata';
import { MasterKey } from '@finality/bitcoin';
import { signingV1 } from '@finality/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coin, type Payout, payout, scriptOf, type Wallet } from './payout.fixture.ts';
import { attemptOn, outcomeOf, type Signer, SignerRig } from './signer-rig.fixture.ts';

let rig: SignerRig;
let signer: Signer;
let payee: Wallet;

beforeAll(async () => {
  rig = await SignerRig.open();
  signer = await rig.start();
  payee = await rig.wallet(signer, 'bank-paid', 'tr');
});

afterAll(() => rig.close());

/** A wallet whose keys the signer hasn't got. */
const OWN: Wallet = {
  walletId: 'own',
  institutionId: 'bank-own',
  descriptor: new MasterKey(new Uint8Array(32).fill(0x55), 'regtest').account('wpkh', 0).descriptor,
};

const request = (over: Partial<Payout> = {}): signingV1.SignTransactionRequest =>
  payout({ from: OWN, to: payee, coins: [coin(100_000n)], amount: 60_000n, ...over });

const handOutOf = (
  of: signingV1.SignTransactionRequest,
  over: Partial<signingV1.RecordHandOutRequest> = {},
): signingV1.RecordHandOutRequest => ({
  request: of,
  institutionId: OWN.institutionId,
  inputScripts: of.inputs.map(({ branch, index }) => scriptOf(OWN, branch as 0 | 1, index)),
  ...over,
});

const recorded = (...[of, over]: Parameters<typeof handOutOf>): Promise<string> =>
  outcomeOf(signer.port.recordHandOut(handOutOf(of, over)));

const entries = async (lineageId: string): Promise<signingV1.JournalEntry[]> => {
  const journal = await signer.port.listJournal({ afterPosition: 0n, pageSize: 1_000 });
  return journal.entries.filter((entry) => entry.lineageId === lineageId);
};

describe('what owners of wallets are handed to sign', () => {
  it('is in the journal once, however often it is told, and told with all that was asked for', async () => {
    const { lastPosition } = await signer.port.listJournal({ afterPosition: 0n, pageSize: 1 });
    const first = request();
    expect([await recorded(first), await recorded(first)]).toEqual(['done', 'done']);
    expect(await entries(first.lineageId)).toMatchObject([{ version: 1, handedOut: true, walletId: 'own' }]);
    const { signed } = await signer.port.listSigned({ afterPosition: lastPosition, pageSize: 50 });
    const told = { request: first, institutionId: 'bank-own', feeSats: 500n, inputScripts: [scriptOf(OWN, 0, 0)] };
    expect(signed).toMatchObject([{ ...told, handedOut: true }]);
    // A dearer version of the same, from the same coin.
    const anchor = [{ ...first.inputs[0]!, branch: 0 as const }];
    const { lineageId } = first;
    const { settlementId } = first.outputs[0]!.payee!;
    expect(await recorded(request({ lineageId, settlementId, version: 2, coins: anchor, fee: 900n }))).toBe('done');
    expect((await entries(lineageId)).map(({ version }) => version)).toEqual([1, 2]);
  });

  it('is there after a crash before the answer: asked for again, nothing changes', async () => {
    const crashing = await rig.start({
      faults: {
        at: (point) => {
          if (point === 'signer.hand-out-journaled') throw new Error('killed');
        },
      },
    });
    const first = request();
    await expect(crashing.port.recordHandOut(handOutOf(first))).rejects.toThrow('killed');
    expect(await entries(first.lineageId)).toHaveLength(1);
    expect(await recorded(first)).toBe('done');
    expect(await entries(first.lineageId)).toHaveLength(1);
  });

  it('binds versions, coins and settlements as what the signer signs does, for both', async () => {
    const custodial = await rig.wallet(signer, 'bank-own', 'wpkh');
    const spent = coin(100_000n);
    const first = request({ coins: [spent] });
    expect(await recorded(first)).toBe('done');
    const { lineageId } = first;
    const { settlementId } = first.outputs[0]!.payee!;
    const other = coin(100_000n);
    const attempts = {
      VERSION_ALREADY_SIGNED: recorded(request({ lineageId, settlementId, coins: [spent], fee: 700n })),
      OTHER_ANCHOR_IN_LINEAGE: recorded(request({ lineageId, settlementId, version: 2, coins: [other] })),
      COIN_OF_OTHER_LINEAGE: recorded(request({ coins: [other, spent] })),
      SETTLEMENT_OF_OTHER_LINEAGE: recorded(request({ settlementId })),
      PAYOUT_DIFFERS: recorded(request({ lineageId, settlementId, version: 2, coins: [spent], amount: 61_000n })),
    };
    for (const [rule, attempt] of Object.entries(attempts)) expect(await attempt).toBe(rule);
    const signs = (over: Partial<Payout>): Promise<string> => attemptOn(signer, request({ from: custodial, ...over }));
    expect(await signs({ settlementId })).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
    expect(await signs({ coins: [spent] })).toBe('COIN_OF_OTHER_LINEAGE');
    expect(await signs({ lineageId, version: 2, coins: [spent] })).toBe('OTHER_WALLET_IN_LINEAGE');
    const own = request({ from: custodial });
    expect(await attemptOn(signer, own)).toBe('signed');
    const paid = own.outputs[0]!.payee!.settlementId;
    expect(await recorded(request({ settlementId: paid }))).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
  });

  it('has a coin for whoever it was given to last, however the calls come together', async () => {
    const shared = coin(60_000n);
    const [first, second, third] = Array.from({ length: 3 }, () => request({ coins: [coin(50_000n), shared] }));
    const release = ({ lineageId }: signingV1.SignTransactionRequest): Promise<string> =>
      outcomeOf(
        signer.port.releaseCoins({
          lineageId,
          outpoints: [shared.outpoint],
          ...{ proposedBy: 'one', confirmedBy: 'two', reason: 'test' },
        }),
      );
    // The first call is on its way while the others make one batch.
    const calls = [recorded(request()), recorded(first!), release(first!), recorded(second!), release(second!)];
    expect(await Promise.all(calls)).toEqual(calls.map(() => 'done'));
    expect(await recorded(third!)).toBe('done');
    expect(await recorded(request({ coins: [shared], amount: 40_000n }))).toBe('COIN_OF_OTHER_LINEAGE');
  });

  it('lets another lineage have a coin once it is released, and has it no more', async () => {
    const coins = [coin(50_000n), coin(60_000n)];
    const first = request({ coins });
    expect(await recorded(first)).toBe('done');
    const { lineageId } = first;
    const outpoints = [coins[1]!.outpoint];
    const persons = { proposedBy: 'one', confirmedBy: 'two', reason: 'it is dead' };
    await signer.port.releaseCoins({ lineageId, outpoints, ...persons });
    expect(await recorded(request({ coins: [coins[1]!], amount: 40_000n }))).toBe('done');
    expect(await recorded(request({ lineageId, version: 2, coins }))).toBe('COIN_RELEASED');
  });

  it('is of no wallet of the signer, pays nobody otherwise than declared, and comes from no older store', async () => {
    const custodial = await rig.wallet(signer, 'bank-own', 'wpkh');
    const theirs = request({ from: custodial });
    expect(await recorded(theirs)).toBe('WALLET_OF_SIGNER');
    const { rows } = await rig.database
      .service('signer')
      .owner.query<{ rule: string }>(`SELECT data::json->>'rule' AS rule FROM signer.events WHERE stream = $1`, [
        `lineage/${theirs.lineageId}`,
      ]);
    expect(rows).toEqual([{ rule: 'WALLET_OF_SIGNER' }]);
    const first = request();
    const [paid, change] = first.outputs;
    const elsewhere = { ...paid!, payee: { ...paid!.payee!, index: 9 } };
    expect(await recorded({ ...first, outputs: [elsewhere, change!] })).toBe('OUTPUT_SCRIPT_DIFFERS');
    expect(await recorded({ ...first, outputs: [{ ...paid!, valueSats: 1n }, change!] })).toBe('OUTPUT_VALUE_DIFFERS');
    expect(await recorded({ ...first, authorisation: { payouts: [] } })).toBe('NOT_AUTHORISED');
    expect(await recorded(first, { institutionId: 'bank-other' })).toBe('AUTHORISED_PAYER_DIFFERS');
    const payouts = first.authorisation!.payouts.map((each) => ({ ...each, network: 'signet' }));
    expect(await recorded({ ...first, authorisation: { payouts } })).toBe('AUTHORISED_NETWORK_DIFFERS');
    expect(await entries(first.lineageId)).toEqual([]);
    const { epoch } = await signer.port.raiseEpoch({ above: first.epoch });
    expect(await recorded(first)).toBe('EPOCH_TOO_LOW');
    expect(await recorded({ ...first, epoch })).toBe('done');
  });

  it('pays wallets of whose keys the signer knows nothing as declared, at whatever fee: limits are for its own', async () => {
    const { epochHighest: epoch } = await signer.port.listSigned({ afterPosition: 0n, pageSize: 1 });
    const to = { ...OWN, walletId: 'theirs', institutionId: 'bank-theirs' };
    const large = request({ to, coins: [coin(10n ** 14n)], amount: 9n * 10n ** 13n, fee: 10n ** 12n });
    expect(await recorded({ ...large, epoch })).toBe('done');
    const custodial = await rig.wallet(signer, 'bank-own', 'wpkh');
    expect(await attemptOn(signer, { ...request({ from: custodial }), epoch })).toBe('signed');
  });

  it.each([
    ['no request', { request: undefined }],
    ['no institution', { institutionId: '' }],
    ['a script too few', { inputScripts: [] }],
    ['a script that is none', { inputScripts: ['xyz'] }],
  ])('is refused with %s', async (_what, over) => {
    expect(await recorded(request(), over)).toBe('INVALID_ARGUMENT');
  });
});
