import { institutionV1, settlementV1 } from '@finality/contracts';
import { refusalOf } from '@finality/service';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { statusName } from '../names.ts';
import { type Member, TestPlatform } from './platform.fixture.ts';
import { collect, endOf, settlementStreams } from './streams.fixture.ts';

const REVOKED_WITHIN_MS = 5_000;

let platform: TestPlatform;
let alice: Member;
let bob: Member;
let eve: Member;
let settledId: string;

beforeAll(async () => {
  platform = await TestPlatform.start({ node: 'simulator' });
  alice = await platform.institution('alice-bank', { creditLineSats: 10_000_000n });
  bob = await platform.institution('bob-bank');
  eve = await platform.institution('eve-bank', { wallet: 'none' });
  const { settlementId } = await alice.submit(bob, 'centralized', 1_000n);
  await platform.reaches(alice, settlementId, 'settled');
  settledId = settlementId;
});

afterAll(() => platform?.stop());

async function issueKey(): Promise<{ apiKey: string; keyId: string }> {
  const { secret, apiKey } = await platform.operator.institutions.issueApiKey({
    idempotencyKey: platform.runtime.id(),
    institutionId: alice.id,
    roles: [institutionV1.Role.ROLE_INSTITUTION],
    label: 'to be revoked',
  });
  return { apiKey: secret, keyId: apiKey!.keyId };
}

const revoke = (keyId: string) =>
  platform.operator.institutions.revokeApiKey({ idempotencyKey: platform.runtime.id(), keyId, reason: 'test' });

describe('large numbers', () => {
  it('2^53 + 1 is refused by its exact value', async () => {
    const error: unknown = await alice
      .submit(bob, 'centralized', 9_007_199_254_740_993n)
      .catch((thrown: unknown) => thrown);
    expect(refusalOf(error)?.fields?.[0]?.description).toContain('9007199254740993');
  });

  it('the largest amount there is passes every API unchanged', async () => {
    const amountSats = 2_099_999_999_999_999n;
    const rich = await platform.institution('rich-bank', { creditLineSats: 2_100_000_000_000_000n });
    const { settlementId } = await rich.submit(bob, 'centralized', amountSats);
    await platform.reaches(rich, settlementId, 'under_review');
    await platform.compliance.settlements.reviewSettlement({
      idempotencyKey: 'large',
      settlementId,
      decision: settlementV1.ReviewDecision.REVIEW_DECISION_APPROVE,
      reason: 'all there is',
    });
    const settled = await platform.reaches(rich, settlementId, 'settled');
    expect(settled.amountSats).toBe(amountSats);
    expect((await rich.balance('clearing')).available).toBe(-amountSats);
    expect((await bob.balance('clearing')).available).toBeGreaterThan(amountSats);
    const { entries } = await rich.clients.ledger.listEntries({
      institutionId: rich.id,
      claim: '',
      pageSize: 0,
      pageToken: '',
    });
    expect(entries.map((entry) => entry.amountSats)).toContain(amountSats);
    const streams = settlementStreams(platform.address);
    const events = await collect(streams.watch('', rich.apiKey), 3);
    expect(events.map(({ settlement }) => settlement?.amountSats)).toEqual([amountSats, amountSats, amountSats]);
    streams.close();
    const institution = await platform.operator.institutions.getInstitution({ institutionId: rich.id });
    expect(institution.creditLineSats).toBe(2_100_000_000_000_000n);
  });
});

describe('the same request again', () => {
  it('is answered with the same settlement in its present state', async () => {
    const request = { idempotencyKey: 'once', referenceId: 'r-1' };
    const first = await alice.submit(bob, 'centralized', 5_000n, request);
    const settled = await platform.reaches(alice, first.settlementId, 'settled');
    expect(await alice.submit(bob, 'centralized', 5_000n, request)).toEqual(settled);
  });

  it('a refused request uses up no key', async () => {
    const idempotencyKey = 'refused first';
    await expect(alice.submit(bob, 'centralized', 0n, { idempotencyKey })).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
    await expect(alice.submit(bob, 'centralized', 1n, { idempotencyKey })).resolves.toMatchObject({ amountSats: 1n });
  });
});

describe('lists', () => {
  it('page through everything once, newest first', async () => {
    for (let i = 0; i < 5; i++) await bob.submit(alice, 'centralized', 1n, { referenceId: `page-${i}` });
    const seen: string[] = [];
    let pageToken = '';
    do {
      const page = await bob.clients.settlements.listSettlements({ pageSize: 3, pageToken, counterparty: alice.id });
      expect(page.settlements.length).toBeLessThanOrEqual(3);
      seen.push(...page.settlements.map(({ settlementId }) => settlementId));
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThanOrEqual(7);
    expect(seen).toEqual([...seen].sort().reverse());
  });
});

describe('watching', () => {
  it('goes on from a cursor, missing nothing and repeating nothing', async () => {
    const streams = settlementStreams(platform.address);
    const all = await collect(streams.watch('', alice.apiKey), 6);
    const half = await collect(streams.watch(all[2]!.cursor, alice.apiKey), 3);
    expect(half).toEqual(all.slice(3));
    const live = streams.watch(all[5]!.cursor, alice.apiKey);
    const { settlementId } = await alice.submit(bob, 'centralized', 77n);
    const states: string[] = [];
    for await (const event of live as AsyncIterable<settlementV1.SettlementEvent>) {
      if (event.settlement?.settlementId !== settlementId) continue;
      states.push(statusName(event.settlement.status));
      if (states.at(-1) === 'settled') break;
    }
    expect(states[0]).toBe('received');
    expect(states.at(-1)).toBe('settled');
    streams.close();
  });

  it("shows nobody others' settlements", async () => {
    const streams = settlementStreams(platform.address);
    const watched = streams.watch('', eve.apiKey);
    await expect(
      Promise.race([collect(watched, 1), new Promise((resolve) => setTimeout(resolve, 700, 'nothing'))]),
    ).resolves.toBe('nothing');
    watched.on('error', () => undefined);
    watched.cancel();
    streams.close();
  });
});

describe('a stream of requests', () => {
  it('is answered in its order, each with its key', async () => {
    const streams = settlementStreams(platform.address);
    const requests = Array.from({ length: 200 }, (_, i) => ({
      idempotencyKey: `stream-${i}`,
      fromInstitution: alice.id,
      toInstitution: bob.id,
      amountSats: i % 50 === 49 ? -1n : 1n,
      settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_CENTRALIZED,
      referenceId: '',
    }));
    const results = await collect(streams.submitMany(requests, alice.apiKey).results, requests.length);
    expect(results.map(({ index }) => index)).toEqual(requests.map((_, i) => BigInt(i)));
    expect(results.map(({ idempotencyKey }) => idempotencyKey)).toEqual(
      requests.map((request) => request.idempotencyKey),
    );
    expect(results.filter(({ error }) => error !== undefined).map(({ index }) => index)).toEqual([
      49n,
      99n,
      149n,
      199n,
    ]);
    streams.close();
  });
});

describe('keys', () => {
  it('a revoked key opens nothing any more after 5 s, in any service', async () => {
    const { apiKey, keyId } = await issueKey();
    const clients = platform.as(apiKey);
    const calls = [
      () => clients.settlements.listSettlements({ pageSize: 0, pageToken: '' }),
      () => clients.addresses.listAddresses({ institutionId: alice.id, pageSize: 0, pageToken: '' }),
      () => clients.ledger.getBalances({ institutionId: alice.id }),
    ];
    for (const call of calls) await call();
    await revoke(keyId);
    await platform.eventually(async () => {
      for (const call of calls) await expect(call()).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    }, REVOKED_WITHIN_MS);
  });
});

describe('shutting down', () => {
  it('ends a watch with UNAVAILABLE and the cursor to go on from', async () => {
    const streams = settlementStreams(platform.address);
    const watching = streams.watch('', alice.apiKey);
    const seen = new Set<string>();
    watching.on('data', ({ cursor }: settlementV1.SettlementEvent) => seen.add(cursor));
    const ended = endOf(watching);
    await platform.eventually(async () => expect(seen.size).toBeGreaterThan(10));
    const startedAt = performance.now();
    await platform.down();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const { code, metadata } = await ended;
    expect(code).toBe(status.UNAVAILABLE);
    const cursor = String(metadata.get('finality-cursor')[0]);
    streams.close();
    await platform.up();
    const { settlementId } = await alice.submit(bob, 'centralized', 3n);
    const again = settlementStreams(platform.address);
    for await (const event of again.watch(cursor, alice.apiKey) as AsyncIterable<settlementV1.SettlementEvent>) {
      expect(seen).not.toContain(event.cursor);
      if (event.settlement?.settlementId === settlementId) break;
    }
    again.close();
  });
});
