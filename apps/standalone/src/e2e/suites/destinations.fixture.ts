import { RegtestWallet } from '@finality/chain-simulator';
import { addressV1 } from '@finality/contracts';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Api, refused } from '../api.fixture.ts';
import { type Bank, freshKey, lifeOf, type Order, type Settlement } from '../bank.fixture.ts';
import { type E2e, expectInOrder } from '../e2e.fixture.ts';
import { outsideAddress, Signatories } from '../signatories.fixture.ts';
import { patiently, until } from '../wait.fixture.ts';

export const COOLING_SECONDS = 1;

const { DestinationDecision } = addressV1;

const NOBODYS = '00000000-0000-7000-8000-000000000000';

/** Four characters at each end in common. */
const ALIKE = ['bcrt1qw508vqqqqqqqqqqqqqqqqqqqqr077ljpr3cq6l', 'bcrt1qw508vqqqqqqqqqqqqqqqqqqqqrnnznsu57cq6l'] as const;

/** Settlement is told of destinations, and looks at a clock of its own. */
const PASSING = ['UNKNOWN_DESTINATION', 'DESTINATION_PENDING', 'DESTINATION_COOLING'];

/** Submitted, once settlement knows that what it pays can be paid. */
export async function patientlyUsable(submit: () => Promise<Settlement>): Promise<Settlement> {
  let submitted: Settlement | undefined;
  await until(
    'settlement knows that the destination can be paid',
    async () => {
      const refusal = await refused(submit().then((settlement) => (submitted = settlement)));
      return refusal?.reason ?? '';
    },
    (reason) => !PASSING.includes(reason),
  );
  if (submitted === undefined) throw new Error('the settlement was refused');
  return submitted;
}

/** `COOLING` */
const statusOf = ({ status }: addressV1.Destination): string =>
  addressV1.destinationStatusToJSON(status).replace('DESTINATION_STATUS_', '');

/** Settlements that pay an address outside, which its payee has had put on a list. */
export function destinations(e2e: () => E2e): void {
  let payee: Bank;
  /** Of the second person. */
  let second: Api;
  let people: Signatories;
  let addresses = 0;

  beforeAll(async () => {
    payee = await e2e().bank({ wallet: 'none' });
    people = await Signatories.of(e2e(), payee);
    second = await e2e().colleague(payee);
    await patiently(() => second.destinations.listDestinations(listOf(payee)));
  });

  const listOf = ({ id }: Bank) => ({ institutionId: id, pageSize: 0, pageToken: '' });
  const fresh = (): string => outsideAddress(++addresses);

  const request = (address: string, over: Partial<addressV1.RegisterDestinationRequest> = {}) => ({
    idempotencyKey: freshKey(),
    institutionId: payee.id,
    address,
    label: 'treasury',
    request: people.sign('ann', 'register destination', address),
    ...over,
  });
  const ask = (address: string, over: Partial<addressV1.RegisterDestinationRequest> = {}) =>
    payee.api.destinations.registerDestination(request(address, over));
  const approval = ({ destinationId, address }: addressV1.Destination) => ({
    idempotencyKey: freshKey(),
    destinationId,
    approval: people.sign('bob', 'approve destination', address),
  });
  const remove = ({ destinationId }: addressV1.Destination) =>
    payee.api.destinations.removeDestination({ idempotencyKey: freshKey(), destinationId });

  async function listed(address = fresh()): Promise<addressV1.Destination> {
    const asked = await ask(address);
    return second.destinations.approveDestination(approval(asked));
  }

  const shown = async (id: string): Promise<addressV1.Destination> => {
    const { destinations: all } = await payee.api.destinations.listDestinations(listOf(payee));
    return all.find(({ destinationId }) => destinationId === id)!;
  };

  describe('getting onto the list', () => {
    it('takes two people, and the cooling time; the same again is the same', async () => {
      const address = fresh();
      const [asking, key] = [request(address), freshKey()];
      const asked = await payee.api.destinations.registerDestination(asking);
      expect(asked).toMatchObject({ institutionId: payee.id, address, label: 'treasury', requestedBy: payee.keyId });
      expect([statusOf(asked), asked.usableAt]).toEqual(['PENDING', undefined]);
      expect(await payee.api.destinations.registerDestination(asking)).toEqual(asked);
      const approving = { ...approval(asked), idempotencyKey: key };
      const own = await refused(payee.api.destinations.approveDestination(approving));
      expect(own?.reason).toBe('APPROVED_BY_REQUESTER');
      const self = { ...approving, approval: people.sign('ann', 'approve destination', address) };
      expect((await refused(second.destinations.approveDestination(self)))?.reason).toBe('APPROVED_BY_REQUESTER');
      const approved = await second.destinations.approveDestination(approving);
      expect(statusOf(approved)).toBe('COOLING');
      expect(approved.approvedBy).not.toBe(payee.keyId);
      expect((await second.destinations.approveDestination(approving)).usableAt).toEqual(approved.usableAt);
      expect(await payee.api.destinations.registerDestination(asking)).toMatchObject({ address });
      await until(
        'it has cooled',
        () => shown(asked.destinationId),
        (now) => statusOf(now) === 'ACTIVE',
      );
    });

    it('is refused, each for its reason', async () => {
      const address = fresh();
      const other = await e2e().bank();
      const reason = async (call: Promise<unknown>): Promise<string | undefined> => (await refused(call))?.reason;
      const signed = people.sign('ann', 'register destination', address, { nonce: 'again' });
      const taken = await ask(fresh());
      expect({
        'a stranger signed': await reason(
          ask(address, { request: people.sign('eve', 'register destination', address) }),
        ),
        'for another address': await reason(
          ask(address, { request: people.sign('ann', 'register destination', fresh()) }),
        ),
        'an approval': await reason(ask(address, { request: people.sign('ann', 'approve destination', address) })),
        expired: await reason(
          ask(address, { request: people.sign('ann', 'register destination', address, { validMs: -1_000 }) }),
        ),
        'for a year': await reason(
          ask(address, { request: people.sign('ann', 'register destination', address, { validMs: 365 * 86_400_000 }) }),
        ),
        'there already': await reason(ask(taken.address)),
        'of another bank’s wallet': await reason(ask(await other.address('wallet'))),
        'of an own address': await reason(ask(await payee.address('clearing'))),
        'of the signatures of another bank': await reason(
          other.api.destinations.registerDestination({ ...request(address), institutionId: other.id }),
        ),
        'the good one': statusOf(await ask(address, { request: signed })),
        'its signature again': await reason(ask(fresh(), { request: { ...signed } })),
      }).toEqual({
        'a stranger signed': 'UNKNOWN_SIGNATORY',
        'for another address': 'SIGNATURE_INVALID',
        'an approval': 'SIGNATURE_INVALID',
        expired: 'REQUEST_EXPIRED',
        'for a year': 'VALID_FOR_TOO_LONG',
        'there already': 'DESTINATION_EXISTS',
        'of another bank’s wallet': 'SCRIPT_OF_OTHER_INSTITUTION',
        'of an own address': 'SCRIPT_OF_WALLET',
        'of the signatures of another bank': 'UNKNOWN_SIGNATORY',
        'the good one': 'PENDING',
        'its signature again': 'SIGNATURE_INVALID',
      });
    });

    it('again after a removal takes new signatures', async () => {
      const approved = await listed();
      const [old, oldApproval] = [request(approved.address), approval(approved)];
      const gone = await remove(approved);
      expect([statusOf(gone), statusOf(await remove(approved))]).toEqual(['REMOVED', 'REMOVED']);
      const again = await payee.api.destinations.registerDestination(old);
      expect(again.destinationId).not.toBe(approved.destinationId);
      await second.destinations.approveDestination({ ...oldApproval, destinationId: again.destinationId });
      await remove(again);
      expect(
        (await refused(payee.api.destinations.registerDestination({ ...old, idempotencyKey: freshKey() })))?.reason,
      ).toBe('SIGNATURE_REPLAYED');
      expect((await refused(second.destinations.approveDestination(approval(again))))?.reason).toBe(
        'DESTINATION_STATUS',
      );
    });

    it('waits for a compliance officer where it begins and ends like another', async () => {
      const [one, alike] = ALIKE;
      await ask(one);
      const held = await ask(alike);
      expect([statusOf(held), held.reason]).toEqual(['HELD', `begins and ends like ${one}, and is another`]);
      expect((await refused(second.destinations.approveDestination(approval(held))))?.reason).toBe('DESTINATION_HELD');
      const { destinationId } = held;
      const review = { idempotencyKey: freshKey(), destinationId, reason: 'compared by telephone' };
      const decision = DestinationDecision.DESTINATION_DECISION_APPROVE;
      expect((await refused(second.destinations.reviewDestination({ ...review, decision })))?.reason).toBe(
        'ROLE_REQUIRED',
      );
      expect(statusOf(await e2e().compliance.destinations.reviewDestination({ ...review, decision }))).toBe('PENDING');
      expect(statusOf(await second.destinations.approveDestination(approval(held)))).toBe('COOLING');
    });

    it('can be signed for by a third person whom one of the first two endorses', async () => {
      const { operator } = e2e();
      const joining = people.joining('eve');
      expect((await refused(operator.destinations.registerSignatory(joining)))?.reason).toBe('ENDORSEMENT_REQUIRED');
      const endorsement = people.sign('ann', 'endorse signatory', people.eve.address);
      await payee.api.destinations.registerSignatory({ ...joining, idempotencyKey: freshKey(), endorsement });
      const { signatories } = await payee.api.destinations.listSignatories({ institutionId: payee.id });
      expect(signatories.map(({ address }) => address)).toEqual(
        [people.ann, people.bob, people.eve].map((who) => who.address),
      );
      const address = fresh();
      const asked = await ask(address, { request: people.sign('eve', 'register destination', address) });
      expect(statusOf(await second.destinations.approveDestination(approval(asked)))).toBe('COOLING');
    });

    it('needs the word of nobody who has been revoked since', async () => {
      const eve = people.eve.address;
      const address = fresh();
      const waiting = await ask(address, { request: people.sign('eve', 'register destination', address) });
      const other = await ask(fresh());
      const revoking = (name: 'ann' | 'eve') => ({
        idempotencyKey: freshKey(),
        institutionId: payee.id,
        address: eve,
        revocation: people.sign(name, 'revoke signatory', eve),
      });
      const { operator } = e2e();
      expect((await refused(operator.destinations.revokeSignatory(revoking('eve'))))?.reason).toBe('REVOKED_BY_ITSELF');
      const asked = revoking('ann');
      const revoked = await second.destinations.revokeSignatory(asked);
      expect(revoked).toMatchObject({ address: eve, institutionId: payee.id });
      expect(revoked.revokedAt).toBeDefined();
      expect(await second.destinations.revokeSignatory(asked)).toEqual(revoked);
      const { signatories } = await payee.api.destinations.listSignatories({ institutionId: payee.id });
      expect(signatories.map(({ revokedAt }) => revokedAt !== undefined)).toEqual([false, false, true]);
      expect(statusOf(await shown(waiting.destinationId))).toBe('REMOVED');
      expect((await refused(second.destinations.approveDestination(approval(waiting))))?.reason).toBe(
        'DESTINATION_STATUS',
      );
      const late = { ...approval(other), approval: people.sign('eve', 'approve destination', other.address) };
      expect((await refused(second.destinations.approveDestination(late)))?.reason).toBe('SIGNATORY_REVOKED');
      expect(statusOf(await second.destinations.approveDestination(approval(other)))).toBe('COOLING');
    });
  });

  describe('being paid there', () => {
    let payer: Bank;

    beforeAll(async () => {
      payer = await e2e().bank();
      await payer.fund({ wallet: [2_000_000n] });
    });

    /** Usable, and known to settlement. */
    async function active(address?: string): Promise<addressV1.Destination> {
      const { destinationId } = await listed(address);
      return until(
        'it has cooled',
        () => shown(destinationId),
        (now) => statusOf(now) === 'ACTIVE',
      );
    }
    const submit = (destinationId: string, over: Partial<Order> = {}) =>
      patientlyUsable(() =>
        payer.submit({ to: payee, amountSats: 100_000n, mode: 'BILATERAL', destinationId, ...over }),
      );

    it('takes the money out of the platform, to the satoshi', async () => {
      const { destinationId, address, script } = await active();
      const before = await payer.balance('wallet');
      const { settlementId } = await submit(destinationId);
      const { txid } = await payer.executing(settlementId);
      await e2e().outside.mine(3);
      const settled = await payer.settlement(settlementId, 'SETTLED');
      expect(settled).toMatchObject({ txid, destinationId, destinationAddress: address });
      expect(await e2e().outside.paidTo(txid, script)).toEqual([100_000n]);
      const { available } = await payer.balance('wallet');
      expect(available).toBe(before.available - 100_000n - settled.feeSats);
      expect(await payee.total()).toBe(0n);
      await expectInOrder(e2e());
    });

    it('is refused where the destination can’t be paid, each time for its reason', async () => {
      const [pending, cooling, gone] = [await ask(fresh()), await listed(), await listed()];
      await remove(gone);
      const other = await e2e().bank({ wallet: 'none' });
      const usable = await active();
      const reason = async (destinationId: string, over: Partial<Order> = {}): Promise<string | undefined> =>
        until(
          'settlement knows of the destination',
          async () =>
            (
              await refused(
                payer.submit({ to: payee, amountSats: 100_000n, mode: 'BILATERAL', destinationId, ...over }),
              )
            )?.reason,
          (found) => found !== 'UNKNOWN_DESTINATION' || destinationId === NOBODYS,
        );
      expect({
        pending: await reason(pending.destinationId),
        removed: await reason(gone.destinationId),
        unknown: await reason(NOBODYS),
        'of another bank': await reason(usable.destinationId, { to: other }),
        dust: await reason(usable.destinationId, { amountSats: 293n }),
        'nothing on-chain': await reason(usable.destinationId, { mode: 'CENTRALIZED' }),
      }).toEqual({
        pending: 'DESTINATION_PENDING',
        removed: 'DESTINATION_REMOVED',
        unknown: 'UNKNOWN_DESTINATION',
        'of another bank': 'DESTINATION_OF_OTHER_INSTITUTION',
        dust: 'INVALID_ARGUMENT',
        'nothing on-chain': 'INVALID_ARGUMENT',
      });
      expect(cooling.usableAt).toBeDefined();
    });

    it('is screened: refused where the address is on the blacklist, looked at where it is a mixer’s', async () => {
      const [sanctioned, mixer] = ['sanctioned', 'mixer'].map((word) => new RegtestWallet(word).address);
      const toSanctioned = await submit((await active(sanctioned)).destinationId);
      const toMixer = await submit((await active(mixer)).destinationId);
      const rejected = await payer.settlement(toSanctioned.settlementId, 'REJECTED');
      expect(rejected.reason).toContain(`blacklisted_destination +100: blacklisted: ${sanctioned} blacklist (own)`);
      const looked = await payer.settlement(toMixer.settlementId, 'UNDER_REVIEW');
      expect(looked.reason).toContain(
        `labelled_destination +40: labelled mixer, darknet, gambling, scam: ${mixer} mixer`,
      );
      const { factors } = await e2e().compliance.risk.getVerdict({ subjectId: toMixer.settlementId });
      const factor = factors.find(({ name }) => name === 'labelled_destination');
      expect(factor).toMatchObject({ points: 40, inputs: { address: mixer } });
      expect((await payer.balance('wallet')).reserved).toBe(0n);
    });

    it('fails, with nothing offered, where the destination is removed before', async () => {
      const destination = await active();
      const { settlementId } = await submit(destination.destinationId, { amountSats: 3_000_000n });
      await payer.settlement(settlementId, 'QUEUED');
      await remove(destination);
      await payer.fund({ wallet: [3_500_000n] });
      const failed = await payer.settlement(settlementId, 'FAILED');
      expect(lifeOf(failed)).toEqual(['RECEIVED', 'SCREENING', 'APPROVED', 'QUEUED', 'RESERVED', 'FAILED']);
      expect(failed).toMatchObject({
        txid: undefined,
        reason: 'the signer doesn’t pay it: DESTINATION_REMOVED',
      });
      expect((await payer.balance('wallet')).reserved).toBe(0n);
    });
  });

  it('leave everything in order', () => expectInOrder(e2e()));
}
