import { settlementV1 } from '@finality/contracts';
import { expect, test } from 'vitest';
import { patiently } from '../demo/wait.ts';
import { systemRuntime } from '@finality/service';
import { type ChainAccount, DatabaseView, followMoney, wrongPayments } from './audit.fixture.ts';
import { type Outside, sum } from './outside.fixture.ts';

export interface Survivor {
  readonly outside: Outside;
  readonly postgresDir: string;
}

/** Tests of what has to be so after any crashes, once all has come to rest. */
export function testNothingIsLostOrPaidTwice(survivor: () => Survivor): void {
  const chainOf = ({ outside }: Survivor): Promise<ChainAccount> => {
    const scripts = outside.deposits.map(({ script }) => script);
    return followMoney(outside.node, scripts);
  };

  test('every settlement that was asked for is there once and settled; no answer contradicted another', async () => {
    const { outside } = survivor();
    expect(outside.contradictions).toEqual([]);
    expect(new Set(outside.orders.map(({ settlementId }) => settlementId)).size).toBe(outside.orders.length);
    const settlements = await Promise.all(outside.orders.map((order) => outside.settlementOf(order)));
    const { SETTLEMENT_STATUS_SETTLED } = settlementV1.SettlementStatus;
    expect(settlements.filter(({ status }) => status !== SETTLEMENT_STATUS_SETTLED)).toEqual([]);
  });

  test('on the chain each payee has got exactly one output of exactly the amount, and nobody else anything', async () => {
    const { outside } = survivor();
    const chain = await chainOf(survivor());
    expect(chain.spends.length).toBeGreaterThan(0);
    expect(await wrongPayments(outside, chain)).toEqual([]);
  });

  test('balances are what was paid in less what the network took, and as much is on the chain', async () => {
    const { outside } = survivor();
    const { unspentSats, feesSats } = await chainOf(survivor());
    expect(unspentSats).toBe(sum(outside.deposits.map(({ valueSats }) => valueSats)) - feesSats);
    const balances = await outside.balances();
    expect(sum(balances.map(({ available }) => available))).toBe(unspentSats);
    const elsewhere = balances.flatMap(({ reserved, inFlight, incoming, held }) => [
      reserved,
      inFlight,
      incoming,
      held,
    ]);
    expect(elsewhere.filter((amount) => amount !== 0n)).toEqual([]);
  });

  test('reconciliation has no break', async () => {
    const { outside } = survivor();
    const { reconciliation } = outside.operator;
    const request = { idempotencyKey: 'after the crashes' };
    const report = await patiently(systemRuntime(), () => reconciliation.runReconciliation(request));
    expect(report.breaks).toEqual([]);
    expect(report.matched).toBe(report.checked);
    expect(report.checked).toBeGreaterThan(BigInt(outside.orders.length));
  });

  test('every hash chain holds, states are what events make them, the ledger adds up, and nothing is parked', async () => {
    const database = await DatabaseView.open(survivor().postgresDir);
    try {
      expect(await database.problems()).toEqual([]);
    } finally {
      await database.close();
    }
  });
}
