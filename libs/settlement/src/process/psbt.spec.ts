import { preparePsbt } from '@finality/bitcoin';
import { sats, unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { latest, offered, versionToSign } from '../lineage.ts';
import { psbtPlanOf } from '../psbt.ts';
import { confirmationsRequired } from '../settlement.ts';
import {
  approved,
  arrive,
  assigned,
  balance,
  depositOf,
  empty,
  funded,
  given,
  givenUnder,
  lastOf,
  lineageOf,
  mined,
  reorged,
  settlementOf,
  submitted,
  WALLET_A,
} from '../spec/given.fixture.ts';
import { POLICY } from '../spec/memory-book.fixture.ts';
import { walletCalled } from '../spec/parties.fixture.ts';
import { type World } from '../spec/world.fixture.ts';

const WALLET_D = { kind: 'wallet', walletId: 'w-d' } as const;
const MODES = ['bilateral', 'blockchain'] as const;

const awaiting = (mode: (typeof MODES)[number] = 'blockchain') => [
  funded('d', 'wallet', 50_000n),
  submitted(mode, 20_000n, 'd', 'a'),
  approved,
  assigned,
];
const prepared = (world: World): unknown => world.prepare(lastOf(world));
const cosigned =
  (version: number, whole = true) =>
  (world: World): unknown =>
    world.cosign(lastOf(world), lastOf(world), version, whole);
const broadcast = (world: World): void => {
  world.ownersSign(lastOf(world), latest(offered(lineageOf(world))).version);
  world.broadcast(lastOf(world));
};
const bumped = (world: World): unknown => world.bump(lastOf(world), 10_000n);
const nextAssigned = (world: World): void => {
  const lineage = offered(lineageOf(world));
  world.assign(lineage.next!, false);
};
/** The owner of d's wallet spends a coin of it, the first or that of a deposit, with a change of his own. */
const spent =
  (change = 0n, outpointOf = (world: World) => world.book.coins.ofWallet('w-d')[0]!.outpoint) =>
  (world: World): void => {
    const outputs = [{ script: world.elsewhere(), valueSats: 1_000n }];
    const own = change === 0n ? [] : [{ script: world.place('w-d', 'd', 'change').script, valueSats: change }];
    world.mine(() => false, [world.pay([outpointOf(world)], [...outputs, ...own])]);
  };

describe('a payer who signs for himself', () => {
  it.each(MODES)('%s: coins are reserved, and nothing is offered until he asks for it', (mode) => {
    given(funded('d', 'wallet', 50_000n), submitted(mode, 20_000n, 'd', 'a'))
      .when(approved, assigned)
      .then(
        's-1 risk_assessed',
        's-1 aml_assessed',
        's-1 settlement_approved',
        'lineage/s-1 lineage_planned',
        's-1 liquidity_reserved',
        'lineage/s-1 destinations_assigned',
        's-1 signature_awaited',
      );
  });

  it('is handed what he is to sign, committed to before; again, the same', () => {
    const world = given(...awaiting())
      .when(prepared)
      .then('lineage/s-1 version_offered', 's-1 psbt_handed_out');
    const settlement = settlementOf(world);
    expect(settlement.status).toBe('awaiting_signature');
    expect(balance(world, WALLET_D)).toMatchObject({
      inFlight: 20_000n + offered(lineageOf(world)).versions[0]!.feeSats,
    });
    expect(world.book.timers.size).toBe(0);
    const version = versionToSign(offered(lineageOf(world)))!;
    const { unsigned, txid } = unwrap(preparePsbt(psbtPlanOf(version, walletCalled('w-d').descriptor!)));
    expect([unsigned, txid]).toEqual([version.unsignedHex, version.txid]);
    const before = world.book.log.length;
    expect(world.prepare(lastOf(world))).toBeUndefined();
    expect(world.book.log.length).toBe(before);
  });

  it.each(['cancel', 'expire'] as const)('%s: possible until it is handed out', (how) => {
    given(...awaiting())
      .when((world) => world.withdraw(lastOf(world), how))
      .then('lineage/s-1 lineage_abandoned', how === 'cancel' ? 's-1 settlement_cancelled' : 's-1 settlement_expired');
  });

  it('once handed out, doesn’t expire; cancelled, it is handed a transaction that pays nobody but himself', () => {
    given(...awaiting(), prepared)
      .when((world) => world.withdraw('s-1', 'expire'))
      .then();
    const world = given(...awaiting(), prepared)
      .when((each: World) => each.withdraw('s-1', 'cancel'), nextAssigned, prepared, cosigned(2))
      .then(
        'lineage/s-1 version_planned',
        's-1 cancellation_requested',
        'lineage/s-1 destinations_assigned',
        'lineage/s-1 version_offered',
        'lineage/s-1 signatures_collected',
        'lineage/s-1 version_signed',
      );
    broadcast(world);
    mined(6)(world);
    expect(settlementOf(world).status).toBe('cancelled');
    const [, second] = offered(lineageOf(world)).versions;
    expect(second!.payouts).toEqual([]);
    expect(balance(world, WALLET_D)).toEqual({ available: 50_000n - second!.feeSats });
  });

  it('cancelled after it was handed out, is paid all the same if that is what he signs', () => {
    const world = given(...awaiting(), prepared, (each: World) => each.withdraw('s-1', 'cancel')).when(
      (each: World) => each.ownersSign('s-1', 1),
      (each: World) => each.broadcast('s-1'),
      mined(6),
    ).world;
    expect(settlementOf(world).status).toBe('settled');
  });

  it('gives signatures back one by one; with the last it executes', () => {
    const world = given(...awaiting(), prepared)
      .when(cosigned(1, false), cosigned(1))
      .then(
        'lineage/s-1 signatures_collected',
        'lineage/s-1 signatures_collected',
        'lineage/s-1 version_signed',
        's-1 payout_signed',
      );
    expect(offered(lineageOf(world)).versions[0]!.signatures).toMatchObject({ missing: 0, revision: 2 });
    broadcast(world);
    mined(6)(world);
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, WALLET_A)).toEqual({ available: 20_000n });
    const { feeSats } = offered(lineageOf(world)).versions[0]!;
    expect(balance(world, WALLET_D)).toEqual({ available: 30_000n - feeSats });
    expect(world.cosign('s-1', 's-1', 1, true)).toBeUndefined();
  });

  it('is told when others have signed meanwhile, and changes nothing of what is signed', () => {
    const added = { version: 1, after: 0, psbt: 'theirs', missing: 1 };
    const caller = { keyId: 'k', roles: ['institution'] } as const;
    const command = { type: 'add_signatures', settlementId: 's-1', added, caller } as const;
    given(...awaiting(), prepared, cosigned(1, false))
      .when(command)
      .refused('PSBT_CHANGED');
    given(...awaiting(), prepared, cosigned(1))
      .when(command)
      .then();
  });

  it('may broadcast it himself, without telling us', () => {
    given(...awaiting(), prepared)
      .when(broadcast)
      .then('lineage/s-1 version_broadcast', 's-1 payout_signed');
    const world = given(...awaiting(), prepared)
      .when((each: World) => {
        each.ownersSign('s-1', 1);
        each.mine(() => false, [[...each.chain.known.values()].at(-1)!]);
      })
      .then('s-1 payout_signed', 'lineage/s-1 version_confirmed', 's-1 payout_confirmed', 'tip block_connected');
    expect(
      settlementOf(world)
        .transitions.map(({ status }) => status)
        .slice(-3),
    ).toEqual(['awaiting_signature', 'executing', 'confirming']);
  });

  it.each([
    ['of a custodial wallet', [funded('a', 'wallet', 50_000n), submitted('blockchain', 20_000n), approved, assigned]],
    ['that isn’t approved', [funded('d', 'wallet', 50_000n), submitted('blockchain', 20_000n, 'd', 'a')]],
    ['that is signed', [...awaiting(), prepared, cosigned(1)]],
  ])('is handed nothing for a settlement %s', (_what, history) => {
    given(...history)
      .when(prepared)
      .refused('NOT_AWAITING_SIGNATURE');
  });

  it('is handed nothing while an operator has to look at something', () => {
    given(funded('a', 'wallet', 9_000n), ...awaiting(), (world: World) =>
      world.chain.accept(world.pay([world.book.coins.ofWallet('w-a')[0]!.outpoint], [])),
    )
      .when((world: World) => {
        world.poll(false);
        return world.prepare(lastOf(world));
      })
      .then('tip incident_opened');
  });
});

describe('a dearer version', () => {
  it('is another PSBT; the older one stays possible', () => {
    const world = given(...awaiting(), prepared, bumped, nextAssigned)
      .when(prepared)
      .then('lineage/s-1 version_offered', 's-1 payout_replaced');
    const [first, second] = offered(lineageOf(world)).versions;
    expect(second!.feeSats).toBeGreaterThan(first!.feeSats);
    expect(settlementOf(world)).toMatchObject({ status: 'awaiting_signature', payout: { txid: second!.txid } });
    world.ownersSign('s-1', 1);
    world.broadcast('s-1');
    mined(6)(world);
    expect(settlementOf(world)).toMatchObject({ status: 'settled', payout: { txid: first!.txid } });
    expect(balance(world, WALLET_D)).toEqual({ available: 30_000n - first!.feeSats });
  });

  it('of what executes doesn’t take the place of the signed one before it is signed itself', () => {
    const world = given(...awaiting(), prepared, cosigned(1), bumped, nextAssigned).when(prepared).world;
    const [first, second] = offered(lineageOf(world)).versions;
    expect(settlementOf(world)).toMatchObject({
      status: 'executing',
      payout: { txid: first!.txid, heldSats: second!.feeSats },
    });
    expect(world.cosign('s-1', 's-1', 2, true)).toBeUndefined();
    expect(settlementOf(world)).toMatchObject({ status: 'executing', payout: { txid: second!.txid } });
    expect(world.prepare('s-1')).toBe('NOT_AWAITING_SIGNATURE');
  });

  it('waits for its addresses, and comes on request only', () => {
    given(...awaiting(), prepared, bumped)
      .when(prepared)
      .refused('PSBT_NOT_READY');
    const world = given(...awaiting(), prepared).when(empty(1_010)).world;
    expect(offered(lineageOf(world)).next).toBeUndefined();
  });
});

describe('a wallet’s owner spends its coins himself', () => {
  it('which is nobody’s business: no incident, what is his is less', () => {
    const world = given(funded('d', 'wallet', 50_000n)).when(spent(40_000n)).world;
    expect(world.book.tip.get().incidents).toEqual([]);
    expect(balance(world, WALLET_D)).toEqual({ incoming: 40_000n });
    mined(3)(world);
    expect(balance(world, WALLET_D)).toEqual({ available: 40_000n });
    expect(world.book.institutions.get('d').status).toBe('active');
  });

  it('before they are final; a reorg gives them back', () => {
    const world = given((each) => void arrive(each, 'd', 'wallet', 50_000n), mined(1)).when(spent()).world;
    expect(balance(world, WALLET_D)).toEqual({ available: -50_000n, incoming: 50_000n });
    reorged(1)(world);
    expect(balance(world, WALLET_D)).toEqual({ incoming: 50_000n });
    empty(4)(world);
    expect(balance(world, WALLET_D)).toEqual({ available: 50_000n });
  });

  it('that were reserved: nothing was handed out, so it waits for others and is paid from them', () => {
    const world = given(...awaiting())
      .when(spent())
      .then('tip coin_taken', 'lineage/s-1 lineage_abandoned', 's-1 liquidity_awaited', 'tip block_connected');
    expect(settlementOf(world).status).toBe('queued');
    funded('d', 'wallet', 60_000n)(world);
    world.withdraw('s-1', 'retry_reservation');
    assigned(world);
    expect(world.prepare('s-1')).toBeUndefined();
    expect(world.cosign('s-1', 's-1', 1, true)).toBeUndefined();
    broadcast(world);
    mined(6)(world);
    expect(settlementOf(world).status).toBe('settled');
    const { feeSats } = offered(lineageOf(world)).versions[0]!;
    expect(balance(world, WALLET_D)).toEqual({ available: 40_000n - feeSats });
  });

  it('after it was handed out: it fails once that is final, and not before', () => {
    const world = given(...awaiting(), prepared, spent()).when(empty(4)).world;
    expect(settlementOf(world).status).toBe('awaiting_signature');
    empty(1)(world);
    expect(settlementOf(world).status).toBe('failed');
    expect(world.prepare('s-1')).toBe('NOT_AWAITING_SIGNATURE');
    expect(balance(world, WALLET_D)).toEqual({});
  });
});

describe('what comes to a wallet that signs for itself', () => {
  it.each([
    ['an address that nobody issued', 'wallet', 5_000n],
    ['its change', 'change', 5_000n],
    ['an address, as dust', 'wallet', 100n],
  ] as const)('to %s is its owner’s, and never clearing’s, whatever screening says', (_what, purpose, valueSats) => {
    const world = given().when((each: World) => {
      const { script } = each.place('w-d', 'd', purpose);
      each.chain.accept(each.pay([each.chain.root()], [{ script, valueSats }]));
      each.poll(false);
      each.screen('deposit', depositOf(each).terms.outpoint, 'aml', 'reject');
      mined(3)(each);
    }).world;
    expect(depositOf(world)).toMatchObject({
      status: 'credited',
      beneficiary: { institutionId: 'd', claim: WALLET_D },
    });
    expect(balance(world, WALLET_D)).toEqual({ available: valueSats });
    expect(balance(world, { kind: 'clearing', institutionId: 'd' })).toEqual({});
  });

  it('of what its owner passes on remembers what that was funded from', () => {
    const world = given(funded('d', 'wallet', 50_000n)).when(spent(40_000n)).world;
    expect(depositOf(world, 1).terms.sources).toEqual(depositOf(world).terms.sources);
  });

  it('in a settlement is credited to it', () => {
    const world = given(funded('d2', 'wallet', 50_000n), submitted('bilateral', 20_000n, 'd2', 'd')).when(
      approved,
      assigned,
      prepared,
      cosigned(1),
      broadcast,
      mined(3),
    ).world;
    expect(settlementOf(world).status).toBe('settled');
    expect(balance(world, WALLET_D)).toEqual({ available: 20_000n });
    spent()(world);
    expect(balance(world, WALLET_D)).toEqual({});
  });
});

describe('wallets of one institution', () => {
  const legacy = { ...walletCalled('w-d'), walletId: 'w-e', institutionId: 'e', scriptType: 'pkh' } as const;
  const named = (world: World): void => {
    world.tell({ type: 'create_institution', institution: { institutionId: 'e', name: 'e', creditLineSats: 0n } });
    world.tell({ type: 'wallet_changed', wallet: legacy });
  };
  const asked = (from: string, to: string, amountSats: bigint) =>
    ({
      type: 'submit',
      submission: {
        settlementId: 's-9',
        from,
        to,
        amountSats: sats(amountSats),
        mode: 'bilateral',
        feeBearer: 'payer',
        referenceId: '',
        idempotencyKey: 's-9',
        submittedBy: 'k',
      },
    }) as const;

  it('legacy: can be paid, above its own dust limit, and can’t pay', () => {
    given(named)
      .when(asked('e', 'a', 1_000n))
      .refused('NO_WALLET');
    given(named)
      .when(asked('d', 'e', 545n))
      .refused('INVALID_ARGUMENT');
    given(named)
      .when(asked('d', 'e', 546n))
      .then('s-9 settlement_received', 's-9 screening_requested');
  });

  const two = (world: World): void => {
    const own = { ...walletCalled('w-d'), walletId: 'w-a-own', institutionId: 'a' };
    world.tell({ type: 'wallet_changed', wallet: own });
  };

  it('the custodial one comes first, unless the payer wants another of his', () => {
    const world = given(two).when(asked('d', 'a', 1_000n)).world;
    expect(settlementOf(world, 's-9').terms).toMatchObject({ payer: WALLET_D, payee: WALLET_A });
    const from = (payerWalletId: string) => {
      const command = asked('a', 'd', 1_000n);
      return { ...command, submission: { ...command.submission, payerWalletId } };
    };
    const other = given(two).when(from('w-a-own')).world;
    expect(settlementOf(other, 's-9').terms.payer).toEqual({ kind: 'wallet', walletId: 'w-a-own' });
    given(two).when(from('w-b')).refused('UNKNOWN_WALLET');
  });

  it('are not paid by the signer, which doesn’t know them', () => {
    given()
      .when(asked('a', 'd', 1_000n))
      .refused('PAYEE_NOT_PAYABLE');
  });

  it('need more confirmations where somebody else signs', () => {
    const policy = { ...POLICY, confirmations: { ...POLICY.confirmations, foreignInputs: 2 } };
    const required = (from: string): number =>
      confirmationsRequired(settlementOf(givenUnder(policy).when(asked(from, 'b', 1_000n)).world, 's-9'));
    expect([required('a'), required('d')]).toEqual([3, 5]);
  });
});
