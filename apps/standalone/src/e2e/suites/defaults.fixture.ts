import { liquidityV1 } from '@finality/contracts';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { freshKey } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { until } from '../wait.fixture.ts';

/** What becomes of debts that nobody pays, where windows close by themselves. */
export function defaults(e2e: () => E2e): void {
  const lineOf = (institutionId: string) => ({ idempotencyKey: freshKey(), institutionId, reason: 'reviewed' });

  const closedDefault = (institutionId: string): Promise<liquidityV1.Default> =>
    until(
      `the default of ${institutionId} is closed`,
      async () => (await e2e().operator.defaults.listDefaults({ pageSize: 100, pageToken: '' })).defaults,
      (list) => list.some((each) => each.institutionId === institutionId && each.closedAt !== undefined),
    ).then((list) => {
      const found = list.filter((each) => each.institutionId === institutionId);
      expect(found).toHaveLength(1);
      return found[0]!;
    });

  it('what is due and isn’t paid is a default: collateral first, then an unsecured line lends it', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const institutionId = payer.id;
    await payer.fund({ clearing: [1_000n] });
    await payer.api.collateral.postCollateral({
      idempotencyKey: freshKey(),
      institutionId,
      pledge: liquidityV1.Pledge.PLEDGE_COLLATERAL,
      amountSats: 1_000n,
    });
    await e2e().lend(institutionId, 5_000n);
    const terms = { idempotencyKey: freshKey(), institutionId, dueAfterSeconds: 2, unitTerms: [], reason: 'agreed' };
    await e2e().operator.collateral.setCreditTerms(terms);
    await payer.settle({ to: payee, amountSats: 4_000n, mode: 'CENTRALIZED' });
    const { defaults: service, operations } = e2e().operator;
    const found = await closedDefault(institutionId);
    expect(found).toMatchObject({
      ...{ owed: 4_000n, overdue: 4_000n, collateral: 1_000n, lent: 3_000n },
      ...{ takenBack: 0n, loss: 0n, uncovered: 0n, left: 0n },
    });
    expect(await service.getDefault({ defaultId: found.defaultId })).toEqual(found);
    expect(await payer.institution()).toMatchObject({ creditLineSats: 3_000n, creditLineDrawnSats: 3_000n });
    const release = { ...terms, idempotencyKey: freshKey(), pledge: 1, amountSats: 1n };
    expect(await refused(payer.api.collateral.releaseCollateral(release))).toMatchObject({
      reason: 'INSTITUTION_FROZEN',
    });
    const { incidents } = await operations.listIncidents({});
    const incidentId = `participant_default:${found.defaultId}`;
    expect(incidents.map((incident) => incident.incidentId)).toContain(incidentId);
    await operations.confirmIncident({ idempotencyKey: freshKey(), incidentId, reason: 'looked at' });
    await expectInOrder(e2e());
  });
  it('of a line that is gone takes back what payees still have, by settlements', async () => {
    const [payer, payee] = [await e2e().bank({ wallet: 'none' }), await e2e().bank({ wallet: 'none' })];
    const institutionId = payer.id;
    await e2e().lend(institutionId, 5_000n);
    const terms = { idempotencyKey: freshKey(), institutionId, dueAfterSeconds: 2, unitTerms: [], reason: 'agreed' };
    await e2e().operator.collateral.setCreditTerms(terms);
    const { settlementId } = await payer.settle({ to: payee, amountSats: 4_000n, mode: 'CENTRALIZED' });
    await e2e().operator.liquidity.setCreditLine({ ...lineOf(institutionId), limitSats: 0n });
    const found = await closedDefault(institutionId);
    expect(found).toMatchObject({ owed: 4_000n, takenBack: 4_000n, uncovered: 0n });
    const [{ reversalId }] = found.unwound as [liquidityV1.UnwoundSettlement];
    expect(await payee.settlement(reversalId, 'SETTLED')).toMatchObject({ reverses: settlementId, amountSats: 4_000n });
    expect((await payee.balance('clearing')).available).toBe(0n);
    expect((await payer.balance('clearing')).available).toBe(0n);
    const { incidents } = await e2e().operator.operations.listIncidents({});
    for (const { incidentId } of incidents)
      await e2e().operator.operations.confirmIncident({ idempotencyKey: freshKey(), incidentId, reason: 'looked at' });
    await expectInOrder(e2e());
  });
}
