import type { signingV1 } from '@finality/contracts';
import { invalid } from '@finality/kernel';
import { RefusalException } from '@finality/service';
import type { WantedPlace } from '@finality/signing';
import { Fields } from './signing-request.ts';

/** Twenty keys with origins of twenty steps. */
const DESCRIPTOR_LENGTH_MAX = 7_000;

/** Fields of requests about signatories and destinations. */
export class StatementFields extends Fields {
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

  /** @throws RefusalException INVALID_ARGUMENT that names every wrong field */
  done(): void {
    if (this.errors.length > 0) throw new RefusalException(invalid(...this.errors));
  }
}
