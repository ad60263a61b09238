import { type Outpoint, outpointKey, type ParsedTransaction, type Txid } from '@finality/bitcoin';
import { RegtestWallet } from '@finality/chain-simulator';
import { refusalOf } from '@finality/service';
import { expect, it } from 'vitest';
import { type Bank, freshKey, lifeOf, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { Signatories } from '../signatories.fixture.ts';
import { patiently } from '../wait.fixture.ts';
import { patientlyUsable } from './destinations.fixture.ts';

type Executing = Awaited<ReturnType<Bank['executing']>>;

const DEPOSIT_SATS = 3_000_000n;
const AMOUNT_SATS = 1_000_000n;
/** So much doesn't wait for others, wherever this runs. */
export const AT_ONCE_SATS = 2_000_000n;
const JOINING_SATS = 400_000n;
/** More than any version of ours may cost. */
const SWEEP_FEE_SATS = 300_000n;
/** As configured by default: a payout that is in no block after so many is helped. */
const BUMP_AFTER_BLOCKS = 6;
const LOOKS_MAX = 3;
const LOOK_MS = 8_000;
/** What {@link bumpedPayouts} needs: an address outside is paid at once. */
export const UNCOOLED = { SIGNER_DESTINATION_COOLING_SECONDS: '0' };

/** Payouts that wait in the mempool: what holds whatever the services run on. */
export function bumpedPayouts(e2e: () => E2e): void {
  it('is replaced by a dearer transaction on request, and paid once', async () => {
    const { payer, payee, first } = await waiting(e2e());
    await bump(payer, first.settlementId, 10_000n);
    const second = await replacedIn(e2e(), payer, first);
    expect(second.feeSats).toBeGreaterThan(first.feeSats * 4n);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: DEPOSIT_SATS - AMOUNT_SATS - second.feeSats,
      inFlight: AMOUNT_SATS + second.feeSats,
    });
    await e2e().outside.mine(6);
    const settled = await payer.settlement(first.settlementId, 'SETTLED');
    expect(settled).toMatchObject({ txid: second.txid, feeSats: second.feeSats });
    expect(lifeOf(settled)).toEqual([
      'RECEIVED',
      'SCREENING',
      'APPROVED',
      'RESERVED',
      'EXECUTING',
      'CONFIRMING',
      'SETTLED',
    ]);
    expect(await payer.balance('wallet')).toEqual({
      ...NOTHING,
      available: DEPOSIT_SATS - AMOUNT_SATS - second.feeSats,
    });
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
    expect(await payee.deposits()).toEqual([]);
    await expectInOrder(e2e());
  });

  it('is the payer’s to ask for, once for each key, within the cap, while it waits', async () => {
    const { payer, payee, first } = await waiting(e2e());
    const { settlementId } = first;
    const stranger = await e2e().bank({ wallet: 'none' });
    const refusals = [
      await refused(bump(payee, settlementId, 10_000n)),
      await refused(bump(stranger, settlementId, 10_000n)),
      await refused(bump(payer, settlementId, 999n)),
    ];
    expect(refusals.map((refusal) => refusal?.reason)).toEqual([
      'NOT_THE_PAYER',
      'UNKNOWN_SETTLEMENT',
      'INVALID_ARGUMENT',
    ]);
    expect(refusals[2]?.fields?.map(({ field }) => field)).toEqual(['fee_rate_sats_per_kvb']);
    const key = freshKey();
    await bump(payer, settlementId, 10_000n, key);
    const second = await replacedIn(e2e(), payer, first);
    expect((await bump(payer, settlementId, 10_000n, key)).txid).toBe(second.txid);
    await e2e().outside.mine(1);
    await payer.settlement(settlementId, 'CONFIRMING');
    expect((await refused(bump(payer, settlementId, 10_000n)))?.reason).toBe('NOT_WAITING');
    await e2e().outside.mine(5);
    await payer.settlement(settlementId, 'SETTLED');
    await expectInOrder(e2e());
  });

  it('is joined in its next version by one that has no coins of its own, which nodes take in the place of the first', async () => {
    const [payer, payee, last] = [await e2e().bank(), await e2e().bank({ wallet: 'tr' }), await e2e().bank()];
    await payer.fund({ wallet: [DEPOSIT_SATS] });
    const paid = await payer.submit({ to: payee, amountSats: AT_ONCE_SATS, mode: 'BILATERAL' });
    const first = await payer.executing(paid.settlementId);
    await e2e().outside.inMempool(first.txid);
    const { settlementId } = await payer.submit({ to: last, amountSats: JOINING_SATS, mode: 'BILATERAL' });
    expect(await payer.settlement(settlementId, 'QUEUED')).toMatchObject({ waitsFor: 'INSUFFICIENT_FUNDS' });
    await bump(payer, first.settlementId, 10_000n);
    const second = await replacedIn(e2e(), payer, first);
    const joined = await payer.executing(settlementId);
    expect(joined.txid).toBe(second.txid);
    await e2e().outside.mine(3);
    const settled = [];
    for (const each of [first, joined]) settled.push(await payer.settlement(each.settlementId, 'SETTLED'));
    expect(settled.map(({ txid }) => txid)).toEqual([second.txid, second.txid]);
    const feesSats = settled.reduce((sum, { feeSats }) => sum + feeSats, 0n);
    expect(await payee.balance('wallet')).toEqual({ ...NOTHING, available: AT_ONCE_SATS });
    expect(await last.balance('wallet')).toEqual({ ...NOTHING, available: JOINING_SATS });
    const left = DEPOSIT_SATS - AT_ONCE_SATS - JOINING_SATS - feesSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available: left });
    await expectInOrder(e2e());
  });

  it('is paid for by its change once the payee has spent what it gets so dearly that nodes take no dearer one', async () => {
    const { outside } = e2e();
    const wallet = new RegtestWallet('sweeper');
    const [payer, payee] = [await e2e().bank(), await paidOutside(e2e(), wallet.address)];
    await payer.fund({ wallet: [DEPOSIT_SATS] });
    const { settlementId } = await patientlyUsable(() =>
      payer.submit({ to: payee.bank, amountSats: AMOUNT_SATS, mode: 'BLOCKCHAIN', destinationId: payee.destinationId }),
    );
    const first = await payer.executing(settlementId);
    const parent = await outside.pending(first.txid);
    await sweep(e2e(), parent, wallet);
    await bump(payer, settlementId, 10_000n);
    const second = await payer.replaced(settlementId, first.txid);
    // Nobody takes it, and miners leave out what pays too little.
    const vout = parent.outputs.findIndex(({ script }) => script !== wallet.script);
    const child = await outside.pending(await childAfterBlocks(e2e(), { txid: parent.txid, vout }));
    const mempool = await outside.node.mempoolTxids();
    expect([mempool.includes(parent.txid), mempool.includes(second.txid as typeof parent.txid)]).toEqual([true, false]);
    expect(child.inputs.map(({ outpoint }) => outpointKey(outpoint))).toEqual([`${parent.txid}:${vout}`]);
    const childFeeSats = parent.outputs[vout]!.valueSats - child.outputs[0]!.valueSats;
    // Both together pay more than the version that was refused.
    expect((first.feeSats + childFeeSats) * 1_000n).toBeGreaterThan(10_000n * BigInt(parent.vsize + child.vsize));
    await outside.mine(6);
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(settled).toMatchObject({ txid: first.txid, feeSats: first.feeSats });
    const available = DEPOSIT_SATS - AMOUNT_SATS - first.feeSats - childFeeSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available });
    await expectInOrder(e2e());
  });
}

/** Every so many blocks it is looked at what nobody takes: a version that isn't signed by the first of them, which come faster here than anywhere, is at the next. */
async function childAfterBlocks({ outside }: E2e, change: Outpoint): Promise<Txid> {
  for (let looks = 1; looks < LOOKS_MAX; looks++) {
    await outside.mineEmpty(BUMP_AFTER_BLOCKS);
    const spender = await outside.spenderOf(change, LOOK_MS).catch(() => undefined);
    if (spender !== undefined) return spender;
  }
  await outside.mineEmpty(BUMP_AFTER_BLOCKS);
  return outside.spenderOf(change);
}

/** A bank that is paid at an address outside, which is on its list. */
async function paidOutside(e2e: E2e, address: string): Promise<{ bank: Bank; destinationId: string }> {
  const bank = await e2e.bank({ wallet: 'none' });
  const people = await Signatories.of(e2e, bank);
  const second = await e2e.colleague(bank);
  const { destinationId } = await bank.api.destinations.registerDestination({
    idempotencyKey: freshKey(),
    institutionId: bank.id,
    address,
    label: 'treasury',
    request: people.sign('ann', 'register destination', address),
  });
  const approval = people.sign('bob', 'approve destination', address);
  await patiently(() =>
    second.destinations.approveDestination({ idempotencyKey: freshKey(), destinationId, approval }),
  );
  return { bank, destinationId };
}

/** Whoever is paid at an address spends it before it is in a block, at a fee that nobody outbids. */
async function sweep({ outside }: E2e, parent: ParsedTransaction, payee: RegtestWallet): Promise<void> {
  const vout = parent.outputs.findIndex(({ script }) => script === payee.script);
  await outside.send(payee.pay([], { feeSats: SWEEP_FEE_SATS, coins: [payee.coinOf(parent, vout)] }));
}

/** In the mempool, and in no block yet. */
async function waiting(e2e: E2e): Promise<{ payer: Bank; payee: Bank; first: Executing }> {
  const [payer, payee] = [await e2e.bank(), await e2e.bank({ wallet: 'tr' })];
  await payer.fund({ wallet: [DEPOSIT_SATS] });
  const { settlementId } = await payer.submit({ to: payee, amountSats: AMOUNT_SATS, mode: 'BLOCKCHAIN' });
  return { payer, payee, first: await payer.executing(settlementId) };
}

function bump(bank: Bank, settlementId: string, feeRateSatsPerKvb: bigint, idempotencyKey = freshKey()) {
  return bank.api.settlements.bumpFee({ idempotencyKey, settlementId, feeRateSatsPerKvb });
}

/** Another transaction pays the settlement, and has taken the first one's place in the node's mempool. */
async function replacedIn(e2e: E2e, payer: Bank, first: Executing): Promise<Executing> {
  const second = await payer.replaced(first.settlementId, first.txid);
  await e2e.outside.inMempool(second.txid);
  expect(await e2e.platform.chain.node.mempoolTxids()).not.toContain(first.txid);
  return second;
}

const refused = (call: Promise<unknown>): Promise<ReturnType<typeof refusalOf>> =>
  call.then(
    () => undefined,
    (error: unknown) => refusalOf(error),
  );
