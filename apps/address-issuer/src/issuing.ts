import type { AddressPurpose, IssuedAddress } from '@finality/address';
import { assert, type CauseContext, type Runtime } from '@finality/kernel';
import { type Outcome, poolQuery, type Session } from '@finality/event-store';
import { executeAll, type FaultPoints } from '@finality/service';
import type { Pool } from 'pg';
import type { IssueBody, IssuerReply, IssuerStore } from './commands.ts';
import { answered, executePatiently, idempotencyClaim, POLL_MS, waitMaxMs } from './execute.ts';
import { addressById, addressesNamed } from './outbound/read-addresses.ts';

/** Commands of a call for many in one batch: others get their turn between. */
const CHUNK = 500;

/** Who asks, in whose name, under which key. */
export interface Asked {
  readonly principal: string;
  readonly idempotencyKey: string;
  readonly rpc: string;
  readonly cause: CauseContext;
  readonly signal?: AbortSignal;
}

export interface AddressWanted {
  readonly purpose: AddressPurpose;
  readonly label: string;
  /** Empty: the only wallet of the institution. */
  readonly walletId: string;
  /** Empty: it has no name of the institution's own. */
  readonly externalId: string;
  readonly institutionId?: string;
}

export interface IssuingOptions {
  readonly store: IssuerStore;
  readonly pool: Pool;
  readonly runtime: Runtime;
  readonly waitMs: number;
  readonly faults?: FaultPoints;
}

/** Gives out addresses. The index is taken, and the address published, before anybody gets to see it; a repeat gives the same address. */
export class Issuing {
  readonly #options: IssuingOptions;

  constructor(options: IssuingOptions) {
    this.#options = options;
  }

  /** @throws RefusalException among others UNAVAILABLE when the next address isn't watched in time */
  async issue(wanted: AddressWanted, asked: Asked): Promise<IssuedAddress> {
    const { store, runtime, waitMs, faults } = this.#options;
    const { purpose, label, walletId, externalId, institutionId } = wanted;
    const addressId = runtime.id();
    const body: IssueBody = { kind: 'issue', addressId, ...wanted };
    const idempotency = idempotencyClaim(
      { principal: asked.principal, rpc: asked.rpc, key: asked.idempotencyKey, resourceId: addressId },
      { institution_id: institutionId ?? '', wallet_id: walletId, purpose, label, external_id: externalId },
    );
    const patience = { runtime, waitMs, ...(asked.signal && { signal: asked.signal }) };
    const answer = await executePatiently(store, { body, cause: asked.cause, idempotency }, patience);
    faults?.at('address-issuer.issued');
    if ('repeated' in answer) return this.#issuedBefore(answer.repeated, wanted);
    assert(answer.reply.kind === 'address', 'issuing gives an address');
    return answer.reply.address;
  }
  /**
   * Many, in their order. No key makes it repeatable but the external ids themselves: those that have an address get the same again. Goes on
   * as long as some become issuable in time.
   * @throws RefusalException for the first that can't be issued; what was issued before stays
   */
  async *issueMany(wanted: readonly AddressWanted[], asked: Asked): AsyncGenerator<IssuedAddress, void, undefined> {
    const { store, runtime, waitMs, faults } = this.#options;
    let next = 0;
    let progressMs = runtime.monotonicMs();
    while (next < wanted.length) {
      const chunk = wanted.slice(next, next + CHUNK);
      const commands = chunk.map((each) => {
        const body: IssueBody = { kind: 'issue', addressId: runtime.id(), ...each };
        return { body, cause: asked.cause };
      });
      const outcomes = await executeAll(store, commands);
      faults?.at('address-issuer.issued');
      const refused = outcomes.findIndex((outcome) => outcome.kind !== 'accepted');
      const issued = outcomes.slice(0, refused < 0 ? outcomes.length : refused);
      for (const outcome of issued) yield addressOf(outcome);
      next += issued.length;
      if (issued.length > 0) progressMs = runtime.monotonicMs();
      else if (asked.signal?.aborted || runtime.monotonicMs() - progressMs >= waitMaxMs(outcomes[0]!, waitMs))
        addressOf(outcomes[0]!);
      if (refused >= 0) await runtime.sleep(POLL_MS, asked.signal);
    }
  }

  /** By its name where it has one: then another key may have had it issued. */
  async #issuedBefore(addressId: string, { institutionId, externalId }: AddressWanted): Promise<IssuedAddress> {
    const { pool } = this.#options;
    const session: Session = { query: (text, values) => poolQuery(pool, text, values) };
    if (institutionId === undefined || externalId === '') return addressById(pool, addressId);
    const [named] = await addressesNamed(session, [{ institutionId, externalId }]);
    assert(named, `${externalId} of ${institutionId} has an address`);
    return named;
  }
}

/** @throws RefusalException where it wasn't issued */
function addressOf(outcome: Outcome<IssuerReply>): IssuedAddress {
  const answer = answered(outcome);
  assert('reply' in answer && answer.reply.kind === 'address', 'issuing gives an address');
  return answer.reply.address;
}
