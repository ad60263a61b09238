import { deriveScript, parseDescriptor } from '@finality/bitcoin';
import { addressV1, institutionV1, TOPICS } from '@finality/contracts';
import { unwrap } from '@finality/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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
