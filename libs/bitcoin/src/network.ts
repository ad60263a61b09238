import { networks } from 'bitcoinjs-lib';
import type { BlockHash } from './ids.ts';

export type Network = 'mainnet' | 'testnet4' | 'signet' | 'regtest';

export const NETWORKS: readonly Network[] = ['mainnet', 'testnet4', 'signet', 'regtest'];

export interface NetworkParams {
  readonly network: Network;
  /** Human-readable part of its segwit addresses (BIP173). testnet4 and signet share one. */
  readonly bech32Hrp: string;
  readonly p2pkhVersion: number;
  readonly p2shVersion: number;
  /** BIP32 version bytes of public (`xpub`, `tpub`) and private (`xprv`, `tprv`) extended keys. */
  readonly bip32Public: number;
  readonly bip32Private: number;
  readonly wifVersion: number;
  /** SLIP-44 coin type in derivation paths: 0 on mainnet, else 1. */
  readonly coinType: 0 | 1;
  /** What identifies a network: address prefixes don't (DESIGN 10). */
  readonly genesisHash: BlockHash;
  /** The easiest target a block may have. */
  readonly powLimit: bigint;
  /** Blocks until a coinbase output may be spent. */
  readonly coinbaseMaturity: number;
}

const testnetVersions = {
  p2pkhVersion: 0x6f,
  p2shVersion: 0xc4,
  bip32Public: 0x0435_87cf,
  bip32Private: 0x0435_8394,
  wifVersion: 0xef,
  coinType: 1,
  coinbaseMaturity: 100,
} as const;

const PARAMS: { readonly [N in Network]: NetworkParams } = {
  mainnet: {
    network: 'mainnet',
    bech32Hrp: 'bc',
    p2pkhVersion: 0x00,
    p2shVersion: 0x05,
    bip32Public: 0x0488_b21e,
    bip32Private: 0x0488_ade4,
    wifVersion: 0x80,
    coinType: 0,
    genesisHash: '000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f' as BlockHash,
    powLimit: 0xffffn << 208n,
    coinbaseMaturity: 100,
  },
  testnet4: {
    ...testnetVersions,
    network: 'testnet4',
    bech32Hrp: 'tb',
    genesisHash: '00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043' as BlockHash,
    powLimit: 0xffffn << 208n,
  },
  signet: {
    ...testnetVersions,
    network: 'signet',
    bech32Hrp: 'tb',
    genesisHash: '00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6' as BlockHash,
    powLimit: 0x0377aen << 216n,
  },
  regtest: {
    ...testnetVersions,
    network: 'regtest',
    bech32Hrp: 'bcrt',
    genesisHash: '0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206' as BlockHash,
    powLimit: 0x7fffffn << 232n,
  },
};

export const networkParams = (network: Network): NetworkParams => PARAMS[network];

export const isNetwork = (text: string): text is Network => (NETWORKS as readonly string[]).includes(text);

/** The network whose first block this is, or undefined: what a node's `getblockhash 0` is checked with. */
export function networkByGenesis(genesisHash: string): Network | undefined {
  return NETWORKS.find((network) => PARAMS[network].genesisHash === genesisHash);
}

/** The same parameters in the form bitcoinjs-lib, bip32 and ecpair take. */
export function bitcoinjsNetwork(network: Network): networks.Network {
  const params = PARAMS[network];
  return {
    messagePrefix: '\x18Bitcoin Signed Message:\n',
    bech32: params.bech32Hrp,
    bip32: { public: params.bip32Public, private: params.bip32Private },
    pubKeyHash: params.p2pkhVersion,
    scriptHash: params.p2shVersion,
    wif: params.wifVersion,
  };
}
