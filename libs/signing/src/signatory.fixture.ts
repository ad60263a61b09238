import { deriveScript, MasterKey, type Network, signMessage } from '@finality/bitcoin';
import type { Instant } from '@finality/kernel';
import { type SignedStatement, type Statement, statementText } from './index.ts';

let nonces = 0;

/** Somebody who signs for an institution with a key of their own. */
export class TestSignatory {
  readonly address: string;
  readonly #key: ReturnType<MasterKey['account']>;

  /** @param index tells one from the others of a test */
  constructor(index: number, network: Network = 'regtest', scriptType: 'wpkh' | 'tr' = 'wpkh') {
    this.#key = new MasterKey(new Uint8Array(32).fill(99), network).account(scriptType, index);
    this.address = deriveScript(this.#key.descriptor, 0, 0).address;
  }

  /** The statement, signed; its own nonce unless one is given. */
  sign(statement: Statement, validUntil: Instant, nonce = `nonce-${++nonces}`): SignedStatement {
    const text = statementText(statement, { nonce, validUntil });
    const derived = deriveScript(this.#key.descriptor, 0, 0);
    const signature = signMessage(text, this.#key.descriptor, derived, [this.#key.signingKey(0, 0)]);
    return { signatory: this.address, nonce, validUntil, signature };
  }
}
