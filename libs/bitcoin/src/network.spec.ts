import { unwrap } from '@finality/kernel';
import { describe, expect, it } from 'vitest';
import { checkBlock, targetOf } from './block.ts';
import type { BlockHash } from './ids.ts';
import { type Network, networkByGenesis, networkParams, NETWORKS } from './network.ts';

const NULL_HASH = '00'.repeat(32) as BlockHash;
const TIMES = 'The Times 03/Jan/2009 Chancellor on brink of second bailout for banks';
const SATOSHIS_KEY =
  '04678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5f';

/** What a network's first block is made of (Bitcoin Core's chainparams). */
const GENESIS: {
  readonly [N in Network]: { time: number; bits: number; nonce: number; message: string; key: string };
} = {
  mainnet: { time: 1231006505, bits: 0x1d00ffff, nonce: 2083236893, message: TIMES, key: SATOSHIS_KEY },
  signet: { time: 1598918400, bits: 0x1e0377ae, nonce: 52613770, message: TIMES, key: SATOSHIS_KEY },
  regtest: { time: 1296688602, bits: 0x207fffff, nonce: 2, message: TIMES, key: SATOSHIS_KEY },
  testnet4: {
    time: 1714777860,
    bits: 0x1d00ffff,
    nonce: 393743547,
    message: '03/May/2024 000000000000000000001ebd58c244970b3aa9d783bb001011fbe8ea8e98e00e',
    key: '00'.repeat(33),
  },
};

const MERKLE_ROOT: { readonly [N in Network]: string } = {
  mainnet: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
  signet: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
  regtest: '4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b',
  testnet4: '7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e',
};

describe('networks', () => {
  it.each(NETWORKS)('%s begins with the block whose hash identifies it', (network) => {
    const block = unwrap(checkBlock(genesisBlock(network), network, NULL_HASH));
    expect(block.header.hash).toBe(networkParams(network).genesisHash);
    expect(networkByGenesis(block.header.hash)).toBe(network);
    expect(block.transactions[0]!.outputs[0]!.valueSats).toBe(5_000_000_000n);
    expect(targetOf(block.header.bits)).toBe(networkParams(network).powLimit);
  });

  it('knows no other first block', () => {
    expect(networkByGenesis('000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943')).toBeUndefined();
  });
});

function genesisBlock(network: Network): string {
  const { time, bits, nonce, message, key } = GENESIS[network];
  const pushOf = (bytes: string): string => `${byte(bytes.length / 2)}${bytes}`;
  const text = Buffer.from(message, 'latin1').toString('hex');
  const push = text.length / 2 > 75 ? `4c${pushOf(text)}` : pushOf(text);
  const scriptSig = `04ffff001d0104${push}`;
  const script = `${pushOf(key)}ac`;
  const coinbase = `01000000010${'0'.repeat(63)}ffffffff${pushOf(scriptSig)}ffffffff0100f2052a01000000${pushOf(script)}00000000`;
  const root = Buffer.from(MERKLE_ROOT[network], 'hex').reverse().toString('hex');
  return `01000000${NULL_HASH}${root}${u32(time)}${u32(bits)}${u32(nonce)}01${coinbase}`;
}

const byte = (value: number): string => value.toString(16).padStart(2, '0');

function u32(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes.toString('hex');
}
