import 'reflect-metadata';
import { type PayoutOutput, type ScriptHex, verifySignatures } from '@finality/bitcoin';
import type { signingV1 } from '@finality/contracts';
import { EventReader, type StoredEvent } from '@finality/event-store';
import { unwrap } from '@finality/kernel';
import { refusalOf } from '@finality/service';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { coin, type Coin, payout, prevoutsOf, sats, scriptOf, unsigned, type Wallet } from './payout.fixture.ts';
import { attemptOn, type Signer, SignerRig } from './signer-rig.fixture.ts';

let rig: SignerRig;
let signer: Signer;

beforeAll(async () => {
  rig = await SignerRig.open();
  signer = await rig.start();
});

afterAll(() => rig.close());

const MINUTE_MS = 60_000;

const wallet = (institutionId: string, scriptType: 'wpkh' | 'tr' = 'wpkh'): Promise<Wallet> =>
  rig.wallet(signer, institutionId, scriptType);
const attempt = (request: signingV1.SignTransactionRequest, on = signer): Promise<string> => attemptOn(on, request);

const journal = async (): Promise<signingV1.JournalEntry[]> => {
  const entries: signingV1.JournalEntry[] = [];
  for (;;) {
    const after = entries.at(-1)?.position ?? 0n;
    const page = await signer.port.listJournal({ afterPosition: after, pageSize: 100 });
    entries.push(...page.entries);
    if (page.entries.length < 100) return entries;
  }
};

describe('accounts', () => {
  it('are the same whenever they are asked for, and another one for each wallet', async () => {
    const request = { walletId: 'once', institutionId: 'bank-a', scriptType: 'wpkh' };
    const first = await signer.port.createAccount(request);
    expect(await signer.port.createAccount(request)).toEqual(first);
    expect(first.externalDescriptor).toMatch(/^wpkh\(\[[0-9a-f]{8}\/84h\/1h\/\d+h\]tpub\w+\/0\/\*\)#\w{8}$/);
    const many = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        signer.port.createAccount({ ...request, walletId: `many-${i}`, scriptType: i % 2 ? 'tr' : 'wpkh' }),
      ),
    );
    const paths = [first, ...many].map(({ externalDescriptor }) => /\/(\d+)h\]/.exec(externalDescriptor)![1]);
    expect(new Set(paths).size).toBe(21);
  });

  it.each([
    [{ institutionId: 'bank-b' }, 'ACCOUNT_DIFFERS'],
    [{ scriptType: 'tr' }, 'ACCOUNT_DIFFERS'],
    [{ scriptType: 'pkh' }, 'INVALID_ARGUMENT'],
    [{ walletId: '' }, 'INVALID_ARGUMENT'],
  ])('are refused where %j', async (other, reason) => {
    const request = { walletId: 'taken', institutionId: 'bank-a', scriptType: 'wpkh' };
    await signer.port.createAccount(request);
    const failure: unknown = await signer.port.createAccount({ ...request, ...other }).catch((error: unknown) => error);
    expect(refusalOf(failure)?.reason).toBe(reason);
  });

  it('give the scripts that their descriptors give', async () => {
    const own = await wallet('bank-a', 'tr');
    for (const branch of [0, 1] as const) {
      const { scripts } = await signer.port.deriveScripts({
        walletId: own.walletId,
        branch,
        indices: [0, 7, 2 ** 31 - 1],
      });
      expect(scripts).toEqual([0, 7, 2 ** 31 - 1].map((index) => scriptOf(own, branch, index)));
    }
    const failure: unknown = await signer.port
      .deriveScripts({ walletId: 'nobody', branch: 0, indices: [0] })
      .catch((error: unknown) => error);
    expect(refusalOf(failure)?.reason).toBe('UNKNOWN_WALLET');
  });
});

describe('signing', () => {
  it.each(['wpkh', 'tr'] as const)(
    'gives a transaction of %s that is rightly signed, and the same bytes again',
    async (type) => {
      const [from, to] = [await wallet('bank-a', type), await wallet('bank-b', type)];
      const coins = [coin(50_000n), coin(70_000n, 4)];
      const request = payout({ from, to, coins, amount: 100_000n });
      const signed = await signer.port.signTransaction(request);
      expect(unwrap(verifySignatures(signed.signedTransaction, prevoutsOf(from, coins))).txid).toBe(signed.txid);
      expect(await signer.port.signTransaction(request)).toEqual(signed);
      const entries = (await journal()).filter(({ lineageId }) => lineageId === request.lineageId);
      expect(entries).toHaveLength(1);
      expect(entries[0]).toMatchObject({ version: 1, walletId: from.walletId, txid: signed.txid });
      expect(entries[0]!.unsignedTransaction.equals(request.unsignedTransaction)).toBe(true);
    },
  );

  it('signs a second version that spends the same anchor', async () => {
    const [from, to, anchor] = [await wallet('bank-a'), await wallet('bank-b'), coin(50_000n)];
    const first = payout({ from, to, coins: [anchor], amount: 40_000n, lineageId: 'bumped', settlementId: 's-bumped' });
    const second = payout({
      from,
      to,
      coins: [anchor],
      amount: 40_000n,
      fee: 900n,
      lineageId: 'bumped',
      settlementId: 's-bumped',
      version: 2,
    });
    expect([await attempt(first), await attempt(second)]).toEqual(['signed', 'signed']);
    expect(await attempt({ ...second, version: 1 })).toBe('VERSION_ALREADY_SIGNED');
  });

  it('has the entry in the journal before the signature leaves, and gives the same bytes after a crash between', async () => {
    const [from, to] = [await wallet('bank-a'), await wallet('bank-b')];
    const coins = [coin(50_000n)];
    const request = payout({ from, to, coins, amount: 30_000n });
    const crashing = await rig.start({
      faults: {
        at(point) {
          if (point === 'signer.journaled') throw new Error('killed');
        },
      },
    });
    await expect(crashing.port.signTransaction(request)).rejects.toThrow('killed');
    expect((await journal()).map(({ lineageId }) => lineageId)).toContain(request.lineageId);
    const other = { ...payout({ from, to, coins, amount: 31_000n }), lineageId: request.lineageId };
    const again = await rig.start();
    expect(await attempt(other, again)).toBe('VERSION_ALREADY_SIGNED');
    const signed = await again.port.signTransaction(request);
    expect(unwrap(verifySignatures(signed.signedTransaction, prevoutsOf(from, coins))).txid).toBe(signed.txid);
  });

  it('never lets two lineages have one coin or one settlement, asked at the same time', async () => {
    const [from, to, shared] = [await wallet('bank-a'), await wallet('bank-b'), coin(50_000n)];
    const byCoin = await Promise.all(
      Array.from({ length: 5 }, () => attempt(payout({ from, to, coins: [shared], amount: 30_000n }))),
    );
    expect(byCoin.sort()).toEqual([...Array<string>(4).fill('COIN_OF_OTHER_LINEAGE'), 'signed']);
    const settlementId = 's-shared';
    const bySettlement = await Promise.all(
      Array.from({ length: 5 }, () =>
        attempt(payout({ from, to, coins: [coin(50_000n)], amount: 30_000n, settlementId })),
      ),
    );
    expect(bySettlement.sort()).toEqual([...Array<string>(4).fill('SETTLEMENT_OF_OTHER_LINEAGE'), 'signed']);
  });

  it('lets another lineage pay what a version leaves over, from the change of that version', async () => {
    const [from, to, first] = [await wallet('bank-a'), await wallet('bank-b'), coin(90_000n)];
    const one = { from, to, coins: [first], lineageId: 'l-left', settlementId: 's-left', amount: 30_000n };
    const { txid } = await signer.port.signTransaction(payout(one));
    const over = { from, to, settlementId: 's-over', amount: 20_000n };
    expect(await attempt(payout({ ...one, ...over, version: 2 }))).toBe('signed');
    const change = { outpoint: `${txid}:1`, valueSats: 59_500n, branch: 1, index: 2 } as const;
    expect(await attempt(payout({ ...over, coins: [coin(90_000n), change] }))).toBe('SETTLEMENT_OF_OTHER_LINEAGE');
    expect(await attempt(payout({ ...over, coins: [change] }))).toBe('signed');
  });

  it('signs a coin for another lineage once it is released, and for the one before never again', async () => {
    const [from, to, anchor, kept] = [await wallet('bank-a'), await wallet('bank-b'), coin(50_000n), coin(40_000n)];
    const dead = payout({ from, to, coins: [anchor, kept], amount: 60_000n, lineageId: 'l-dead' });
    expect(await attempt(dead)).toBe('signed');
    const other = payout({ from, to, coins: [kept], amount: 20_000n, lineageId: 'l-heir' });
    expect(await attempt(other)).toBe('COIN_OF_OTHER_LINEAGE');
    const persons = { proposedBy: 'one', confirmedBy: 'two', reason: 'its other coin was stolen' };
    const release = { lineageId: 'l-dead', outpoints: [kept.outpoint], ...persons };
    await expect(signer.port.releaseCoins({ ...release, lineageId: 'l-x' })).rejects.toMatchObject({
      refusal: { reason: 'COIN_OF_OTHER_LINEAGE' },
    });
    await expect(signer.port.releaseCoins({ ...release, confirmedBy: 'one' })).rejects.toMatchObject({
      refusal: { reason: 'SAME_PERSON' },
    });
    await signer.port.releaseCoins(release);
    await signer.port.releaseCoins(release);
    const again = { from, to, coins: [anchor, kept], amount: 60_000n, settlementId: 's-again', version: 2 };
    expect(await attempt(payout({ ...again, lineageId: 'l-dead', fee: 900n }))).toBe('COIN_RELEASED');
    expect(await attempt(other)).toBe('signed');
    expect(await attempt(dead)).toBe('COIN_RELEASED');
    expect(await attempt(payout({ from, to, coins: [kept], amount: 10_000n }))).toBe('COIN_OF_OTHER_LINEAGE');
    await signer.port.releaseCoins({ ...release, lineageId: 'l-heir' });
    expect(await attempt(payout({ from, to, coins: [{ ...kept, valueSats: 39_999n }], amount: 10_000n }))).toBe(
      'COIN_VALUE_DIFFERS',
    );
    expect(await attempt(payout({ from, to, coins: [kept], amount: 10_000n }))).toBe('signed');
  });

  it('knows what its own transactions made', async () => {
    const [from, to] = [await wallet('bank-a'), await wallet('bank-b')];
    const { txid } = await signer.port.signTransaction(payout({ from, to, coins: [coin(50_000n)], amount: 30_000n }));
    const own = { outpoint: `${txid}:1`, valueSats: 19_500n, branch: 1, index: 2 } as const;
    expect(await attempt(payout({ from, to, coins: [{ ...own, valueSats: 19_501n }], amount: 10_000n }))).toBe(
      'COIN_VALUE_DIFFERS',
    );
    expect(await attempt(payout({ from, to, coins: [{ ...own, index: 3 }], amount: 10_000n }))).toBe(
      'COIN_SCRIPT_DIFFERS',
    );
    expect(await attempt(payout({ from, to, coins: [own], amount: 10_000n }))).toBe('signed');
  });

  it('pays addresses up to 1,000 beyond the last that was derived for their issuer or paid before', async () => {
    const [from, to] = [await wallet('bank-a'), await wallet('bank-b')];
    const at = (index: number): Promise<string> => {
      const request = payout({ from, to, coins: [coin(50_000n)], amount: 30_000n, index });
      return attempt(request);
    };
    expect(await at(1_000)).toBe('INDEX_TOO_FAR');
    expect(await at(999)).toBe('signed');
    expect(await at(2_000)).toBe('INDEX_TOO_FAR');
    await signer.port.deriveScripts({ walletId: to.walletId, branch: 0, indices: [5_000, 4_000] });
    await signer.port.deriveScripts({ walletId: to.walletId, branch: 0, indices: [0] });
    expect(await at(6_001)).toBe('INDEX_TOO_FAR');
    expect(await at(6_000)).toBe('signed');
  });

  it('isn’t led further along a branch by coins that nobody has', async () => {
    const [from, to] = [await wallet('bank-a'), await wallet('bank-b')];
    const far = payout({ from: to, to: from, coins: [coin(50_000n, 2 ** 31 - 1)], amount: 30_000n });
    expect(await attempt(far)).toBe('signed');
    expect(await attempt(payout({ from, to, coins: [coin(50_000n)], amount: 30_000n, index: 1_000 }))).toBe(
      'INDEX_TOO_FAR',
    );
  });

  it('limits what leaves the wallets of an institution within 24 hours of its own clock', async () => {
    const [from, other, to] = [await wallet('bank-l'), await wallet('bank-l'), await wallet('bank-b')];
    const strict = await rig.start({ config: rig.config({ SIGNER_ROLLING_MAX_SATS: '100000' }) });
    const send = (amount: bigint, payer = from): Promise<string> =>
      attempt(payout({ from: payer, to, coins: [coin(200_000n)], amount }), strict);
    expect(await send(60_000n)).toBe('signed');
    expect(await send(60_000n)).toBe('ROLLING_LIMIT');
    expect(await send(39_000n, other)).toBe('signed');
    expect(await send(1_000n, other)).toBe('ROLLING_LIMIT');
    rig.runtime.advance(24 * 60 * MINUTE_MS);
    expect(await send(60_000n)).toBe('signed');
  });
});

describe('red team', () => {
  let from: Wallet;
  let to: Wallet;
  let thief: Wallet;
  let coins: readonly Coin[];
  let good: signingV1.SignTransactionRequest;

  beforeAll(async () => {
    [from, to, thief] = [await wallet('bank-a'), await wallet('bank-b'), await wallet('bank-t')];
    coins = [coin(50_000n), coin(70_000n, 4)];
    good = payout({ from, to, coins, amount: 100_000n });
  });

  const built = (...outputs: readonly PayoutOutput[]): Partial<signingV1.SignTransactionRequest> => ({
    unsignedTransaction: unsigned(from, coins, outputs),
  });
  const pay = (script: ScriptHex, valueSats: bigint): PayoutOutput => ({ script, valueSats: sats(valueSats) });
  const payee = (over: Partial<signingV1.PayeeOutput>, valueSats = 100_000n): signingV1.OutputToSign => ({
    valueSats,
    payee: { ...good.outputs[0]!.payee!, ...over },
  });
  const change = (valueSats = 19_500n): signingV1.OutputToSign => ({ valueSats, change: { index: 2 } });
  const FOREIGN = `0014${'66'.repeat(20)}` as ScriptHex;

  const attacks: readonly [what: string, rule: string, attack: () => Partial<signingV1.SignTransactionRequest>][] = [
    [
      'changed destination',
      'OUTPUT_SCRIPT_DIFFERS',
      () => built(pay(FOREIGN, 100_000n), pay(scriptOf(from, 1, 2), 19_500n)),
    ],
    [
      'changed destination, declared as a wallet of another institution',
      'UNKNOWN_PAYEE',
      () => ({
        ...built(pay(scriptOf(thief, 0, 1), 100_000n), pay(scriptOf(from, 1, 2), 19_500n)),
        outputs: [payee({ walletId: thief.walletId }), change()],
      }),
    ],
    [
      'another institution as payee than the authorised one',
      'AUTHORISED_PAYEE_DIFFERS',
      () => ({
        ...built(pay(scriptOf(thief, 0, 1), 100_000n), pay(scriptOf(from, 1, 2), 19_500n)),
        outputs: [payee({ walletId: thief.walletId, institutionId: thief.institutionId }), change()],
      }),
    ],
    [
      'changed amount',
      'OUTPUT_VALUE_DIFFERS',
      () => built(pay(scriptOf(to, 0, 1), 110_000n), pay(scriptOf(from, 1, 2), 9_500n)),
    ],
    [
      'changed amount, declared so',
      'AUTHORISED_AMOUNT_DIFFERS',
      () => ({
        ...built(pay(scriptOf(to, 0, 1), 110_000n), pay(scriptOf(from, 1, 2), 9_500n)),
        outputs: [payee({}, 110_000n), change(9_500n)],
      }),
    ],
    ['foreign change', 'CHANGE_NOT_OURS', () => built(pay(scriptOf(to, 0, 1), 100_000n), pay(FOREIGN, 19_500n))],
    [
      'change to another wallet of ours',
      'CHANGE_NOT_OURS',
      () => built(pay(scriptOf(to, 0, 1), 100_000n), pay(scriptOf(thief, 1, 2), 19_500n)),
    ],
    [
      'change on the external branch',
      'CHANGE_NOT_OURS',
      () => built(pay(scriptOf(to, 0, 1), 100_000n), pay(scriptOf(from, 0, 2), 19_500n)),
    ],
    [
      'an undeclared output',
      'OUTPUT_NOT_DECLARED',
      () => built(pay(scriptOf(to, 0, 1), 100_000n), pay(scriptOf(from, 1, 2), 9_500n), pay(FOREIGN, 10_000n)),
    ],
    [
      'an undeclared output, declared as anchor',
      'OUTPUT_NOT_DECLARED',
      () => ({
        ...built(pay(scriptOf(to, 0, 1), 100_000n), pay(scriptOf(from, 1, 2), 9_500n), pay(FOREIGN, 10_000n)),
        outputs: [payee({}), change(9_500n), { valueSats: 10_000n }],
      }),
    ],
    ['missing anchor', 'ANCHOR_NOT_SPENT', () => ({ anchor: coin(1n).outpoint })],
    ['all to fee', 'FEE_TOO_HIGH', () => ({ ...allToFee() })],
    ['feerate above the cap', 'FEE_RATE_TOO_HIGH', () => ({ ...dearly(), lineageId: 'dear' })],
    [
      'duplicate outputs',
      'SETTLEMENT_PAID_TWICE',
      () => ({
        ...built(
          pay(scriptOf(to, 0, 1), 50_000n),
          pay(scriptOf(to, 0, 1), 50_000n),
          pay(scriptOf(from, 1, 2), 19_500n),
        ),
        outputs: [payee({}, 50_000n), payee({}, 50_000n), change()],
        authorisation: { payouts: [{ ...good.authorisation!.payouts[0]!, amountSats: 50_000n }] },
      }),
    ],
    ['unknown wallet', 'UNKNOWN_WALLET', () => ({ walletId: 'nobody' })],
    ['a payee nobody knows', 'UNKNOWN_PAYEE', () => ({ outputs: [payee({ walletId: 'nobody' }), change()] })],
    [
      'an authorisation of another network',
      'AUTHORISED_NETWORK_DIFFERS',
      () => ({ authorisation: { payouts: [{ ...good.authorisation!.payouts[0]!, network: 'signet' }] } }),
    ],
    ['no authorisation', 'NOT_AUTHORISED', () => ({ authorisation: { payouts: [] } })],
    [
      'wrong declared values',
      'OUTPUTS_EXCEED_INPUTS',
      () => ({ inputs: good.inputs.map((input) => ({ ...input, valueSats: 10n })) }),
    ],
    ['inputs that are others', 'INPUT_NOT_DECLARED', () => ({ inputs: [...good.inputs].reverse() })],
  ];

  /** 6,000,000 sat of fee: a cap of 5,000,000. */
  function allToFee(): Partial<signingV1.SignTransactionRequest> {
    const big = [coin(6_100_000n)];
    return {
      anchor: big[0]!.outpoint,
      inputs: big,
      outputs: [payee({})],
      unsignedTransaction: unsigned(from, big, [pay(scriptOf(to, 0, 1), 100_000n)]),
    };
  }

  function dearly(): Partial<signingV1.SignTransactionRequest> {
    const big = [coin(1_100_000n)];
    return {
      anchor: big[0]!.outpoint,
      inputs: big,
      outputs: [payee({})],
      unsignedTransaction: unsigned(from, big, [pay(scriptOf(to, 0, 1), 100_000n)]),
    };
  }

  it.each(attacks)('%s is refused by %s', async (_what, rule, attack) => {
    const before = await journal();
    expect(await attempt({ ...good, ...attack() })).toBe(rule);
    expect(await journal()).toEqual(before);
  });

  it('a lower epoch than the highest seen is refused', async () => {
    expect(await attempt({ ...payout({ from, to, coins: [coin(50_000n)], amount: 30_000n }), epoch: 2 })).toBe(
      'signed',
    );
    expect(await attempt({ ...payout({ from, to, coins: [coin(50_000n)], amount: 30_000n }), epoch: 1 })).toBe(
      'EPOCH_TOO_LOW',
    );
    good = { ...good, epoch: 2 };
  });

  it('the request itself is signed; then nothing else for this version', async () => {
    expect(await attempt(good)).toBe('signed');
    const second = { ...good, ...built(pay(scriptOf(to, 0, 1), 100_000n), pay(scriptOf(from, 1, 2), 19_000n)) };
    expect(await attempt({ ...second, outputs: [payee({}), change(19_000n)] })).toBe('VERSION_ALREADY_SIGNED');
    const values = good.inputs.map((input, i) => ({ ...input, valueSats: input.valueSats + (i === 0 ? 1n : -1n) }));
    expect(await attempt({ ...good, inputs: values })).toBe('VERSION_ALREADY_SIGNED');
  });

  it('a value that the signer can’t know makes a signature that is worth nothing', async () => {
    const real = [coin(50_000n)];
    const request = payout({ from, to, coins: [{ ...real[0]!, valueSats: 40_000n }], amount: 30_000n });
    const signed = await signer.port.signTransaction({ ...request, epoch: 2 });
    const verified = verifySignatures(signed.signedTransaction, prevoutsOf(from, real));
    expect(!verified.ok && verified.error.reason).toBe('INVALID_SIGNATURE');
    // Nor can halves of several answers be put together: what was declared once holds.
    expect(
      await attempt({
        ...payout({ from, to, coins: real, amount: 30_000n }),
        epoch: 2,
        lineageId: request.lineageId,
        version: 2,
      }),
    ).toBe('COIN_VALUE_DIFFERS');
  });

  it.each([
    ['lineage_id', { lineageId: '' }],
    ['version', { version: 0 }],
    ['anchor', { anchor: 'x' }],
    ['unsigned_transaction', { unsignedTransaction: Buffer.alloc(0) }],
    ['epoch', { epoch: -1 }],
    ['inputs[0].outpoint', { inputs: [{ outpoint: 'x', valueSats: -1n, branch: 2, index: -1 }] }],
  ])('a request can’t be so in %s', async (field, wrong) => {
    const failure: unknown = await signer.port.signTransaction({ ...good, ...wrong }).catch((error: unknown) => error);
    expect(refusalOf(failure)?.fields?.map((each) => each.field)).toContain(field);
  });

  it('keeps every refusal in the log, with its rule and the whole request', async () => {
    const { pool, schema } = rig.database.service('signer');
    const events: StoredEvent[] = [];
    for await (const event of new EventReader({ pool, schema }).readStream('lineage/dear')) events.push(event);
    expect(events.map(({ type, data }) => [type, (data as { rule: string }).rule])).toEqual([
      ['signing_refused', 'FEE_RATE_TOO_HIGH'],
    ]);
    expect(events[0]!.data).toMatchObject({
      request: { lineageId: 'dear', walletId: from.walletId },
      decision: { policyVersion: 7, indicesHighest: { [`${to.walletId}/0`]: -1 } },
    });
  });
});

describe('after a restart', () => {
  it('accounts and scripts are the same', async () => {
    const again = await rig.start();
    const request = { walletId: 'once', institutionId: 'bank-a', scriptType: 'wpkh' };
    expect(await again.port.createAccount(request)).toEqual(await signer.port.createAccount(request));
    const scripts = { walletId: 'once', branch: 0, indices: [0, 1] };
    expect(await again.port.deriveScripts(scripts)).toEqual(await signer.port.deriveScripts(scripts));
  });
});

describe('the journal', () => {
  it.each([
    'journal',
    'journal_coins',
    'journal_releases',
    'journal_payouts',
    'used_nonces',
    'accounts',
    'seeds',
    'events',
  ])('can only be added to by the service: %s', async (table) => {
    const { pool } = rig.database.service('signer');
    const count = async (): Promise<unknown> => (await pool.query(`SELECT count(*) FROM ${table}`)).rows;
    const before = await count();
    for (const text of [
      `DELETE FROM ${table}`,
      `TRUNCATE ${table}`,
      `ALTER TABLE ${table} DISABLE TRIGGER ALL`,
      `DROP TABLE ${table}`,
    ]) {
      await expect(pool.query(text)).rejects.toThrow(/permission denied|must be owner|insert-only/);
    }
    expect(await count()).toEqual(before);
  });

  it('tells each request as it was accepted, and fences off older copies of the store that asked', async () => {
    const { lastPosition, epochHighest } = await signer.port.listSigned({ afterPosition: 0n, pageSize: 1 });
    const [from, to] = [await wallet('bank-told'), await wallet('bank-asked')];
    const request = { ...payout({ from, to, coins: [coin(50_000n)], amount: 30_000n }), epoch: epochHighest };
    const { txid } = await signer.port.signTransaction(request);
    const { signed } = await signer.port.listSigned({ afterPosition: lastPosition, pageSize: 50 });
    expect(signed).toMatchObject([{ txid, feeSats: 500n, request, inputScripts: [scriptOf(from, 0, 0)] }]);
    expect(await signer.port.raiseEpoch({ above: 0 })).toEqual({ epoch: epochHighest + 1 });
    expect(await attempt(request)).toBe('EPOCH_TOO_LOW');
  });

  it('can’t be changed by its owner either while the trigger is on', async () => {
    await expect(rig.database.service('signer').owner.query(`UPDATE signer.journal SET txid = ''`)).rejects.toThrow(
      'insert-only',
    );
  });
});
