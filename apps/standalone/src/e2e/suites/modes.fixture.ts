import { fromTimestamp, settlementV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { type Balance, type Bank, lifeOf, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';

const { DepositPurpose } = settlementV1;

/** Three modes: what holds whatever the services run on. */
export function threeModes(e2e: () => E2e): void {
  it('credits deposits to clearing and to the wallet with their third confirmation', async () => {
    const { outside } = e2e();
    const bank = await e2e().bank();
    const [clearing, wallet] = [await bank.address('clearing'), await bank.address('wallet')];
    const { outpoints } = await outside.payIn(
      { address: clearing, valueSats: 30_000_000n },
      { address: wallet, valueSats: 20_000_000n },
    );
    await bank.deposit(outpoints[0]!, 'DETECTED');
    await bank.deposit(outpoints[1]!, 'DETECTED');
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, incoming: 30_000_000n });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, incoming: 20_000_000n });
    await outside.mine(1);
    const height = await outside.height();
    for (const outpoint of outpoints)
      expect(await bank.deposit(outpoint, 'CONFIRMED')).toMatchObject({
        height,
        blockHash: await outside.tip(),
        life: 1,
      });
    await outside.mine(1);
    await expectInOrder(e2e());
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, incoming: 30_000_000n });
    await outside.mine(1);
    expect(await bank.deposit(outpoints[0]!, 'CREDITED')).toMatchObject({
      institutionId: bank.id,
      purpose: DepositPurpose.DEPOSIT_PURPOSE_CLEARING,
      valueSats: 30_000_000n,
      address: clearing,
      fundingSources: [{ address: outside.address }],
    });
    expect(await bank.deposit(outpoints[1]!, 'CREDITED')).toMatchObject({
      institutionId: bank.id,
      purpose: DepositPurpose.DEPOSIT_PURPOSE_WALLET,
      walletId: bank.wallet!.walletId,
    });
    expect(await bank.balance('clearing')).toEqual({ ...NOTHING, available: 30_000_000n });
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: 20_000_000n });
    await expectStatement(bank, 'clearing', outpoints[0]!, 30_000_000n);
    await expectStatement(bank, bank.walletClaim, outpoints[1]!, 20_000_000n);
    await expectInOrder(e2e());
  });

  it('settles CENTRALIZED at once, between clearing balances', async () => {
    const { payer, payee } = await twoBanks(e2e(), { clearing: [50_000_000n] });
    const settled = await payer.settle({ to: payee, amountSats: 12_500_000n, mode: 'CENTRALIZED', reference: 'rent' });
    expect(settled).toMatchObject({
      fromInstitution: payer.id,
      toInstitution: payee.id,
      amountSats: 12_500_000n,
      referenceId: 'rent',
      txid: undefined,
      confirmationsRequired: 0,
      feeSats: 0n,
    });
    expect(lifeOf(settled)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'RESERVED', 'SETTLED']);
    const times = settled.transitions.map(({ at }) => fromTimestamp(at!));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: 37_500_000n });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 12_500_000n });
    expect(await payee.get(settled.settlementId)).toEqual(settled);
    await expectInOrder(e2e());
  });

  it('settles BILATERAL from wallet to wallet with 3 confirmations, and nothing but the fee is gone', async () => {
    const { payer, payee } = await twoBanks(e2e(), { wallet: [40_000_000n] }, 'tr');
    const { settlementId } = await payer.submit({ to: payee, amountSats: 25_000_000n, mode: 'BILATERAL' });
    const { txid, feeSats } = await payer.executing(settlementId);
    expect(feeSats).toBeGreaterThan(0n);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: 15_000_000n - feeSats,
      inFlight: 25_000_000n + feeSats,
    });
    for (const confirmations of [1, 2]) {
      await e2e().outside.mine(1);
      const { confirmationsRequired } = await payer.settlement(settlementId, 'CONFIRMING', confirmations);
      expect(confirmationsRequired).toBe(3);
      expect(await payee.balance('wallet')).toEqual({ ...NOTHING, incoming: 25_000_000n });
    }
    await e2e().outside.mine(1);
    const settled = await payer.settlement(settlementId, 'SETTLED', 3);
    expect(settled).toMatchObject({ txid, feeSats });
    expect(lifeOf(settled)).toEqual([
      'RECEIVED',
      'SCREENING',
      'APPROVED',
      'RESERVED',
      'EXECUTING',
      'CONFIRMING',
      'SETTLED',
    ]);
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 15_000_000n - feeSats });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 25_000_000n });
    expect((await payer.total()) + (await payee.total())).toBe(40_000_000n - feeSats);
    // Neither the payee's output nor the change is money from outside.
    expect(await payee.deposits()).toEqual([]);
    expect(await payer.deposits()).toHaveLength(1);
    await expectInOrder(e2e());
  });

  it('spends change and what it was paid, tr to wpkh and back, whoever bears the fee', async () => {
    const { payer, payee } = await twoBanks(e2e(), { wallet: [30_000_000n] }, 'tr');
    const first = await payer.settle({ to: payee, amountSats: 10_000_000n, mode: 'BILATERAL' });
    const back = await payee.settle({ to: payer, amountSats: 4_000_000n, mode: 'BILATERAL', feePayer: 'PAYEE' });
    const again = await payer.settle({ to: payee, amountSats: 22_000_000n, mode: 'BILATERAL', feePayer: 'SHARED' });
    const [f0, f1, f2] = [first, back, again].map(({ feeSats }) => feeSats) as [bigint, bigint, bigint];
    const half = f2 / 2n;
    expect([first, back, again].map(({ payeeFeeSats }) => payeeFeeSats)).toEqual([0n, f1, half]);
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: 2_000_000n - f0 - f1 - (f2 - half) });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 28_000_000n - half });
    await expectInOrder(e2e());
  });

  it('settles BLOCKCHAIN with 6 confirmations, from several coins', async () => {
    const { payer, payee } = await twoBanks(e2e(), { wallet: [15_000_000n, 20_000_000n, 5_000_000n] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 38_000_000n, mode: 'BLOCKCHAIN' });
    const { txid, confirmationsRequired } = await payer.executing(settlementId);
    expect(confirmationsRequired).toBe(6);
    await e2e().outside.mine(5);
    await payer.settlement(settlementId, 'CONFIRMING', 5);
    await e2e().outside.mine(1);
    const settled = await payer.settlement(settlementId, 'SETTLED', 6);
    expect(settled.txid).toBe(txid);
    expect(await payer.total()).toBe(2_000_000n - settled.feeSats);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: 38_000_000n });
    await e2e().outside.mine(1);
    await payee.settlement(settlementId, 'SETTLED', 7);
    await expectInOrder(e2e());
  });

  it('never pays on the chain what was credited by CENTRALIZED only', async () => {
    const { payer, payee } = await twoBanks(e2e(), { clearing: [50_000_000n] });
    await payer.settle({ to: payee, amountSats: 20_000_000n, mode: 'CENTRALIZED' });
    const { settlementId } = await payee.submit({ to: payer, amountSats: 10_000_000n, mode: 'BILATERAL' });
    const queued = await payee.settlement(settlementId, 'QUEUED');
    expect(queued.reason).toMatch(/^insufficient liquidity: expected 100\d+ sat, 0 sat available$/);
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 20_000_000n });
    expect(await payee.balance('wallet')).toEqual(NOTHING);
    await expectInOrder(e2e());
  });
}

async function twoBanks(
  e2e: E2e,
  funds: Parameters<Bank['fund']>[0],
  payeeWallet: 'wpkh' | 'tr' = 'wpkh',
): Promise<{ payer: Bank; payee: Bank }> {
  const [payer, payee] = [await e2e.bank(), await e2e.bank({ wallet: payeeWallet })];
  await payer.fund(funds);
  return { payer, payee };
}

/** What the claim's accounts have seen of one deposit adds up to it, and names it. */
async function expectStatement(bank: Bank, claim: string, outpoint: string, valueSats: bigint): Promise<void> {
  const entries = await bank.entries(claim);
  expect(entries.length).toBeGreaterThan(0);
  expect(new Set(entries.map(({ object }) => object))).toEqual(new Set([outpoint]));
  const available = `${claim === 'clearing' ? `clearing/${bank.id}` : claim.replace(':', '/')}/available` as const;
  const credited = entries.filter(({ creditAccount }) => creditAccount === available);
  expect(credited.map(({ amount }) => amount)).toEqual([valueSats]);
  const balance: Balance = await bank.balance(claim === 'clearing' ? 'clearing' : 'wallet');
  expect(balance.available).toBe(valueSats);
}
