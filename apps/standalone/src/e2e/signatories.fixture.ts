import { deriveScript, MasterKey } from '@finality/bitcoin';
import { type addressV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { systemRuntime } from '@finality/service';
import type { StatementPurpose, StatementSubject } from '@finality/signing';
import { TestSignatory } from '@finality/signing/spec';
import { type Bank, freshKey } from './bank.fixture.ts';
import type { E2e } from './e2e.fixture.ts';
import { patiently } from './wait.fixture.ts';

const VALID_MS = 3_600_000;
const outside = new MasterKey(new Uint8Array(32).fill(33), 'regtest').account('wpkh', 0).descriptor;
let people = 0;

/** Of somebody whom the platform knows nothing of. */
export const outsideAddress = (index: number): string => deriveScript(outside, 0, index).address;

type Name = 'ann' | 'bob' | 'eve';

/** Who signs for a bank: two that it was taken in with, and one who would like to. */
export class Signatories {
  readonly ann = new TestSignatory(++people);
  readonly bob = new TestSignatory(++people, 'regtest', 'tr');
  readonly eve = new TestSignatory(++people);
  readonly #bank: Bank;

  private constructor(bank: Bank) {
    this.#bank = bank;
  }

  /** Registered by an operator. */
  static async of({ operator }: E2e, bank: Bank): Promise<Signatories> {
    const made = new Signatories(bank);
    for (const name of ['ann', 'bob'] as const)
      await patiently(() => operator.destinations.registerSignatory(made.joining(name)));
    return made;
  }

  joining(name: Name): addressV1.RegisterSignatoryRequest {
    const { address } = this[name];
    const proof = this.sign(name, 'register signatory', address);
    return { idempotencyKey: freshKey(), institutionId: this.#bank.id, address, proof, endorsement: undefined };
  }

  sign(
    name: Name,
    purpose: StatementPurpose,
    about: string | StatementSubject,
    { validMs = VALID_MS, nonce }: { readonly validMs?: number; readonly nonce?: string } = {},
  ): addressV1.StatementSignature {
    const seconds = Math.floor((systemRuntime().now() + validMs) / 1000);
    const statement = {
      purpose,
      domain: 'finality',
      institutionId: this.#bank.id,
      network: 'regtest',
      ...(typeof about === 'string' ? { address: about } : about),
    } as const;
    const signed = this[name].sign(statement, (seconds * 1000) as Instant, nonce);
    return { ...signed, validUntil: toTimestamp(signed.validUntil) };
  }
}
