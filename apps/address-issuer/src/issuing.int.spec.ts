import { deriveScript, parseDescriptor } from '@finality/bitcoin';
import { addressV1, institutionV1, TOPICS } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { foreignMultisig, foreignWallet } from './neighbours.fixture.ts';
import { IssuerRig, onWallet, type Over, refusalBy, wrong } from './issuer-rig.fixture.ts';

const { AddressPurpose: Purpose } = addressV1;
const { InstitutionStatus: Status } = institutionV1;

let rig: IssuerRig;

beforeAll(async () => {
  rig = await IssuerRig.open();
});

afterAll(() => rig.close());

function expectDerived(address: addressV1.Address, wallet: addressV1.Wallet): void {
  const descriptor = unwrap(parseDescriptor([wallet.externalDescriptor, wallet.internalDescriptor], 'regtest'));
  const derived = deriveScript(descriptor, address.branch === 0 ? 0 : 1, address.index);
  expect([address.script, address.address]).toEqual([derived.script, derived.address]);
}

describe('IssueAddress', () => {
  it('gives addresses of the pool to institutions, and says for whom they are', async () => {
    const { wallets } = await rig.listWallets({ institutionId: 'platform', pageSize: 1, pageToken: '' }, 'auditor');
    const first = await rig.issue({ label: 'Kasse' });
    const second = await rig.issue({ caller: 'bank-b', institutionId: 'bank-b' });
    expect([first.walletId, first.institutionId, first.label]).toEqual(['pool', 'bank-a', 'Kasse']);
    expect([second.walletId, second.institutionId, second.index]).toEqual(['pool', 'bank-b', first.index + 1]);
    for (const address of [first, second]) expectDerived(address, wallets[0]!);
    const published = (await rig.messages(TOPICS.address)).map(
      ({ payload }) => addressV1.AddressIssued.decode(payload).address,
    );
    expect(published).toContainEqual(first);
    expect(published).toContainEqual(second);
  });

  it('gives nothing beyond what is watched, and waits for a moment', async () => {
    const { walletId } = await rig.register();
    expect(await refusalBy(rig.issue(onWallet(walletId)))).toEqual(['ADDRESS_NOT_WATCHED']);
    const waiting = rig.issue(onWallet(walletId));
    await rig.watch(walletId, 2);
    expect((await waiting).index).toBe(0);
    expect((await rig.issue(onWallet(walletId))).index).toBe(1);
    expect(await refusalBy(rig.issue(onWallet(walletId)))).toEqual(['ADDRESS_NOT_WATCHED']);
  });

  it('gives 100 addresses of 100 indices to 100 who ask at once', async () => {
    const wallet = await rig.register();
    const before = rig.keys.derivations;
    await rig.watch(wallet.walletId, 150);
    expect(rig.keys.derivations - before).toBe(1);
    const addresses = await Promise.all(Array.from({ length: 100 }, () => rig.issue(onWallet(wallet.walletId))));
    expect(addresses.map(({ index }) => index).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    for (const address of addresses) expectDerived(address, wallet);
  });

  it('gives the same address for the same key, also after a crash between taking the index and answering', async () => {
    const wallet = await rig.register();
    await rig.watch(wallet.walletId, 50);
    const faults = {
      at: (): never => {
        throw new Error('killed');
      },
    };
    const crashing = await rig.start(faults);
    const requests = Array.from({ length: 10 }, () => ({
      idempotencyKey: rig.idempotencyKey(),
      ...onWallet(wallet.walletId),
    }));
    const lost = await Promise.allSettled(requests.map((request) => rig.issue({ ...request, on: crashing })));
    expect(lost.every(({ status }) => status === 'rejected')).toBe(true);
    await crashing.close();
    const again = await rig.start();
    const [repeated, fresh] = await Promise.all([
      Promise.all(requests.map((request) => rig.issue({ ...request, on: again }))),
      Promise.all(requests.map(() => rig.issue({ ...onWallet(wallet.walletId), on: again }))),
    ]);
    expect(await Promise.all(requests.map((request) => rig.issue({ ...request, on: again })))).toEqual(repeated);
    const indices = (of: readonly addressV1.Address[]): number[] => of.map(({ index }) => index).sort((a, b) => a - b);
    expect([indices(repeated), indices(fresh)]).toEqual([
      Array.from({ length: 10 }, (_, i) => i),
      Array.from({ length: 10 }, (_, i) => i + 10),
    ]);
    await again.close();
    const issued = (await rig.messages(TOPICS.address)).filter(({ ordering_key }) => ordering_key === wallet.walletId);
    expect(issued.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(i + 1)));
    expect(await refusalBy(rig.issue({ ...requests[0], label: 'other' }))).toContain('label');
  });

  it('gives nothing of a wallet whose scripts the signer derives differently', async () => {
    const wallet = await rig.register();
    rig.keys.wrongFrom = 3;
    await rig.watch(wallet.walletId, 5, 5);
    rig.keys.wrongFrom = Number.POSITIVE_INFINITY;
    await rig.watch(wallet.walletId, 10, 10);
    expect(await refusalBy(rig.issue(onWallet(wallet.walletId)))).toEqual(['WALLET_BLOCKED']);
  });

  it('takes the only wallet of an institution where none is named', async () => {
    const purpose = Purpose.ADDRESS_PURPOSE_WALLET;
    const mine = { caller: 'bank-b', institutionId: 'bank-b' } as const;
    expect(await refusalBy(rig.issue({ ...mine, purpose }))).toEqual(['NO_WALLET']);
    const wallet = await rig.register(mine);
    await rig.watch(wallet.walletId, 5, 5);
    expect((await rig.issue({ ...mine, purpose })).walletId).toBe(wallet.walletId);
    await rig.register(mine);
    expect(await refusalBy(rig.issue({ ...mine, purpose }))).toEqual(wrong('wallet_id'));
    expect(await refusalBy(rig.issue(onWallet(wallet.walletId)))).toEqual(['UNKNOWN_WALLET', 'wallet_id']);
  });

  it.each<[string, Over<addressV1.IssueAddressRequest>, readonly string[]]>([
    ['no key', { caller: undefined }, ['API_KEY_MISSING']],
    ['an auditor', { caller: 'auditor' }, ['ROLE_REQUIRED']],
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    [
      'an unknown institution',
      { institutionId: 'bank-x', caller: 'operator' },
      ['UNKNOWN_INSTITUTION', 'institution_id'],
    ],
    ['no institution', { institutionId: '' }, wrong('institution_id')],
    ['no purpose', { purpose: Purpose.ADDRESS_PURPOSE_UNSPECIFIED }, wrong('purpose')],
    ['change', { purpose: Purpose.ADDRESS_PURPOSE_CHANGE }, wrong('purpose')],
    ['an over-long label', { label: 'x'.repeat(129) }, wrong('label')],
    ['a label of control characters', { label: 'a\nb' }, wrong('label')],
    ['an unknown wallet', onWallet('nowhere'), ['UNKNOWN_WALLET', 'wallet_id']],
    ['the pool as wallet', onWallet('pool'), wrong('wallet_id')],
    ['a wallet for clearing', { walletId: 'pool' }, wrong('wallet_id')],
    ['an empty idempotency key', { idempotencyKey: '' }, wrong('idempotency_key')],
  ])('refuses %s', async (_what, over, refused) => {
    expect(await refusalBy(rig.issue(over))).toEqual(refused);
  });
});

describe('external ids', () => {
  const named = { externalId: 'customer-1', label: 'retail' };

  it('have one address each, whichever key it is asked for with', async () => {
    const first = await rig.issue(named);
    expect(first.externalId).toBe('customer-1');
    const request = { idempotencyKey: rig.idempotencyKey(), ...named };
    expect(await rig.issue(request)).toEqual(first);
    expect(await rig.issue(request)).toEqual(first);
    expect(await refusalBy(rig.issue({ ...named, label: 'other' }))).toEqual(['EXTERNAL_ID_TAKEN', 'label']);
    const theirs = await rig.issue({ ...named, caller: 'bank-b', institutionId: 'bank-b' });
    expect(theirs.script).not.toBe(first.script);
    const asked = Array.from({ length: 20 }, () => rig.issue({ ...named, externalId: 'customer-2' }));
    expect(new Set((await Promise.all(asked)).map(({ script }) => script)).size).toBe(1);
  });

  it('and labels find addresses', async () => {
    const list = async (by: Partial<addressV1.ListAddressesRequest>): Promise<number> =>
      (await rig.listAddresses({ institutionId: 'bank-a', ...by }, 'bank-a')).addresses.length;
    expect(await list({ externalId: 'customer-1' })).toBe(1);
    expect(await list({ label: 'retail' })).toBe(2);
    expect(await list({ label: 'retail', walletId: 'nowhere' })).toBe(0);
  });
});

describe('IssueAddresses', () => {
  const wantedOf = (count: number, from = 0): addressV1.AddressWanted[] =>
    Array.from({ length: count }, (_, i) => ({ externalId: `invoice-${from + i}`, label: 'bulk' }));
  const indices = (of: readonly addressV1.Address[]): number[] => of.map(({ index }) => index);
  const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

  it('gives many in their order, of a wallet of whatever keys, and the same again', async () => {
    const wallet = await rig.registerOwn(foreignMultisig(1));
    const { walletId } = wallet;
    await rig.watch(walletId, 40, 5);
    const addresses = wantedOf(40);
    const issued = await rig.issueMany({ walletId, addresses });
    expect(issued.map(({ externalId }) => externalId)).toEqual(addresses.map(({ externalId }) => externalId));
    expect(indices(issued)).toEqual(upTo(40));
    for (const address of issued) expectDerived(address, wallet);
    expect(await rig.issueMany({ walletId, addresses })).toEqual(issued);
    expect(await rig.issue({ ...onWallet(walletId), ...addresses[7] })).toEqual(issued[7]);
  });

  it('goes on as more become watched, from where it was cut short, in several processes at once', async () => {
    const { walletId } = await rig.registerOwn(foreignWallet(31));
    await rig.watch(walletId, 600);
    const addresses = wantedOf(900, 1_000);
    expect(await refusalBy(rig.issueMany({ walletId, addresses }))).toEqual(['ADDRESS_NOT_WATCHED']);
    const other = await rig.start();
    const waiting = [rig.issueAll({ walletId, addresses }), rig.issueAll({ walletId, addresses, on: other })];
    await rig.watch(walletId, 800);
    await rig.watch(walletId, 1_000);
    const [first, second] = (await Promise.all(waiting)) as [addressV1.Address[], addressV1.Address[]];
    expect(indices(first)).toEqual(upTo(900));
    expect(second).toEqual(first);
    await other.close();
    expect((await rig.issue(onWallet(walletId))).index).toBe(900);
  });

  it('gives none of a wallet that is being scanned from its birthday, until it is', async () => {
    const registered = await rig.registerOwn(foreignWallet(32), { birthdayHeight: 100 });
    expect(registered.scanning).toBe(true);
    const { walletId } = registered;
    await rig.watch(walletId, 0, 0, true);
    const scanning = ['WALLET_SCANNING'];
    expect(await refusalBy(rig.issueMany({ walletId, addresses: wantedOf(1, 5_000) }))).toEqual(scanning);
    await rig.watch(walletId, 10, 10);
    const { wallets } = await rig.listWallets({ institutionId: 'bank-a', pageSize: 1_000, pageToken: '' }, 'bank-a');
    expect(wallets.find((wallet) => wallet.walletId === walletId)?.scanning).toBe(false);
    const told = (await rig.messages(TOPICS.wallet)).map(({ payload }) => addressV1.WalletChanged.decode(payload));
    const own = told.flatMap(({ wallet }) => (wallet?.walletId === walletId ? [wallet.scanning] : []));
    expect(own).toEqual([true, false]);
    expect(await rig.issueMany({ walletId, addresses: wantedOf(1, 5_000) })).toHaveLength(1);
  });

  it.each<[string, Over<addressV1.IssueAddressesRequest>, readonly string[]]>([
    ['none', { addresses: [] }, wrong('addresses')],
    ['too many', { addresses: wantedOf(10_001) }, wrong('addresses')],
    ['an empty external id', { addresses: [{ externalId: '', label: '' }] }, wrong('addresses[0].external_id')],
    ['an external id twice', { addresses: [...wantedOf(2), ...wantedOf(1)] }, wrong('addresses[2].external_id')],
    ['an over-long label', { addresses: [{ externalId: 'a', label: 'x'.repeat(129) }] }, wrong('addresses[0].label')],
    ['no purpose', { addresses: wantedOf(1), purpose: Purpose.ADDRESS_PURPOSE_UNSPECIFIED }, wrong('purpose')],
    ['another institution', { addresses: wantedOf(1), institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    ['an unknown wallet', { addresses: wantedOf(1, 9_000), walletId: 'nowhere' }, ['UNKNOWN_WALLET', 'wallet_id']],
  ])('refuses %s', async (_what, over, refused) => {
    expect(await refusalBy(rig.issueMany(over))).toEqual(refused);
  });
});

describe('GetGapReport', () => {
  it('says how many are issued and used, and where the longest run of unused ones is', async () => {
    const { walletId } = await rig.registerOwn(foreignWallet(41));
    await rig.watch(walletId, 50, 10);
    const none = { issued: 0, used: 0, largestGap: 0, largestGapFrom: 0, exceedsLimit: false };
    expect((await rig.gapReport({ walletId })).branches).toEqual([
      { branch: 0, watchedBelow: 50, ...none },
      { branch: 1, watchedBelow: 10, ...none },
    ]);
    const names = Array.from({ length: 30 }, (_, i) => ({ externalId: `gap-${i}`, label: '' }));
    const issued = await rig.issueMany({ walletId, addresses: names });
    await rig.pay(issued[2]!, issued[3]!);
    await rig.pay(issued[3]!, issued[20]!);
    const { branches } = await rig.gapReport({ walletId, gapLimit: 15 });
    const gap = { largestGap: 16, largestGapFrom: 4, exceedsLimit: true };
    expect(branches[0]).toEqual({ branch: 0, issued: 30, used: 3, watchedBelow: 50, ...gap });
    expect((await rig.gapReport({ walletId })).branches[0]?.exceedsLimit).toBe(false);
    await rig.pay(issued[12]!);
    const after = (await rig.gapReport({ walletId })).branches[0];
    expect([after?.largestGap, after?.largestGapFrom]).toEqual([9, 21]);
  });

  it.each<[string, Partial<addressV1.GetGapReportRequest>, readonly string[]]>([
    ['an unknown wallet', { walletId: 'nowhere' }, ['UNKNOWN_WALLET', 'wallet_id']],
    ['a wallet of another', { walletId: 'pool' }, ['UNKNOWN_WALLET', 'wallet_id']],
    ['another institution', { walletId: 'pool', institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    ['no wallet', { walletId: '' }, wrong('wallet_id')],
    ['a negative limit', { walletId: 'pool', gapLimit: -1 }, wrong('gap_limit')],
  ])('refuses %s', async (_what, request, refused) => {
    expect(await refusalBy(rig.gapReport(request))).toEqual(refused);
  });
});

describe('IssueInternalAddress', () => {
  const request = (purpose: addressV1.AddressPurpose, walletId: string): addressV1.IssueInternalAddressRequest => ({
    idempotencyKey: rig.idempotencyKey(),
    walletId,
    purpose,
    label: 'settlement',
  });

  it('gives change on the internal branch and payees’ addresses on the external one, also while the institution is frozen', async () => {
    await rig.settlement.institution('bank-f', Status.INSTITUTION_STATUS_ACTIVE);
    await rig.drain();
    const wallet = await rig.register({ caller: 'operator', institutionId: 'bank-f' });
    await rig.watch(wallet.walletId, 10, 10);
    await rig.settlement.institution('bank-f', Status.INSTITUTION_STATUS_FROZEN);
    await rig.drain();
    const frozen = rig.issue({ caller: 'operator', institutionId: 'bank-f', ...onWallet(wallet.walletId) });
    expect(await refusalBy(frozen)).toEqual(['INSTITUTION_NOT_ACTIVE']);
    const asked = request(Purpose.ADDRESS_PURPOSE_CHANGE, wallet.walletId);
    const change = await rig.issuer.internal.issueInternalAddress(asked);
    const payee = await rig.issuer.internal.issueInternalAddress(
      request(Purpose.ADDRESS_PURPOSE_SETTLEMENT, wallet.walletId),
    );
    expect([change.branch, change.index, payee.branch, payee.index, payee.institutionId]).toEqual([
      1,
      0,
      0,
      0,
      'bank-f',
    ]);
    for (const address of [change, payee]) expectDerived(address, wallet);
    expect(await rig.issuer.internal.issueInternalAddress(asked)).toEqual(change);
  });

  it.each([
    ['no purpose', Purpose.ADDRESS_PURPOSE_UNSPECIFIED, 'pool', wrong('purpose')],
    ['what institutions ask for', Purpose.ADDRESS_PURPOSE_CLEARING, 'pool', wrong('purpose')],
    ['an unknown wallet', Purpose.ADDRESS_PURPOSE_CHANGE, 'nowhere', ['UNKNOWN_WALLET', 'wallet_id']],
    ['no wallet', Purpose.ADDRESS_PURPOSE_CHANGE, '', wrong('wallet_id')],
  ])('refuses %s', async (_what, purpose, walletId, refused) => {
    expect(await refusalBy(rig.issuer.internal.issueInternalAddress(request(purpose, walletId)))).toEqual(refused);
  });
});

describe('SkipIndices', () => {
  it('leaves out what a restored store may have issued, of every wallet, once per epoch, and tells who watches', async () => {
    const { walletId } = await rig.register();
    await rig.watch(walletId, 500, 500);
    const before = await rig.issue(onWallet(walletId));
    const { wallets } = await rig.issuer.internal.skipIndices({ epoch: 2 });
    expect(wallets).toBeGreaterThan(1);
    expect(await rig.issuer.internal.skipIndices({ epoch: 2 })).toEqual({ wallets });
    const changed = (await rig.messages(TOPICS.wallet))
      .map(({ payload }) => addressV1.WalletChanged.decode(payload))
      .filter(({ wallet }) => wallet?.walletId === walletId);
    expect(changed.map(({ externalUsed, internalUsed }) => [externalUsed, internalUsed])).toEqual([
      [0, 0],
      [before.index + 101, 100],
    ]);
    expect((await rig.issue(onWallet(walletId))).index).toBe(before.index + 101);
  });
});

describe('lists', () => {
  it('show each institution its own, page by page', async () => {
    const seen: addressV1.Address[] = [];
    for (let pageToken = ''; ;) {
      const page = await rig.listAddresses({ institutionId: 'bank-a', pageSize: 50, pageToken }, 'bank-a');
      seen.push(...page.addresses);
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
      expect(page.addresses).toHaveLength(50);
    }
    expect(seen.length).toBeGreaterThan(100);
    expect(new Set(seen.map(({ script }) => script)).size).toBe(seen.length);
    expect(seen.every(({ institutionId }) => institutionId === 'bank-a')).toBe(true);
  });

  it.each<[string, Partial<addressV1.ListAddressesRequest>, readonly string[]]>([
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    ['a page too large', { pageSize: 1_001 }, wrong('page_size')],
    ['a negative page', { pageSize: -1 }, wrong('page_size')],
    ['a made-up token', { pageToken: 'abc' }, wrong('page_token')],
    ['a token of another epoch', { pageToken: Buffer.from('7.1').toString('base64url') }, wrong('page_token')],
  ])('refuse %s', async (_what, over, refused) => {
    const request = { institutionId: 'bank-a', pageSize: 0, pageToken: '', ...over };
    expect(await refusalBy(rig.listAddresses(request, 'bank-a'))).toEqual(refused);
    expect(await refusalBy(rig.listWallets(request, 'bank-a'))).toEqual(refused);
  });
});
