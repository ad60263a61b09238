import { googleRpc, settlementV1 } from '@finality/contracts';
import { status } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { refused } from '../api.fixture.ts';
import { type Bank, freshKey, lifeOf, NOTHING, statusOf } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { Received, watch } from '../streams.fixture.ts';
import { until } from '../wait.fixture.ts';

/** No double is this number. */
const ODD_SATS = 2n ** 53n + 1n;
const MAX_SATS = 2_100_000_000_000_000n;
const REVOKED_WITHIN_MS = 5_000;

/** The API: what holds whatever the services run on. */
export function theApi(e2e: () => E2e): void {
  const bankOnCredit = (creditLineSats = 1_000_000n) => e2e().bank({ wallet: 'none', creditLineSats });

  const requestOf = (payer: Bank, payee: Bank, amountSats: bigint, idempotencyKey = freshKey()) => ({
    idempotencyKey,
    fromInstitution: payer.id,
    toInstitution: payee.id,
    amountSats,
    settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
    referenceId: '',
  });

  it('knows 2^53 + 1 from 2^53 wherever an amount goes in', async () => {
    const [payer, payee] = [await bankOnCredit(), await bankOnCredit()];
    const asked = [
      payer.submit({ to: payee, amountSats: ODD_SATS, mode: 'CENTRALIZED' }),
      e2e().operator.institutions.createInstitution({
        idempotencyKey: freshKey(),
        institutionId: 'too-rich',
        name: 'Too rich',
        creditLineSats: ODD_SATS,
      }),
    ];
    for (const refusal of await Promise.all(asked.map(refused)))
      expect(refusal?.fields?.[0]?.description).toContain('9007199254740993');
    const stream = payer.api.streams.submitSettlements(payer.api.metadata);
    const results = new Received(stream);
    stream.write(requestOf(payer, payee, ODD_SATS));
    stream.end();
    await results.end();
    expect(results.messages[0]!.error!.message).toContain('9007199254740993');
  });

  it('knows 2^53 + 1 from 2^53 wherever an amount comes out, and the ledger adds up to it', async () => {
    const payee = await bankOnCredit();
    const amounts = [...Array<bigint>(4).fill(MAX_SATS), ODD_SATS - 4n * MAX_SATS];
    for (const amountSats of amounts) {
      const payer = await bankOnCredit(MAX_SATS);
      expect(await payer.institution()).toMatchObject({ creditLineSats: MAX_SATS });
      const watched = watch(payer.api);
      const { settlementId, ...echoed } = await payer.submit({ to: payee, amountSats, mode: 'CENTRALIZED' });
      expect(echoed.amountSats).toBe(amountSats);
      await payer.settlement(settlementId, 'UNDER_REVIEW');
      const decision = settlementV1.ReviewDecision.REVIEW_DECISION_APPROVE;
      const review = { idempotencyKey: freshKey(), settlementId, decision, reason: 'all there is' };
      expect((await e2e().compliance.settlements.reviewSettlement(review)).amountSats).toBe(amountSats);
      expect(await payer.balance('clearing')).toEqual({ ...NOTHING, available: -amountSats });
      expect((await payer.entries('clearing')).map(({ amount }) => amount)).toEqual([amountSats]);
      const events = await watched.until('it is seen to settle', (seen) =>
        seen.some(({ settlement }) => settlement && statusOf(settlement) === 'SETTLED'),
      );
      expect(new Set(events.map(({ settlement }) => settlement?.amountSats))).toEqual(new Set([amountSats]));
      watched.cancel();
    }
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: ODD_SATS });
    await payee.settle({ to: await bankOnCredit(), amountSats: 1n, mode: 'CENTRALIZED' });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: ODD_SATS - 1n });
    await expectInOrder(e2e());
  });

  it('answers the same request again with the same settlement in its present state', async () => {
    const [payer, payee] = [await bankOnCredit(), await bankOnCredit()];
    const order = { to: payee, amountSats: 5n, mode: 'CENTRALIZED', key: freshKey() } as const;
    const { settlementId } = await payer.submit(order);
    const settled = await payer.settlement(settlementId, 'SETTLED');
    expect(await payer.submit(order)).toEqual(settled);
    expect(await refused(payer.submit({ ...order, reference: 'another' }))).toMatchObject({
      kind: 'already_exists',
      reason: 'IDEMPOTENCY_KEY_REUSED',
      fields: [{ field: 'reference_id' }],
    });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 5n });
    // A key belongs to the institution, not to all.
    const other = await payee.submit({ ...order, to: payer });
    expect(other.settlementId).not.toBe(settlementId);
    await payee.settlement(other.settlementId, 'SETTLED');
    for (const bank of [payer, payee]) expect(await bank.balance('clearing')).toEqual(NOTHING);
  });

  it('lists settlements newest first, in pages, by status, counterparty and time', async () => {
    const [a, b, c] = [await bankOnCredit(), await bankOnCredit(), await bankOnCredit()];
    const made: settlementV1.Settlement[] = [];
    for (const [from, to, amountSats] of [
      [a, b, 1n],
      [c, a, 2n],
      [a, b, 3n],
      [a, c, 9_000_000n],
      [b, a, 5n],
      [b, c, 6n],
    ] as const) {
      const { settlementId } = await from.submit({ to, amountSats, mode: 'CENTRALIZED' });
      made.push(await from.settlement(settlementId, amountSats === 9_000_000n ? 'QUEUED' : 'SETTLED'));
    }
    type Filter = Partial<settlementV1.ListSettlementsRequest>;
    const list = async (bank: Bank, filter: Filter, pageSize = 1_000): Promise<readonly bigint[]> => {
      const amounts: bigint[] = [];
      let pageToken = '';
      do {
        const page = await bank.api.settlements.listSettlements({ pageSize, pageToken, ...filter });
        expect(page.settlements.length).toBeLessThanOrEqual(pageSize);
        amounts.push(...page.settlements.map(({ amountSats }) => amountSats));
        pageToken = page.nextPageToken;
      } while (pageToken !== '');
      return amounts;
    };
    const { SETTLEMENT_STATUS_QUEUED } = settlementV1.SettlementStatus;
    for (const pageSize of [1, 2, 3, 5, 1_000])
      expect(await list(a, {}, pageSize)).toEqual([5n, 9_000_000n, 3n, 2n, 1n]);
    expect(await list(a, { status: SETTLEMENT_STATUS_QUEUED })).toEqual([9_000_000n]);
    expect(await list(a, { counterparty: b.id }, 2)).toEqual([5n, 3n, 1n]);
    expect(await list(c, { counterparty: b.id })).toEqual([6n]);
    expect(await list(b, { counterparty: e2e().platform.secrets.operator.keyId })).toEqual([]);
    const [fromTime, toTime] = [made[2]!.createdAt!, made[4]!.createdAt!];
    expect(await list(a, { fromTime, toTime })).toEqual([9_000_000n, 3n]);
    const all = await e2e().operator.settlements.listSettlements({ pageSize: 6, pageToken: '' });
    // The place in a line is told to whoever asks for the settlement itself.
    expect(all.settlements).toEqual(made.toReversed().map((each) => ({ ...each, queuePlace: undefined })));
  });

  it('shows a watcher every change, live and from any cursor on, and nothing of others', async () => {
    const [a, b, stranger] = [await bankOnCredit(), await bankOnCredit(), await bankOnCredit()];
    const [atPayer, atPayee, atStranger] = [watch(a.api), watch(b.api), watch(stranger.api)];
    const settled = (await a.settle({ to: b, amountSats: 7n, mode: 'CENTRALIZED' })).settlementId;
    const { settlementId: queued } = await b.submit({ to: a, amountSats: 9_000_000n, mode: 'CENTRALIZED' });
    await b.settlement(queued, 'QUEUED');
    const last = (events: readonly settlementV1.SettlementEvent[]) => {
      const { settlement } = events.at(-1) ?? {};
      return settlement?.settlementId === queued && statusOf(settlement) === 'QUEUED';
    };
    const events = await atPayer.until('the payer sees the last change', last);
    expect(await atPayee.until('the payee sees the last change', last)).toEqual(events);
    for (const [id, life] of [
      [settled, ['RECEIVED', 'SCREENING', 'APPROVED', 'RESERVED', 'SETTLED']],
      [queued, ['RECEIVED', 'SCREENING', 'APPROVED', 'QUEUED']],
    ] as const) {
      const seen = events.filter(({ settlement }) => settlement?.settlementId === id);
      expect(lifeOf(seen.at(-1)!.settlement!)).toEqual(life);
      // Each as it was right after the change: never back, never twice the same.
      const lengths = seen.map(({ settlement }) => settlement!.transitions.length);
      expect(lengths).toEqual(lengths.toSorted((x, y) => x - y));
    }
    expect(new Set(events.map(({ cursor }) => cursor)).size).toBe(events.length);
    for (const [i, { cursor }] of events.entries()) {
      const again = watch(a.api, cursor);
      const rest = await again.until('the rest has come', (seen) => seen.length >= events.length - 1 - i);
      expect(rest).toEqual(events.slice(i + 1));
      again.cancel();
    }
    // The stranger's own change comes after all of these, and is the first that it sees.
    const { settlementId: own } = await stranger.submit({ to: a, amountSats: 1n, mode: 'CENTRALIZED' });
    await atStranger.until('its own change comes', (seen) => seen.length > 0);
    expect(new Set(atStranger.messages.map(({ settlement }) => settlement?.settlementId))).toEqual(new Set([own]));
    for (const watched of [atPayer, atPayee, atStranger]) watched.cancel();
    expect((await atPayer.end()).code).toBe(status.CANCELLED);
  });

  it('answers a stream of requests as they come, in their order, the bad ones too', async () => {
    const [payer, payee] = [await bankOnCredit(), await bankOnCredit()];
    const stream = payer.api.streams.submitSettlements(payer.api.metadata);
    const results = new Received(stream);
    const first = requestOf(payer, payee, 1n);
    stream.write(first);
    await results.until('the first is answered before there is a second', (seen) => seen.length === 1);
    const repeated = { ...first };
    const other = { ...first, amountSats: 2n };
    const rest = Array.from({ length: 198 }, (_, i) => requestOf(payer, payee, i % 50 === 49 ? -1n : 1n));
    const requests = [first, repeated, other, ...rest, requestOf(payee, payer, 1n), requestOf(payer, payer, 1n)];
    for (const request of requests.slice(1)) stream.write(request);
    stream.end();
    expect((await results.end()).code).toBe(status.OK);
    const { messages } = results;
    expect(messages.map(({ index, idempotencyKey }) => [index, idempotencyKey])).toEqual(
      requests.map(({ idempotencyKey }, i) => [BigInt(i), idempotencyKey]),
    );
    const failed = messages.filter(({ error }) => error !== undefined);
    expect(failed.map(({ index, error }) => [Number(index), status[error!.code], reasonOf(error!)])).toEqual([
      [2, 'ALREADY_EXISTS', 'IDEMPOTENCY_KEY_REUSED'],
      ...[52, 102, 152].map((index) => [index, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT']),
      [201, 'PERMISSION_DENIED', 'FOREIGN_INSTITUTION'],
      [202, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'],
    ]);
    const ids = messages.flatMap(({ settlement }) => settlement?.settlementId ?? []);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(1 + 195);
    await until(
      'all good ones are settled, once each',
      () => payee.balance('clearing'),
      ({ available }) => available === 196n,
    );
    await payer.settle({ to: payee, amountSats: 4n, mode: 'CENTRALIZED' });
    expect(await payee.balance('clearing')).toEqual({ ...NOTHING, available: 200n });
  });

  it('refuses a revoked key in every service within 5 s', async () => {
    const bank = await e2e().bank();
    const { id: institutionId } = bank;
    const issued = await e2e().issueKey(institutionId, 'to be revoked');
    const own = e2e().api(issued.apiKey);
    const auditor = await e2e().staff('auditor');
    const page = { pageSize: 1, pageToken: '' };
    const settlement = await bank.api.settlements.listSettlements(page);
    expect(settlement.settlements).toEqual([]);
    const calls = [
      () => own.settlements.listSettlements(page),
      () => own.addresses.listAddresses({ ...page, institutionId, label: '', externalId: '', walletId: '' }),
      () => own.ledger.getBalances({ institutionId }),
      () => auditor.api.reconciliation.listReports(page),
      () => auditor.api.risk.getVerdict({ subjectId: 'nothing' }),
      () => auditor.api.aml.getVerdict({ subjectId: 'nothing' }),
    ];
    const answers = () => Promise.all(calls.map(async (call) => (await refused(call()))?.reason));
    await until(
      'both keys are known everywhere',
      answers,
      (reasons) => !reasons.includes('API_KEY_INVALID'),
      REVOKED_WITHIN_MS,
    );
    for (const keyId of [issued.keyId, auditor.keyId]) {
      const revoked = await e2e().operator.institutions.revokeApiKey({
        idempotencyKey: freshKey(),
        keyId,
        reason: 'lost',
      });
      expect(revoked.revoked).toBe(true);
    }
    await until(
      'both keys are refused everywhere',
      answers,
      (reasons) => reasons.every((reason) => reason === 'API_KEY_INVALID'),
      REVOKED_WITHIN_MS,
    );
    await bank.api.settlements.listSettlements(page);
  });

  it('shows institutions nothing of each other’s', async () => {
    const [bank, stranger] = [await e2e().bank(), await e2e().bank()];
    const { institutionId, pageSize, pageToken } = { institutionId: bank.id, pageSize: 10, pageToken: '' };
    const page = { institutionId, pageSize, pageToken };
    const { addresses, ledger, institutions, settlements } = stranger.api;
    const calls = [
      addresses.listAddresses({ ...page, label: '', externalId: '', walletId: '' }),
      addresses.listWallets(page),
      ledger.getBalances({ institutionId }),
      ledger.listEntries({ ...page, claim: '' }),
      institutions.getInstitution({ institutionId }),
      institutions.listInstitutions({ pageSize, pageToken }),
      settlements.submitSettlement(requestOf(bank, stranger, 1n)),
      stranger.api.reconciliation.runReconciliation({ idempotencyKey: freshKey() }),
    ];
    const refusals = await Promise.all(calls.map(refused));
    expect(refusals.map((refusal) => refusal?.kind)).toEqual(calls.map(() => 'permission_denied'));
    expect((await institutions.getInstitution({ institutionId: stranger.id })).institutionId).toBe(stranger.id);
  });

  it('lets a frozen institution start nothing, and finishes what is under way', async () => {
    const [payer, payee] = [await e2e().bank(), await e2e().bank()];
    await payer.fund({ wallet: [10_000_000n] });
    const { settlementId } = await payer.submit({ to: payee, amountSats: 1_000_000n, mode: 'BILATERAL' });
    await payer.executing(settlementId);
    const request = { idempotencyKey: freshKey(), institutionId: payer.id, reason: 'court order' };
    const frozen = await e2e().operator.institutions.freezeInstitution(request);
    expect(frozen).toMatchObject({ status: 2, reason: 'court order' });
    expect(
      await refused(payer.api.institutions.freezeInstitution({ ...request, institutionId: payee.id })),
    ).toMatchObject({ kind: 'permission_denied' });
    const frozenAt = (field: string) => ({
      kind: 'failed_precondition',
      reason: 'INSTITUTION_FROZEN',
      fields: [{ field }],
    });
    const out = payer.submit({ to: payee, amountSats: 1_000n, mode: 'BILATERAL' });
    expect(await refused(out)).toMatchObject(frozenAt('from_institution'));
    const back = payee.submit({ to: payer, amountSats: 1_000n, mode: 'CENTRALIZED' });
    expect(await refused(back)).toMatchObject(frozenAt('to_institution'));
    await e2e().outside.mine(3);
    await payer.settlement(settlementId, 'SETTLED');
    await expectInOrder(e2e());
  });

  // Last: it stops the platform.
  it('ends a watch at shutdown with UNAVAILABLE and the cursor to go on from', async () => {
    const [payer, payee] = [await bankOnCredit(), await bankOnCredit()];
    const { settlementId: before } = await payer.settle({ to: payee, amountSats: 1n, mode: 'CENTRALIZED' });
    const watched = watch(payer.api);
    const isSettled = (id: string) => (seen: readonly settlementV1.SettlementEvent[]) =>
      seen.some(({ settlement }) => settlement?.settlementId === id && statusOf(settlement) === 'SETTLED');
    await watched.until('it has caught up', isSettled(before));
    await e2e().restart();
    const { code, metadata } = await watched.end();
    expect(code).toBe(status.UNAVAILABLE);
    const cursor = String(metadata.get('finality-cursor')[0]);
    const api = e2e().api(payer.apiKey);
    const { settlementId } = await api.settlements.submitSettlement(requestOf(payer, payee, 2n));
    const goesOn = watch(api, cursor);
    const news = await goesOn.until('what came after is seen', isSettled(settlementId));
    expect(new Set(news.map(({ settlement }) => settlement?.settlementId))).toEqual(new Set([settlementId]));
    goesOn.cancel();
  });
}

function reasonOf({ details }: googleRpc.Status): string | undefined {
  const info = details.find(({ typeUrl }) => typeUrl.endsWith('/google.rpc.ErrorInfo'));
  return info && googleRpc.ErrorInfo.decode(info.value).reason;
}
