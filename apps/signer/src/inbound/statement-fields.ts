import { fromTimestamp, type signingV1 } from '@finality/contracts';
import { type Instant, invalid } from '@finality/kernel';
import { RefusalException } from '@finality/service';
import type { SignedStatement, WantedPlace } from '@finality/signing';
import { Fields } from './signing-request.ts';

const NONCE = /^[A-Za-z0-9._-]{1,64}$/;
const ADDRESS_LENGTH_MAX = 100;
/** Twenty keys with origins of twenty steps. */
const DESCRIPTOR_LENGTH_MAX = 7_000;
const SIGNATURE_LENGTH_MAX = 10_000;

/** Fields of requests about signatories and destinations. */
export class StatementFields extends Fields {
  address(value: string, field: string): string {
    const { length } = value;
    this.check(
      length >= 1 && length <= ADDRESS_LENGTH_MAX,
      field,
      `expected 1 to ${ADDRESS_LENGTH_MAX} characters, got ${length}`,
    );
    return value;
  }

  place({ address, wallet }: Pick<signingV1.RegisterDestinationRequest, 'address' | 'wallet'>): WantedPlace {
    if (wallet === undefined) return { address: this.address(address, 'address') };
    this.check(address === '', 'address', 'expected none with a wallet');
    const { walletId, descriptor } = wallet;
    const { length } = descriptor;
    this.check(
      length >= 1 && length <= DESCRIPTOR_LENGTH_MAX,
      'wallet.descriptor',
      `expected 1 to ${DESCRIPTOR_LENGTH_MAX} characters, got ${length}`,
    );
    return { walletId: this.id(walletId, 'wallet.wallet_id'), descriptor };
  }

  statement(statement: signingV1.SignedStatement | undefined, at: string): SignedStatement {
    const { signatory = '', nonce = '', validUntil, signature = '' } = statement ?? {};
    this.address(signatory, `${at}.signatory`);
    this.check(NONCE.test(nonce), `${at}.nonce`, 'expected 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"');
    this.check(validUntil?.nanos === 0, `${at}.valid_until`, 'expected whole seconds');
    const { length } = signature;
    this.check(
      length >= 1 && length <= SIGNATURE_LENGTH_MAX,
      `${at}.signature`,
      `expected 1 to ${SIGNATURE_LENGTH_MAX} characters, got ${length}`,
    );
    return { signatory, nonce, validUntil: validUntil ? fromTimestamp(validUntil) : (0 as Instant), signature };
  }

  /** @throws RefusalException INVALID_ARGUMENT that names every wrong field */
  done(): void {
    if (this.errors.length > 0) throw new RefusalException(invalid(...this.errors));
  }
}
