import {
  addressOf,
  bytesFromHex,
  bytesFromReversedHex,
  hexFromBytes,
  type Outpoint,
  type OutpointKey,
  outpointKey,
  type ParsedBlock,
  type ParsedTransaction,
  parseBlock,
  parseTransaction,
  type ScriptHex,
  type WalletScriptType,
} from '@finality/bitcoin';
import type { BitcoinNode } from '@finality/bitcoin-node';
import { assert, unwrap } from '@finality/kernel';
import { crypto, script as codec, Transaction } from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import { REGTEST } from './consensus.ts';

export interface WalletCoin extends Outpoint {
  readonly valueSats: bigint;
  readonly height: number;
  readonly coinbase: boolean;
}

export interface Payment {
  readonly script: ScriptHex;
  readonly valueSats: bigint;
}

export interface PayOptions {
  readonly feeSats: bigint;
  /** Default: as many mature coins as it takes, oldest first. */
  readonly coins?: readonly WalletCoin[];
  readonly locktime?: number;
  /** Default 0xfffffffd: signals replacement (BIP125), as btcd demands. */
  readonly sequence?: number;
}

/** Whose wallet `npm run servers -- up btcd` mines for. */
export const MINER_WORD = 'miner';

const SIGHASH_ALL = 0x01;
const SEQUENCE_REPLACEABLE = 0xffff_fffd;

/**
 * The outside world on regtest: somebody with one key who mines, pays deposits and double-spends. The key comes from a word that
 * everybody may know, so it is worth nothing anywhere else.
 */
export class RegtestWallet {
  readonly type: WalletScriptType;
  readonly script: ScriptHex;
  readonly address: string;
  readonly #privateKey: Uint8Array;
  readonly #publicKey: Uint8Array;
  #coins = new Map<OutpointKey, WalletCoin>();
  #height = 0;

  constructor(word: string, type: WalletScriptType = 'wpkh') {
    const untweaked = crypto.sha256(Buffer.from(`finality regtest ${word}`));
    this.type = type;
    this.#privateKey = type === 'tr' ? taprootKey(untweaked) : untweaked;
    this.#publicKey = publicKeyOf(this.#privateKey);
    const program =
      type === 'tr'
        ? `5120${hexFromBytes(this.#publicKey.subarray(1))}`
        : `0014${hexFromBytes(crypto.hash160(this.#publicKey))}`;
    this.script = program as ScriptHex;
    this.address = addressOf(this.script, 'regtest')!;
  }

  /** Reads the node's active chain from its start, so that a reorg needs no thought. Forgets what was only paid, not mined. */
  async sync(node: BitcoinNode): Promise<void> {
    const { height } = await node.chainInfo();
    this.#coins = new Map();
    for (let at = 1; at <= height; at++) {
      const hash = await node.blockHash(at);
      const raw = hash && (await node.rawBlock(hash));
      assert(raw, `the node has block ${at} of its active chain`);
      this.#scan(unwrap(parseBlock(raw)), at);
    }
    this.#height = height;
  }

  /** Confirmed coins that can be spent in the next block and weren't spent by {@link pay}, oldest first. */
  coins(): readonly WalletCoin[] {
    const immatureAbove = this.#height + 1 - REGTEST.coinbaseMaturity;
    return [...this.#coins.values()].filter((coin) => !coin.coinbase || coin.height <= immatureAbove);
  }

  /** A signed transaction with the payments first, in order, and the change to this wallet last; its coins aren't used again. */
  pay(payments: readonly Payment[], options: PayOptions): ParsedTransaction {
    const paidSats = payments.reduce((total, payment) => total + payment.valueSats, options.feeSats);
    const coins = options.coins ?? this.#choose(paidSats);
    const changeSats = coins.reduce((total, coin) => total + coin.valueSats, -paidSats);
    assert(changeSats >= 0n, `${paidSats} sat are there to be paid`);
    const transaction = new Transaction();
    transaction.version = 2;
    transaction.locktime = options.locktime ?? 0;
    for (const coin of coins) {
      transaction.addInput(bytesFromReversedHex(coin.txid), coin.vout, options.sequence ?? SEQUENCE_REPLACEABLE);
      this.#coins.delete(outpointKey(coin));
    }
    const outputs = changeSats > 0n ? [...payments, { script: this.script, valueSats: changeSats }] : payments;
    for (const { script, valueSats } of outputs) transaction.addOutput(bytesFromHex(script), valueSats);
    coins.forEach((_coin, i) => transaction.setWitness(i, this.#witness(transaction, coins, i)));
    return unwrap(parseTransaction(transaction.toBuffer()));
  }

  /** An output of a transaction as a coin, to be spent before it is mined. */
  coinOf(transaction: ParsedTransaction, vout: number): WalletCoin {
    const output = transaction.outputs[vout];
    assert(output?.script === this.script, `output ${vout} of ${transaction.txid} pays this wallet`);
    return { txid: transaction.txid, vout, valueSats: output.valueSats, height: this.#height + 1, coinbase: false };
  }

  #choose(valueSats: bigint): readonly WalletCoin[] {
    const chosen: WalletCoin[] = [];
    let total = 0n;
    for (const coin of this.coins()) {
      if (total >= valueSats) break;
      chosen.push(coin);
      total += coin.valueSats;
    }
    return chosen;
  }

  #scan(block: ParsedBlock, height: number): void {
    for (const { txid, isCoinbase, inputs, outputs } of block.transactions) {
      for (const { outpoint } of inputs) this.#coins.delete(outpointKey(outpoint));
      outputs.forEach(({ script, valueSats }, vout) => {
        if (script !== this.script) return;
        this.#coins.set(outpointKey({ txid, vout }), { txid, vout, valueSats, height, coinbase: isCoinbase });
      });
    }
  }

  #witness(transaction: Transaction, coins: readonly WalletCoin[], i: number): Uint8Array[] {
    if (this.type === 'tr') {
      const scripts = coins.map(() => bytesFromHex(this.script));
      const values = coins.map((coin) => coin.valueSats);
      return [
        ecc.signSchnorr(
          transaction.hashForWitnessV1(i, scripts, values, Transaction.SIGHASH_DEFAULT),
          this.#privateKey,
        ),
      ];
    }
    const keyHashScript = bytesFromHex(`76a914${this.script.slice(4)}88ac`);
    const hash = transaction.hashForWitnessV0(i, keyHashScript, coins[i]!.valueSats, SIGHASH_ALL);
    return [codec.signature.encode(ecc.sign(hash, this.#privateKey), SIGHASH_ALL), this.#publicKey];
  }
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const publicKey = ecc.pointFromScalar(privateKey, true);
  assert(publicKey, 'a hash is a private key');
  return publicKey;
}

/** The key of a BIP86 output: with even y, tweaked with itself alone. */
function taprootKey(privateKey: Uint8Array): Uint8Array {
  const publicKey = publicKeyOf(privateKey);
  const even = publicKey[0] === 2 ? privateKey : ecc.privateNegate(privateKey);
  const tweaked = ecc.privateAdd(even, crypto.taggedHash('TapTweak', publicKey.subarray(1)));
  assert(tweaked, 'a tweaked key is a private key');
  return tweaked;
}
