import { parseTransaction, type Txid } from '@finality/bitcoin';
import { settlementV1 } from '@finality/contracts';
import { assert, unwrap } from '@finality/kernel';
import { expect, it } from 'vitest';
import { type Bank, NOTHING } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { regtestAddress } from '../outside.fixture.ts';
import { until } from '../wait.fixture.ts';

const { DepositPurpose } = settlementV1;
/** As little as nodes relay to P2WPKH, and a little more. */
const CRUMB_SATS = 300n;
const CRUMBS = 50;

/** Money that comes in as it shouldn't, or as nobody expects: what holds whatever the services run on. */
export function oddDeposits(e2e: () => E2e): void {
  it('to the same address twice in one transaction is two deposits', async () => {
    const { outside } = e2e();
    const bank = await e2e().bank();
    const address = await bank.address('wallet');
    const { outpoints } = await outside.payIn({ address, valueSats: 700_000n }, { address, valueSats: 700_000n });
    await outside.mine(3);
    for (const outpoint of outpoints) await bank.deposit(outpoint, 'CREDITED');
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: 1_400_000n });
    await expectInOrder(e2e());
  });

  it('to two institutions in one transaction is each one’s own, and neither sees the other’s', async () => {
    const { outside } = e2e();
    const [one, other] = [await e2e().bank(), await e2e().bank({ wallet: 'tr' })];
    const { outpoints } = await outside.payIn(
      { address: await one.address('clearing'), valueSats: 300_000n },
      { address: await other.address('wallet'), valueSats: 500_000n },
    );
    await outside.mine(3);
    await one.deposit(outpoints[0]!, 'CREDITED');
    await other.deposit(outpoints[1]!, 'CREDITED');
    expect(await one.balance('clearing')).toEqual({ ...NOTHING, available: 300_000n });
    expect(await other.balance('wallet')).toEqual({ ...NOTHING, available: 500_000n });
    expect((await one.deposits()).map(({ outpoint }) => outpoint)).toEqual([outpoints[0]]);
    expect((await other.deposits()).map(({ outpoint }) => outpoint)).toEqual([outpoints[1]]);
    await expectInOrder(e2e());
  });

  it('replaced by a transaction that pays it at another place, is credited once, there', async () => {
    const { outside } = e2e();
    const bank = await e2e().bank();
    const pays = { address: await bank.address('wallet'), valueSats: 900_000n };
    const first = await outside.payIn(pays);
    await bank.deposit(first.outpoints[0]!, 'DETECTED');
    const second = await outside.payOtherwise(first, { address: outside.address, valueSats: 5_000n }, pays);
    await bank.deposit(second.outpoints[1]!, 'DETECTED');
    expect((await bank.deposit(first.outpoints[0]!, 'REPLACED')).reason).toBe(`replaced by ${second.transaction.txid}`);
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, incoming: 900_000n });
    await outside.mine(3);
    await bank.deposit(second.outpoints[1]!, 'CREDITED');
    expect(await bank.balance('wallet')).toEqual({ ...NOTHING, available: 900_000n });
    await expectInOrder(e2e());
  });

  it('of next to nothing, however often, is credited, and costs nobody a fee', async () => {
    const { outside } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [2_000_000n] });
    const address = await payer.address('wallet');
    const { outpoints } = await outside.payIn(
      ...Array.from({ length: CRUMBS }, () => ({ address, valueSats: CRUMB_SATS })),
    );
    await outside.mine(3);
    for (const outpoint of outpoints) await payer.deposit(outpoint, 'CREDITED');
    const settled = await payer.settle({ to: payee, amountSats: 500_000n, mode: 'BILATERAL' });
    // One input of 68 vB more would already cost this much at 2 sat/vB.
    expect(settled.feeSats).toBeLessThan(400n);
    const available = 2_000_000n + BigInt(CRUMBS) * CRUMB_SATS - 500_000n - settled.feeSats;
    expect(await payer.balance('wallet')).toEqual({ ...NOTHING, available });
    await expectInOrder(e2e());
  });

  it('to change, or by a miner, is nobody’s: in suspense with the reason', async () => {
    const { outside } = e2e();
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [2_000_000n] });
    const settled = await payer.settle({ to: payee, amountSats: 500_000n, mode: 'BILATERAL' });
    const before = await payer.balance('wallet');
    const change = await changeAddressOf(e2e(), settled.txid!, 500_000n);
    const toChange = await outside.payIn({ address: change, valueSats: 40_000n });
    await outside.node.mine(1, await payer.address('wallet'));
    await outside.mine(3);
    await expectInOrder(e2e());
    // btcd mines for the address that it was started with.
    const isMinedFor = e2e().platform.chain.node.kind !== 'btcd';
    const reasons = await suspended(e2e(), payer, isMinedFor ? 2 : 1);
    expect(reasons.get(toChange.outpoints[0]!)).toBe('change_address');
    expect([...reasons.values()].includes('coinbase')).toBe(isMinedFor);
    expect(await payer.balance('wallet')).toEqual(before);
  });
}

/** Of the output of that transaction that doesn't pay the payee. */
export async function changeAddressOf({ outside }: E2e, txid: string, amountSats: bigint): Promise<string> {
  const raw = await outside.node.rawTransaction(txid as Txid);
  assert(raw, `the node has ${txid}`);
  const change = unwrap(parseTransaction(raw)).outputs.find(({ valueSats }) => valueSats !== amountSats);
  assert(change, `${txid} has change`);
  return regtestAddress(change.script);
}

/** What is in suspense on a bank's wallet, with the reason, by outpoint. */
async function suspended(e2e: E2e, { wallet }: Bank, count: number): Promise<ReadonlyMap<string, string>> {
  const found = await until(
    `${count} deposits are in suspense`,
    async () => {
      const { deposits } = await e2e.operator.settlements.listDeposits({ pageSize: 1_000, pageToken: '' });
      return deposits.filter(
        ({ walletId, purpose }) => walletId === wallet?.walletId && purpose === DepositPurpose.DEPOSIT_PURPOSE_SUSPENSE,
      );
    },
    ({ length }) => length === count,
  );
  return new Map(found.map(({ outpoint, reason }) => [outpoint, reason]));
}
