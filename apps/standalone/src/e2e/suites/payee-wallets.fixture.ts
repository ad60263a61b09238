import { addressV1, settlementV1 } from '@finality/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Api, refused } from '../api.fixture.ts';
import { type Bank, freshKey, NOTHING, type Order } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { ownBank, OwnWallet } from '../own-wallet.fixture.ts';
import { outsideAddress, Signatories } from '../signatories.fixture.ts';
import { patiently, until } from '../wait.fixture.ts';

const AMOUNT_SATS = 100_000n;
const { DestinationStatus } = addressV1;
const NET_CREDIT = { rule: settlementV1.WindowPayoutRule.WINDOW_PAYOUT_RULE_NET_CREDIT, floorSats: 0n };

/** A payee with the keys of its wallet, and two people who sign for it. */
interface Payee {
  readonly own: OwnWallet;
  readonly bank: Bank;
  readonly second: Api;
  readonly people: Signatories;
}

async function payeeWith(e2e: E2e, own: OwnWallet): Promise<Payee> {
  const bank = await ownBank(e2e, own);
  const people = await Signatories.of(e2e, bank);
  const second = await e2e.colleague(bank);
  await patiently(() => second.destinations.listDestinations({ institutionId: bank.id, pageSize: 0, pageToken: '' }));
  return { own, bank, second, people };
}

/** Settlements that a custodial payer pays to a wallet whose keys are the payee's own. */
export function payeeWallets(e2e: () => E2e): void {
  let payer: Bank;
  let single: Payee;
  let several: Payee;

  beforeAll(async () => {
    payer = await e2e().bank();
    single = await payeeWith(e2e(), new OwnWallet('wpkh'));
    several = await payeeWith(e2e(), new OwnWallet('wsh(sortedmulti)'));
    await payer.fund({ wallet: [300_000n, 300_000n, 300_000n] });
  });

  const asking = ({ own, bank, people }: Payee, over: Partial<addressV1.RegisterDestinationRequest> = {}) => ({
    idempotencyKey: freshKey(),
    institutionId: bank.id,
    address: '',
    walletId: bank.wallet!.walletId,
    label: 'own keys',
    request: people.sign('ann', 'register destination', { descriptor: own.descriptor.external }),
    ...over,
  });
  const ask = (payee: Payee, over: Partial<addressV1.RegisterDestinationRequest> = {}) =>
    payee.bank.api.destinations.registerDestination(asking(payee, over));
  const shown = async ({ bank }: Payee, id: string): Promise<addressV1.Destination> => {
    const listed = { institutionId: bank.id, pageSize: 0, pageToken: '' };
    const { destinations } = await bank.api.destinations.listDestinations(listed);
    return destinations.find(({ destinationId }) => destinationId === id)!;
  };

  /** Its wallet, or an address outside. */
  async function active(payee: Payee, address?: string): Promise<addressV1.Destination> {
    const about = address ?? { descriptor: payee.own.descriptor.external };
    const request = payee.people.sign('ann', 'register destination', about);
    const { destinationId } = await ask(payee, {
      request,
      ...(address !== undefined && { address, walletId: undefined }),
    });
    const approval = payee.people.sign('bob', 'approve destination', about);
    await payee.second.destinations.approveDestination({ idempotencyKey: freshKey(), destinationId, approval });
    return until(
      'it has cooled',
      () => shown(payee, destinationId),
      ({ status }) => status === DestinationStatus.DESTINATION_STATUS_ACTIVE,
    );
  }

  const submit = ({ bank }: Payee, over: Partial<Order> = {}) =>
    payer.submit({ to: bank, amountSats: AMOUNT_SATS, mode: 'BILATERAL', ...over });
  /** Settlement is told of destinations, and looks at a clock of its own. */
  const submitted = async (payee: Payee, over: Partial<Order> = {}): Promise<string> => {
    let id = '';
    const passing = ['PAYEE_NOT_PAYABLE', 'UNKNOWN_DESTINATION', 'DESTINATION_PENDING', 'DESTINATION_COOLING'];
    await until(
      'settlement knows that the wallet can be paid',
      async () => (await refused(submit(payee, over).then(({ settlementId }) => (id = settlementId))))?.reason ?? '',
      (reason) => !passing.includes(reason),
    );
    return id;
  };
  const reason = async (call: Promise<unknown>): Promise<string | undefined> => (await refused(call))?.reason;

  describe('a wallet whose keys are the payee’s own', () => {
    it('is asked for by its id and signed for by its descriptor, each refused for its reason', async () => {
      const { bank, people, own } = single;
      const [custodial, before] = [await e2e().bank(), await reason(submit(single))];
      expect({
        'paid before': before,
        'another’s': await reason(ask(single, { walletId: several.bank.wallet!.walletId })),
        unknown: await reason(ask(single, { walletId: '00000000-0000-7000-8000-000000000000' })),
        'the signer’s': await reason(
          custodial.api.destinations.registerDestination(
            asking(single, { institutionId: custodial.id, walletId: custodial.wallet!.walletId }),
          ),
        ),
        'an address too': await reason(ask(single, { address: own.address(0) })),
        'signed for by an address': await reason(
          ask(single, { request: people.sign('ann', 'register destination', own.address(0)) }),
        ),
        'signed for by another descriptor': await reason(
          ask(single, {
            request: people.sign('ann', 'register destination', { descriptor: several.own.descriptor.external }),
          }),
        ),
      }).toEqual({
        'paid before': 'PAYEE_NOT_PAYABLE',
        'another’s': 'UNKNOWN_WALLET',
        unknown: 'UNKNOWN_WALLET',
        'the signer’s': 'WALLET_IS_CUSTODIAL',
        'an address too': 'INVALID_ARGUMENT',
        'signed for by an address': 'SIGNATURE_INVALID',
        'signed for by another descriptor': 'SIGNATURE_INVALID',
      });
      expect(
        (await bank.api.destinations.listDestinations({ institutionId: bank.id, pageSize: 0, pageToken: '' }))
          .destinations,
      ).toEqual([]);
    });

    it('is paid at fresh addresses of it, of one key and of several; removed, it isn’t any more', async () => {
      const [one, other] = [await active(single), await active(several)];
      expect(one).toMatchObject({
        walletId: single.bank.wallet!.walletId,
        descriptor: single.own.descriptor.external,
        address: '',
        script: '',
      });
      expect(await reason(ask(single))).toBe('DESTINATION_EXISTS');
      const before = await payer.balance('wallet');
      const ids = [
        await submitted(single),
        await submitted(several, { destinationId: other.destinationId }),
        await submitted(single),
      ];
      const executing: { readonly txid: string; readonly destinationId?: string | undefined }[] = [];
      for (const id of ids) executing.push(await payer.executing(id));
      expect(executing.map(({ destinationId }) => destinationId)).toEqual(
        [one, other, one].map((each) => each.destinationId),
      );
      await e2e().outside.mine(3);
      let feesSats = 0n;
      for (const id of ids) feesSats += (await payer.settlement(id, 'SETTLED')).feeSats;
      const { outside } = e2e();
      const paid = async (at: number, script: string) => outside.paidTo(executing[at]!.txid, script);
      expect(await paid(0, single.own.script(0, 0))).toEqual([AMOUNT_SATS]);
      expect(await paid(1, several.own.script(0, 0))).toEqual([AMOUNT_SATS]);
      expect(await paid(2, single.own.script(0, 1))).toEqual([AMOUNT_SATS]);
      expect(await single.bank.balance('wallet')).toEqual({ ...NOTHING, available: 2n * AMOUNT_SATS });
      expect(await several.bank.balance('wallet')).toEqual({ ...NOTHING, available: AMOUNT_SATS });
      expect((await payer.balance('wallet')).available).toBe(before.available - 3n * AMOUNT_SATS - feesSats);

      const { destinationId } = one;
      await single.bank.api.destinations.removeDestination({ idempotencyKey: freshKey(), destinationId });
      const named = async () => reason(submit(single, { destinationId }));
      expect(await until('settlement knows that it is gone', named, (found) => found !== undefined)).toBe(
        'DESTINATION_REMOVED',
      );
      expect(await reason(submit(single))).toBe('PAYEE_NOT_PAYABLE');
      await expectInOrder(e2e());
    });

    it('is paid its owner’s net credit when a window closes, and so is an address outside', async () => {
      const { operator, outside } = e2e();
      const address = outsideAddress(9_001);
      const [own, listed] = await Promise.all([active(single), active(several, address)]);
      const choose = (one: Payee, place: { walletId: string; destinationId: string }) =>
        one.bank.api.windows.setWindowPayout({ ...NET_CREDIT, idempotencyKey: freshKey(), ...place });
      const usable = (one: Payee, place: { walletId: string; destinationId: string }) =>
        until(
          'settlement knows that it may be paid',
          () => reason(choose(one, place)),
          (found) => found === undefined,
        );
      await usable(single, { walletId: single.bank.wallet!.walletId, destinationId: '' });
      await usable(several, { walletId: '', destinationId: listed.destinationId });
      const others = await reason(choose(single, { walletId: '', destinationId: listed.destinationId }));
      expect(others).toBe('DESTINATION_OF_OTHER_INSTITUTION');

      const debtor = await e2e().bank({ wallet: 'none' });
      await debtor.fund({ clearing: [3_000_000n] });
      const { windowId } = await operator.windows.openWindow({ idempotencyKey: freshKey() });
      for (const { bank } of [single, several])
        await debtor.settle({ to: bank, amountSats: 900_000n, mode: 'CENTRALIZED' });
      await operator.windows.closeWindow({ idempotencyKey: freshKey(), windowId, reason: 'cut-off' });
      const { positions } = await operator.windows.getWindow({ windowId });
      const payoutOf = ({ bank }: Payee) => positions.find((each) => each.institutionId === bank.id)!.netPayoutId;
      const { txid } = await single.bank.executing(payoutOf(single));
      expect(await several.bank.executing(payoutOf(several))).toMatchObject({
        txid,
        destinationId: listed.destinationId,
        destinationAddress: address,
      });
      await outside.mine(3);
      const first = await single.bank.settlement(payoutOf(single), 'SETTLED');
      const second = await several.bank.settlement(payoutOf(several), 'SETTLED');
      expect(first.destinationId).toBe(own.destinationId);
      const script = single.own.script(0, 2);
      expect(await outside.paidTo(txid, script)).toEqual([900_000n - first.feeSats]);
      expect(await outside.paidTo(txid, listed.script)).toEqual([900_000n - second.feeSats]);
      for (const { bank } of [single, several]) expect(await bank.balance('clearing')).toEqual(NOTHING);
      await expectInOrder(e2e());
    });
  });
}
