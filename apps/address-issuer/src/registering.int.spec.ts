import { addressV1, TOPICS } from '@finality/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IssuerRig, type Over, refusalBy, wrong } from './issuer-rig.fixture.ts';
import { foreignDescriptor } from './neighbours.fixture.ts';

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

  it('takes an institution’s own keys as a pair or as one text', async () => {
    const [first, second] = [foreignDescriptor(0), foreignDescriptor(1)];
    const pair = await rig.register({
      descriptors: { external: first.external, internal: first.internal, scriptType: 0 },
    });
    expect(pair).toMatchObject({ externalDescriptor: first.external, internalDescriptor: first.internal, kind: 2 });
    expect(await rig.register({ descriptors: { external: second.text, internal: '', scriptType: 0 } })).toMatchObject({
      externalDescriptor: second.external,
    });
  });

  it('takes an extended public key, and shows it as a descriptor', async () => {
    const { xpub } = foreignDescriptor(5);
    const key = (scriptType: addressV1.ScriptType): Over<addressV1.RegisterWalletRequest> => ({
      descriptors: { external: xpub, internal: '', scriptType },
    });
    const nested = await rig.register(key(ScriptType.SCRIPT_TYPE_SH_WPKH));
    expect(nested.scriptType).toBe(ScriptType.SCRIPT_TYPE_SH_WPKH);
    expect(nested.externalDescriptor).toMatch(/^sh\(wpkh\(tpub\w+\/0\/\*\)\)#/);
    const untold = rig.register(key(ScriptType.SCRIPT_TYPE_UNSPECIFIED));
    expect(await refusalBy(untold)).toEqual(wrong('descriptors.script_type'));
    expect(await refusalBy(rig.register(key(ScriptType.UNRECOGNIZED)))).toEqual(wrong('descriptors.script_type'));
    expect(await refusalBy(rig.register(key(ScriptType.SCRIPT_TYPE_WSH_SORTEDMULTI)))).toEqual(
      wrong('descriptors.external'),
    );
    const told = { external: foreignDescriptor(6).text, internal: '', scriptType: ScriptType.SCRIPT_TYPE_WPKH };
    expect(await refusalBy(rig.register({ descriptors: told }))).toEqual(wrong('descriptors.script_type'));
  });

  it('follows wallets of several keys', async () => {
    const [first, second] = [foreignDescriptor(7).xpub, foreignDescriptor(8).xpub];
    const external = `wsh(sortedmulti(2,${first}/<0;1>/*,${second}/<0;1>/*))`;
    const wallet = await rig.register({ descriptors: { external, internal: '', scriptType: 0 } });
    expect(wallet.scriptType).toBe(ScriptType.SCRIPT_TYPE_WSH_SORTEDMULTI);
    const reordered = `wsh(sortedmulti(2,${second}/<0;1>/*,${first}/<0;1>/*))`;
    const stolen = { external: reordered, internal: '', scriptType: 0 };
    const theft = rig.register({ caller: 'bank-b', institutionId: 'bank-b', descriptors: stolen });
    expect(await refusalBy(theft)).toEqual(['KEYS_ALREADY_REGISTERED', 'descriptors']);
  });

  it('lets nobody register scripts of another wallet, of whatever origin they are said to be', async () => {
    const own = foreignDescriptor(2);
    await rig.register({ descriptors: { external: own.text, internal: '', scriptType: 0 } });
    const stolen = (text: string): Promise<readonly string[]> =>
      refusalBy(
        rig.register({
          caller: 'bank-b',
          institutionId: 'bank-b',
          descriptors: { external: text, internal: '', scriptType: 0 },
        }),
      );
    expect(await stolen(own.text)).toEqual(['KEYS_ALREADY_REGISTERED', 'descriptors']);
    expect(await stolen(`wpkh([00000000/1h]${own.xpub}/<0;1>/*)`)).toEqual(['KEYS_ALREADY_REGISTERED', 'descriptors']);
    const custodial = await rig.register();
    expect(await stolen(custodial.externalDescriptor.replace(/\/0\/\*\)#.*$/, '/<0;1>/*)'))).toEqual([
      'KEYS_ALREADY_REGISTERED',
      'descriptors',
    ]);
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

  const pair = foreignDescriptor(3);
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
      { descriptors: { external: pair.external, internal: foreignDescriptor(4).internal, scriptType: 0 } },
      wrong('descriptors.internal'),
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
    expect(await refusalBy(rig.register(over))).toEqual(refused);
  });
});
