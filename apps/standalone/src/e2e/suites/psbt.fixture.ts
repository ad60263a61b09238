import { feeRate, transactionOfPsbt } from '@finality/bitcoin';
import { forgePsbt, otherPsbt, previousTxidsOf, signPsbt, spoilPsbt } from '@finality/bitcoin/spec';
import { assert } from '@finality/kernel';
import { createPool, refusalOf, silentLog } from '@finality/service';
import { expect, it } from 'vitest';
import { Bank, freshKey, lifeOf, NOTHING, statusOf } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import {
  AMOUNT_SATS,
  DEPOSIT_SATS,
  fund,
  give,
  ownBank,
  ownSpend,
  OwnWallet,
  prepare,
  submitted,
} from '../own-wallet.fixture.ts';

/** Wallets whose keys are the institution's own: what holds whatever the services run on. */
export function ownWallets(e2e: () => E2e): void {
  it('pay what their owners sign, one after the other, and are paid', async () => {
    const own = new OwnWallet('wsh(sortedmulti)');
    const [payer, payee] = [await ownBank(e2e(), own), await ownBank(e2e(), new OwnWallet('tr'))];
    const outpoint = await fund(e2e(), payer, own);
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: DEPOSIT_SATS });
    expect(await payer.balance('clearing')).toEqual(NOTHING);

    const settlementId = await submitted(payer, payee);
    const prepared = await prepare(payer, settlementId);
    expect(prepared).toMatchObject({ version: 1, signaturesMissing: 2, previousTransactionsMissing: [] });
    expect(previousTxidsOf(prepared.psbt)).toEqual([txidOf(outpoint)]);
    const { feeSats } = prepared.settlement!;
    const left = DEPOSIT_SATS - AMOUNT_SATS - feeSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: left, inFlight: AMOUNT_SATS + feeSats });
    // Each signs what was handed out, and knows nothing of the other.
    const partly = await give(payer, settlementId, own.sign(prepared.psbt, 0));
    expect([partly.signaturesMissing, statusOf(partly.settlement!)]).toEqual([1, 'AWAITING_SIGNATURE']);
    expect(previousTxidsOf(partly.psbt)).toEqual([txidOf(outpoint)]);
    const whole = await give(payer, settlementId, own.sign(prepared.psbt, 2));
    expect([whole.signaturesMissing, statusOf(whole.settlement!)]).toEqual([0, 'EXECUTING']);
    await e2e().outside.inMempool(prepared.txid);
    await e2e().outside.mine(6);
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(lifeOf(settled).slice(2)).toEqual([
      ...['APPROVED', 'RESERVED', 'AWAITING_SIGNATURE', 'EXECUTING', 'CONFIRMING', 'SETTLED'],
    ]);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: left });
    expect((await payer.deposits()).map((deposit) => deposit.outpoint)).toEqual([outpoint]);
  });

  it('give back nothing but what was handed out, signed by their keys; a dearer version is another PSBT', async () => {
    const own = new OwnWallet('wpkh');
    const payer = await ownBank(e2e(), own);
    const payee = await e2e().bank();
    const outpoint = await fund(e2e(), payer, own);
    const settlementId = await submitted(payer, payee, 'BILATERAL');
    const back = payee.submit({ to: payer, amountSats: AMOUNT_SATS, mode: 'BILATERAL' });
    expect(await reasonOf(back)).toBe('PAYEE_NOT_PAYABLE');
    const first = await prepare(payer, settlementId);
    const { psbt, txid } = first;
    expect(await prepare(payer, settlementId)).toMatchObject({ psbt, txid, version: 1 });
    await expectRefusals(payer, settlementId, {
      MALFORMED_PSBT: psbt.slice(4),
      NOT_SIGNED: psbt,
      OTHER_TRANSACTION: otherPsbt(psbt),
      WRONG_SIGHASH: signPsbt(psbt, own.signers[0]!, { sighash: 0x81 }),
      FOREIGN_SIGNATURE: forgePsbt(psbt, new OwnWallet('wpkh').keyOf(0, 0)),
      INVALID_SIGNATURE: spoilPsbt(psbt, own.keyOf(0, 0)),
    });
    expect(await reasonOf(give(payee, settlementId, own.sign(psbt)))).toBe('NOT_THE_PAYER');
    expect(await prepare(payer, settlementId)).toMatchObject({ psbt, signaturesMissing: 1 });
    // What the platform hasn't got is left out, and said to be.
    await forget(e2e(), txidOf(outpoint));
    const without = await prepare(payer, settlementId);
    expect(without).toMatchObject({ txid, previousTransactionsMissing: [outpoint] });
    expect(previousTxidsOf(without.psbt)).toEqual([undefined]);

    const feeRateSatsPerKvb = feeRate(20_000n);
    await payer.api.settlements.bumpFee({ idempotencyKey: freshKey(), settlementId, feeRateSatsPerKvb });
    const second = await prepare(payer, settlementId);
    expect(second.version).toBe(2);
    expect(second.settlement!.feeSats).toBeGreaterThan(first.settlement!.feeSats);
    const key = freshKey();
    const given = await give(payer, settlementId, own.sign(psbt), key);
    expect(given).toMatchObject({ version: 1, txid, signaturesMissing: 0 });
    expect(await give(payer, settlementId, own.sign(psbt), key)).toMatchObject({ settlement: { txid } });
    await e2e().outside.inMempool(txid);
    // The dearer one takes its place once it is signed, too.
    expect(await give(payer, settlementId, own.sign(second.psbt))).toMatchObject({ version: 2, txid: second.txid });
    expect(await reasonOf(prepare(payer, settlementId))).toBe('NOT_AWAITING_SIGNATURE');
    await e2e().outside.inMempool(second.txid);
    await e2e().outside.mine(3);
    expect(await payer.settlement(settlementId, 'SETTLED')).toMatchObject({ txid: second.txid });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
  });

  it('are spent by their owners as they like: nobody is alarmed, what was reserved is paid from other coins', async () => {
    const own = new OwnWallet('tr');
    const payer = await ownBank(e2e(), own);
    const payee = await e2e().bank();
    const coin = { outpoint: await fund(e2e(), payer, own), valueSats: DEPOSIT_SATS, paidSats: 400_000n };
    const settlementId = await submitted(payer, payee);
    const { changeSats } = await ownSpend(e2e(), own, coin);
    await payer.settlement(settlementId, 'QUEUED');
    expect(await e2e().confirmIncidents()).toEqual([]);
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, incoming: changeSats });
    // What was its change is final, and pays.
    await e2e().outside.mine(3);
    await payer.settlement(settlementId, 'AWAITING_SIGNATURE');
    const { psbt, txid, previousTransactionsMissing } = await prepare(payer, settlementId);
    // P2TR: what is signed says it all.
    expect([previousTxidsOf(psbt), previousTransactionsMissing]).toEqual([[undefined], []]);
    await give(payer, settlementId, own.sign(psbt));
    await e2e().outside.inMempool(txid);
    await e2e().outside.mine(6);
    await payer.settlement(settlementId, 'SETTLED');
    await expectInOrder(e2e());
  });

  // Last: it stops the platform.
  it('are handed the same after a restart, with what was signed before it', async () => {
    const own = new OwnWallet('wsh(sortedmulti)');
    const before = await ownBank(e2e(), own);
    const payee = await e2e().bank();
    await fund(e2e(), before, own);
    const settlementId = await submitted(before, payee);
    const prepared = await prepare(before, settlementId);
    const partly = await give(before, settlementId, own.sign(prepared.psbt, 1));
    await e2e().restart();
    const { id, apiKey, keyId, wallet } = before;
    const payer = new Bank(e2e(), { id, apiKey, keyId, wallet });
    const again = await prepare(payer, settlementId);
    expect(again).toMatchObject({ psbt: partly.psbt, txid: prepared.txid, signaturesMissing: 1 });
    expect(transactionOfPsbt(again.psbt)).toEqual(transactionOfPsbt(prepared.psbt));
    const whole = await give(payer, settlementId, own.sign(again.psbt, 0));
    expect(statusOf(whole.settlement!)).toBe('EXECUTING');
  });
}

const txidOf = (outpoint: string): string => outpoint.split(':')[0]!;

/** As if chain-watcher had never told what made a coin. */
async function forget({ platform }: E2e, txid: string): Promise<void> {
  const pool = createPool(platform.databaseUrl('settlement'), { applicationName: 'forget', log: silentLog });
  await pool.query('DELETE FROM previous_transactions WHERE txid = $1', [txid]).finally(() => pool.end());
}

/** Each by its reason, which it is refused for. */
async function expectRefusals(
  payer: Bank,
  settlementId: string,
  psbts: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [reason, psbt] of Object.entries(psbts)) {
    const refusal = refusalOf(await failure(give(payer, settlementId, psbt)));
    const [field] = refusal?.fields ?? [];
    expect([refusal?.kind, refusal?.reason, field?.field]).toEqual(['invalid_argument', reason, 'psbt']);
    const isOfAnInput = ['WRONG_SIGHASH', 'FOREIGN_SIGNATURE', 'INVALID_SIGNATURE'].includes(reason);
    expect(field?.description.startsWith('input 0: ')).toBe(isOfAnInput);
  }
}

const failure = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => assert(false, 'expected a refusal'),
    (error: unknown) => error,
  );

const reasonOf = async (call: Promise<unknown>): Promise<string | undefined> => refusalOf(await failure(call))?.reason;
