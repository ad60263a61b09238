import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { addressOf, dustLimitSats, parseAddress, scriptTypeOf } from './address.ts';
import { parseScriptHex, type ScriptHex } from './ids.ts';
import type { Network } from './network.ts';
import bip350 from './vectors/bip350.json' with { type: 'json' };

const networkOf = (address: string): Network => (address.toLowerCase().startsWith('tb') ? 'signet' : 'mainnet');

describe('addresses', () => {
  it.each(bip350.valid)('BIP350 valid: $address', ({ address, script }) => {
    const network = networkOf(address);
    expect(unwrap(parseAddress(address, network))).toBe(script);
    expect(addressOf(unwrap(parseScriptHex(script)), network)).toBe(address.toLowerCase());
  });

  it.each(bip350.invalid)('BIP350 invalid: $address ($why)', ({ address }) => {
    expect(parseAddress(address, networkOf(address))).toMatchObject({
      ok: false,
      error: { reason: 'INVALID_ADDRESS' },
    });
  });

  it.each<[Network, string, string, string]>([
    ['mainnet', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', '76a91477bff20c60e522dfaa3350c39b030a5d004e839a88ac', 'p2pkh'],
    ['mainnet', '3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy', 'a914b472a266d0bd89c13706a4132ccfb16f7c3b9fcb87', 'p2sh'],
    ['regtest', 'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', '76a914243f1394f44554f4ce3fd68649c19adc483ce92488ac', 'p2pkh'],
    ['testnet4', '2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc', 'a9144e9f39ca4688ff102128ea4ccda34105324305b087', 'p2sh'],
    [
      'regtest',
      'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080',
      '0014751e76e8199196d454941c45d1b3a323f1433bd6',
      'p2wpkh',
    ],
    ['mainnet', 'bc1pfeessrawgf', '51024e73', 'anchor'],
  ])('%s: %s', (network, address, script, type) => {
    expect(unwrap(parseAddress(address, network))).toBe(script);
    expect(addressOf(script as ScriptHex, network)).toBe(address);
    expect(scriptTypeOf(script as ScriptHex)).toBe(type);
  });

  it('tells another network from no address at all', () => {
    const refused = parseAddress('bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'regtest');
    expect(refused).toMatchObject({ ok: false, error: { reason: 'WRONG_NETWORK' } });
    expect(parseAddress('mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn', 'mainnet')).toMatchObject({
      error: { reason: 'WRONG_NETWORK' },
    });
    for (const text of ['', ' ', 'bc1', 'x'.repeat(10_000), 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4 ']) {
      expect(parseAddress(text, 'mainnet')).toMatchObject({ ok: false, error: { reason: 'INVALID_ADDRESS' } });
    }
  });

  it('gives no address to scripts that have none', () => {
    expect(addressOf('6a0548656c6c6f' as ScriptHex, 'mainnet')).toBeUndefined();
    expect(scriptTypeOf('6a0548656c6c6f' as ScriptHex)).toBe('nulldata');
    expect(scriptTypeOf('0015751e76e8199196d454941c45d1b3a323f1433bd6' as ScriptHex)).toBe('nonstandard');
  });

  it.each([
    ['p2pkh', `76a914${'00'.repeat(20)}88ac`, 546n],
    ['p2sh', `a914${'00'.repeat(20)}87`, 540n],
    ['p2wpkh', `0014${'00'.repeat(20)}`, 294n],
    ['p2wsh', `0020${'00'.repeat(32)}`, 330n],
    ['p2tr', `5120${'00'.repeat(32)}`, 330n],
    ['nulldata', '6a00', 0n],
  ])('dust limit of %s', (type, script, limit) => {
    expect(scriptTypeOf(script as ScriptHex)).toBe(type);
    expect(dustLimitSats(script as ScriptHex)).toBe(limit);
  });
});
