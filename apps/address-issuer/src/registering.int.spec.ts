import { addressV1, TOPICS } from '@finality/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IssuerRig, type Over, refusalBy, wrong } from './issuer-rig.fixture.ts';
import { foreignMultisig, foreignWallet, type ForeignWallet } from './neighbours.fixture.ts';

const { ScriptType } = addressV1;

let rig: IssuerRig;

beforeAll(async () => {
  rig = await IssuerRig.open();
});

afterAll(() => rig.close());

describe('the pool wallet', () => {
  it('is made once, and published', async () => {
    const again = await rig.start();
    await rig.drain(again);
    await again.close();
    const { wallets } = await rig.listWallets({ institutionId: 'platform', pageSize: 0, pageToken: '' }, 'operator');
    expect(wallets).toMatchObject([
      { walletId: 'pool', institutionId: 'platform', scriptType: ScriptType.SCRIPT_TYPE_WPKH },
    ]);
    const changes = (await rig.messages(TOPICS.wallet)).filter(({ ordering_key }) => ordering_key === 'pool');
    expect(changes.map(({ payload }) => addressV1.WalletChanged.decode(payload).wallet)).toEqual(wallets);
  });
});

describe('RegisterWallet', () => {
  it('gives a custodial wallet the signer’s keys, once per idempotency key', async () => {
    const request = { idempotencyKey: 'wallet-once', custodial: { scriptType: ScriptType.SCRIPT_TYPE_TR } };
    const wallet = await rig.register(request);
    expect(wallet.externalDescriptor).toMatch(/^tr\(\[[0-9a-f]{8}\/86h\/1h\/\d+h\]tpub/);
    expect(await rig.register(request)).toEqual(wallet);
    expect(await refusalBy(rig.register({ ...request, birthdayHeight: 5 }))).toContain('birthday_height');
  });

  it('takes an institution’s own keys as a pair, as one text, or as an extended key shown as a descriptor', async () => {
    const [first, second, third] = [foreignWallet(0), foreignWallet(1), foreignWallet(2, 'sh-wpkh')];
    const asPair = { external: first.external, internal: first.internal, scriptType: 0 };
    const pair = await rig.registerOwn(first, { descriptors: asPair });
    expect(pair).toMatchObject({ externalDescriptor: first.external, internalDescriptor: first.internal, kind: 2 });
    expect(await rig.registerOwn(second)).toMatchObject({ externalDescriptor: second.external });
    const asKey = { external: third.xpub, internal: '', scriptType: ScriptType.SCRIPT_TYPE_SH_WPKH };
    const nested = await rig.registerOwn(third, { descriptors: asKey });
    expect(nested.scriptType).toBe(ScriptType.SCRIPT_TYPE_SH_WPKH);
    expect(nested.externalDescriptor).toMatch(/^sh\(wpkh\(tpub\w+\/0\/\*\)\)#/);
  });

  it('takes wallets of several keys, which as many as spend have signed', async () => {
    const wallet = await rig.registerOwn(foreignMultisig(4));
    expect(wallet.scriptType).toBe(ScriptType.SCRIPT_TYPE_WSH_SORTEDMULTI);
  });

  it('lets nobody register scripts of another wallet, of whatever origin they are said to be', async () => {
    const own = foreignWallet(5);
    await rig.registerOwn(own);
    const stolen = (wallet: ForeignWallet): Promise<readonly string[]> =>
      refusalBy(rig.registerOwn(wallet, { caller: 'bank-b', institutionId: 'bank-b' }));
    const taken = ['KEYS_ALREADY_REGISTERED', 'descriptors'];
    expect(await stolen(own)).toEqual(taken);
    expect(await stolen({ ...own, text: `wpkh([00000000/1h]${own.xpub}/<0;1>/*)` })).toEqual(taken);
  });

  it('goes on where an absent signer left it, by asking again or by itself', async () => {
    rig.keys.isDown = true;
    const requests = [{ idempotencyKey: 'down-1' }, { idempotencyKey: 'down-2' }];
    for (const request of requests) expect(await refusalBy(rig.register(request))).toEqual(['SIGNER_UNAVAILABLE']);
    rig.keys.isDown = false;
    const resumed = await rig.register(requests[0]!);
    await rig.drain();
    const completed = await rig.register(requests[1]!);
    expect(resumed.walletId).not.toBe(completed.walletId);
    expect(await rig.register(requests[0]!)).toEqual(resumed);
  });

  const pair = foreignWallet(3);
  const xprv =
    'tprv8ZgxMBicQKsPd7Uf69XL1XwhmjHopUGep8GuEiJDZmbQz6o58LninorQAfcKZWARbtRtfnLcJ5MQ2AtHcQJCCRUcMRvmDUjyEmNUWwx8UbK';
  it.each<[string, Over<addressV1.RegisterWalletRequest>, readonly string[]]>([
    ['no keys', { custodial: undefined }, wrong('keys')],
    [
      'a script type that the signer has no wallets of',
      { custodial: { scriptType: ScriptType.SCRIPT_TYPE_PKH } },
      wrong('custodial.script_type'),
    ],
    ['an unknown script type', { custodial: { scriptType: ScriptType.UNRECOGNIZED } }, wrong('custodial.script_type')],
    [
      'a descriptor of another network',
      { descriptors: { external: pair.text.replace('tpub', 'xpub').replace(/#.*/, ''), internal: '', scriptType: 0 } },
      wrong('descriptors.external'),
    ],
    [
      'a wrong checksum',
      {
        descriptors: {
          external: `${pair.text.slice(0, -1)}${pair.text.endsWith('q') ? 'p' : 'q'}`,
          internal: '',
          scriptType: 0,
        },
      },
      wrong('descriptors.external'),
    ],
    [
      'a private key',
      { descriptors: { external: `wpkh(${xprv}/<0;1>/*)`, internal: '', scriptType: 0 } },
      wrong('descriptors.external'),
    ],
    [
      'one branch only',
      { descriptors: { external: pair.external, internal: '', scriptType: 0 } },
      wrong('descriptors.external'),
    ],
    [
      'branches of two keys',
      { descriptors: { external: pair.external, internal: foreignWallet(4).internal, scriptType: 0 } },
      wrong('descriptors.internal'),
    ],
    [
      'a type with a descriptor',
      { descriptors: { external: pair.text, internal: '', scriptType: 1 } },
      wrong('descriptors.script_type'),
    ],
    [
      'a key without a type',
      { descriptors: { external: pair.xpub, internal: '', scriptType: 0 } },
      wrong('descriptors.script_type'),
    ],
    [
      'a type unknown',
      { descriptors: { external: pair.xpub, internal: '', scriptType: -1 } },
      wrong('descriptors.script_type'),
    ],
    [
      'one cosigner’s key',
      { descriptors: { external: pair.xpub, internal: '', scriptType: 5 } },
      wrong('descriptors.external'),
    ],
    [
      'descriptors without proof',
      { descriptors: { external: pair.text, internal: '', scriptType: 0 }, proof: undefined },
      ['INVALID_ARGUMENT', 'proof.challenge_id', 'proof.signature'],
    ],
    [
      'proof of keys that are the signer’s',
      { custodial: { scriptType: 0 }, proof: { challengeId: 'c', signature: 'smp' } },
      wrong('proof'),
    ],
    ['an empty idempotency key', { idempotencyKey: '' }, wrong('idempotency_key')],
    ['an over-long idempotency key', { idempotencyKey: 'x'.repeat(129) }, wrong('idempotency_key')],
    ['a negative birthday', { birthdayHeight: -1 }, wrong('birthday_height')],
    ['another institution', { institutionId: 'bank-b' }, ['FOREIGN_INSTITUTION']],
    [
      'an unknown institution',
      { institutionId: 'bank-x', caller: 'operator' },
      ['UNKNOWN_INSTITUTION', 'institution_id'],
    ],
    ['an auditor', { caller: 'auditor' }, ['ROLE_REQUIRED']],
  ])('refuses %s', async (_what, over, refused) => {
    const proof = over.descriptors && { challengeId: 'c', signature: 'smp' };
    expect(await refusalBy(rig.register({ ...(proof && { proof }), ...over }))).toEqual(refused);
  });
});

describe('proof of control', () => {
  const pairOf = (wallet: ForeignWallet): addressV1.DescriptorPair => ({
    external: wallet.text,
    internal: '',
    scriptType: 0,
  });

  it('is asked for by a message that says who, what for, whose, which wallet and until when', async () => {
    const wallet = foreignWallet(20);
    const request = { idempotencyKey: 'challenge-once', descriptors: pairOf(wallet) };
    const challenge = await rig.challenge(request);
    expect(await rig.challenge(request)).toEqual(challenge);
    expect(challenge.descriptor).toBe(wallet.text);
    expect(challenge.message).toMatch(
      /^finality asks .*register wallet; institution: bank-a; network: regtest; .*nonce: [0-9a-f]{32}; valid until: \d+/,
    );
    expect(challenge.message).toContain(challenge.address);
    expect((await rig.challenge({ descriptors: pairOf(wallet) })).message).not.toBe(challenge.message);
  });

  it('is good once, and refused as another message’s, wallet’s or institution’s, or by other keys', async () => {
    const [wallet, other] = [foreignWallet(21), foreignWallet(22)];
    const descriptors = pairOf(wallet);
    const { challengeId, message } = await rig.challenge({ descriptors });
    const proof = { challengeId, signature: wallet.sign(message) };
    const refused = async (over: Over<addressV1.RegisterWalletRequest>): Promise<readonly string[]> =>
      refusalBy(rig.register({ descriptors, proof, ...over }));
    for (const signature of [wallet.sign(`${message} `), other.sign(message), 'smpAA==', 'nonsense'])
      expect(await refused({ proof: { challengeId, signature } })).toEqual(['PROOF_INVALID', 'proof.signature']);
    expect(await refused({ proof: { ...proof, challengeId: 'none' } })).toEqual([
      'UNKNOWN_CHALLENGE',
      'proof.challenge_id',
    ]);
    expect(await refused({ caller: 'bank-b', institutionId: 'bank-b' })).toEqual([
      'UNKNOWN_CHALLENGE',
      'proof.challenge_id',
    ]);
    const otherOrigin = { ...descriptors, external: `wpkh([00000000/1h]${wallet.xpub}/<0;1>/*)` };
    expect(await refused({ descriptors: otherOrigin })).toEqual(['CHALLENGE_DIFFERS', 'proof.challenge_id']);
    const request = { idempotencyKey: 'proven', descriptors, proof };
    const registered = await rig.register(request);
    expect(await rig.register(request)).toEqual(registered);
    expect(await refused({})).toEqual(['CHALLENGE_ANSWERED', 'proof.challenge_id']);
  });

  it('is refused when it comes too late', async () => {
    const wallet = foreignWallet(23);
    const descriptors = pairOf(wallet);
    const { challengeId, message, expiresAt } = await rig.challenge({ descriptors });
    expect(expiresAt).toBeDefined();
    rig.runtime.lateMs = 86_400_000;
    const late = refusalBy(rig.register({ descriptors, proof: { challengeId, signature: wallet.sign(message) } }));
    expect(await late).toEqual(['CHALLENGE_EXPIRED', 'proof.challenge_id']);
    rig.runtime.lateMs = 0;
  });

  it.each<[string, Over<addressV1.RequestWalletChallengeRequest>, readonly string[]]>([
    ['nothing', {}, wrong('descriptors.external')],
    [
      'a wrong descriptor',
      { descriptors: { external: 'wpkh()', internal: '', scriptType: 0 } },
      wrong('descriptors.external'),
    ],
    [
      'another institution',
      { institutionId: 'bank-b', descriptors: pairOf(foreignWallet(24)) },
      ['FOREIGN_INSTITUTION'],
    ],
    ['an auditor', { caller: 'auditor', descriptors: pairOf(foreignWallet(24)) }, ['ROLE_REQUIRED']],
    [
      'an unknown institution',
      { caller: 'operator', institutionId: 'bank-x', descriptors: pairOf(foreignWallet(24)) },
      ['UNKNOWN_INSTITUTION', 'institution_id'],
    ],
  ])('isn’t asked for %s', async (_what, over, refused) => {
    expect(await refusalBy(rig.challenge(over))).toEqual(refused);
  });
});
