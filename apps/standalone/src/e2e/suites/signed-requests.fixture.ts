import { addressV1 } from '@finality/contracts';
import type { Bank } from '../bank.fixture.ts';
import type { E2e } from '../e2e.fixture.ts';
import { outsideAddress, Signatories } from '../signatories.fixture.ts';

type Json = Readonly<Record<string, unknown>>;

/** What signatories of the payer sign, in protobuf's JSON. */
export async function signatures(e2e: E2e, payer: Bank) {
  const people = await Signatories.of(e2e, payer);
  const address = outsideAddress(900);
  return {
    signatory: {
      address: people.ann.address,
      proof: addressV1.StatementSignature.toJSON(people.sign('ann', 'register signatory', people.ann.address)) as Json,
    },
    destination: {
      address,
      request: addressV1.StatementSignature.toJSON(people.sign('ann', 'register destination', address)) as Json,
    },
  };
}
