import {
  buildPayoutTransaction,
  MasterKey,
  outpointKey,
  parseAddress,
  parseOutpointKey,
  parseTransaction,
  type ParsedTransaction,
  signTransaction,
} from '@finality/bitcoin';
import { assert, type Sats, unwrap } from '@finality/kernel';
import { createPool, silentLog, systemRuntime } from '@finality/service';
import { openSeed } from '@finality/signer-app';
import type { Bank } from './bank.fixture.ts';
import type { E2e } from './e2e.fixture.ts';

/** More than any payout of ours offers. */
const FEE_SATS = 30_000n;

/**
 * A transaction that none of us made, spending a coin of an institution's wallet to the outside: signed with the signer's own seed, as
 * somebody would who had got hold of it. Sent when this resolves, in the place of whatever spent that coin in the mempool.
 */
export async function steal(e2e: E2e, bank: Bank, outpoint: string): Promise<ParsedTransaction> {
  const deposit = (await bank.deposits()).find((each) => each.outpoint === outpoint);
  assert(deposit, `${outpoint} is a deposit of ${bank.id}`);
  const { addresses } = await bank.api.addresses.listAddresses({
    institutionId: bank.id,
    pageSize: 1_000,
    pageToken: '',
    label: '',
    externalId: '',
    walletId: '',
  });
  const place = addresses.find(({ address }) => address === deposit.address);
  assert(place, `${deposit.address} is an address of ${bank.id}`);
  const valueSats = deposit.valueSats as Sats;
  const prevout = { valueSats, script: unwrap(parseAddress(deposit.address, 'regtest')) };
  const { unsigned } = buildPayoutTransaction({
    inputs: [{ outpoint: unwrap(parseOutpointKey(outpoint)), ...prevout }],
    outputs: [
      { script: unwrap(parseAddress(e2e.outside.address, 'regtest')), valueSats: (valueSats - FEE_SATS) as Sats },
    ],
    locktime: await e2e.outside.height(),
  });
  const account = await accountKey(e2e, bank);
  const signed = signTransaction({ unsigned, prevouts: [prevout], keyFor: () => account.signingKey(0, place.index) });
  const transaction = unwrap(parseTransaction(unwrap(signed).raw));
  assert(outpointKey(transaction.inputs[0]!.outpoint) === outpoint, 'it spends that coin');
  await e2e.outside.send(transaction);
  return transaction;
}

async function accountKey({ platform, signer }: E2e, { wallet }: Bank): ReturnType<typeof keyOf> {
  const pool = createPool(platform.databaseUrl('signer'), { applicationName: 'thief', log: silentLog });
  const seed = await openSeed({ pool, config: signer, runtime: systemRuntime() });
  await pool.end();
  return keyOf(seed, wallet?.externalDescriptor ?? '');
}

/** The account that a descriptor's origin names: `wpkh([<fingerprint>/84h/1h/3h]…`. */
async function keyOf(seed: Uint8Array, descriptor: string) {
  const [, purpose, account] = /\[[0-9a-f]{8}\/(84|86)h\/1h\/(\d+)h\]/.exec(descriptor) ?? [];
  assert(purpose !== undefined && account !== undefined, `${descriptor} says where its key comes from`);
  return new MasterKey(seed, 'regtest').account(purpose === '84' ? 'wpkh' : 'tr', Number(account));
}
