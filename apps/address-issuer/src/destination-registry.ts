import {
  approvalRefusal,
  type Destination,
  type DestinationPlace,
  type IssuedAddress,
  type KnownDestination,
  looksLike,
  needsSignatory,
  type NotedSignatory,
  unknownDestination,
  walletPlaceRefusal,
} from '@finality/address';
import { type Network, parseDescriptor } from '@finality/bitcoin';
import { fromTimestamp, type signingV1, type Timestamp, toTimestamp } from '@finality/contracts';
import type { EventReader, IdempotencyClaim, Session } from '@finality/event-store';
import { assert, type Instant, type Refusal, type Runtime, unwrap } from '@finality/kernel';
import { answeredBefore, execute, RefusalException, refusalOf } from '@finality/service';
import { scriptOfAddress, type SignedStatement } from '@finality/signing';
import type { Pool } from 'pg';
import type { IssuerBody, IssuerStore } from './commands.ts';
import { executePatiently, idempotencyClaim } from './execute.ts';
import { poolQuery } from '@finality/event-store';
import type { Asked } from './issuing.ts';
import { addressesEndingLike } from './projections/destinations.projection.ts';
import { rethrowSignersAnswer, type SignerOfAccounts } from './registration.ts';
import { destinationStream, signatoriesStream, walletStream } from './streams.ts';

export interface DestinationRegistryOptions {
  readonly store: IssuerStore;
  readonly reader: EventReader;
  readonly signer: SignerOfAccounts;
  readonly runtime: Runtime;
  readonly network: Network;
  readonly waitMs: number;
  readonly pool: Pool;
}

/** Who does something about a destination: an API key, for an institution if it is one's. */
export interface Doer {
  readonly keyId: string;
  readonly institutionId: string | undefined;
}

export interface DestinationWanted {
  readonly institutionId: string;
  readonly place: { readonly address: string } | { readonly walletId: string };
  readonly label: string;
  readonly request: SignedStatement;
}

/**
 * Destinations, between the institutions and the signer. What the signer is told comes first and can be repeated: a crash between leaves what
 * asking again completes, and never something that can be paid and isn't on the signer's list.
 */
export class DestinationRegistry {
  readonly #options: DestinationRegistryOptions;

  constructor(options: DestinationRegistryOptions) {
    this.#options = options;
  }

  async registerSignatory(
    request: signingV1.RegisterSignatoryRequest,
    by: Doer,
    asked: Asked,
  ): Promise<NotedSignatory> {
    const { institutionId, address, proof, endorsement } = request;
    const nonces = [proof, endorsement].map((statement) => statement?.nonce ?? '').join(' ');
    const claim = claimOf(asked, `${institutionId}/${address}`, { institution_id: institutionId, address, nonces });
    if ((await this.#answered(claim)) === undefined) {
      await this.#patiently({ kind: 'check_institution', institutionId }, asked);
      await this.#options.signer.registerSignatory(request).catch(rethrowSignersAnswer);
      const body: IssuerBody = { kind: 'note_signatory', institutionId, address, by: by.keyId };
      await this.#execute(body, asked, claim);
    }
    return this.#signatory(institutionId, address);
  }

  /** The signer's own business: nothing of it is kept here. */
  async requireApprovals(request: signingV1.RequireApprovalsRequest): Promise<Timestamp | undefined> {
    return (await this.#options.signer.requireApprovals(request).catch(rethrowSignersAnswer)).inForceFrom;
  }

  /** The signer takes nothing that needs its word from then on; what is left of that is removed here. */
  async revokeSignatory(request: signingV1.RevokeSignatoryRequest, by: Doer, asked: Asked): Promise<NotedSignatory> {
    const { institutionId, address, revocation } = request;
    const fields = { institution_id: institutionId, address, nonce: revocation?.nonce ?? '' };
    const claim = claimOf(asked, `${institutionId}/${address}`, fields);
    if ((await this.#answered(claim)) === undefined) {
      await this.#patiently({ kind: 'check_institution', institutionId }, asked);
      await this.#options.signer.revokeSignatory(request).catch(rethrowSignersAnswer);
      const body: IssuerBody = { kind: 'note_revocation', institutionId, address, by: by.keyId };
      await this.#execute(body, asked, claim);
    }
    // A crash may have come before all of it was removed.
    await this.#removeNeeding(institutionId, address, by, asked);
    return this.#signatory(institutionId, address);
  }

  async #removeNeeding(institutionId: string, address: string, by: Doer, asked: Asked): Promise<void> {
    const { pool, reader, runtime, signer, store } = this.#options;
    const { rows } = await pool.query<{ destination_id: string }>(
      'SELECT destination_id FROM destinations WHERE is_open AND institution_id = $1 ORDER BY destination_id',
      [institutionId],
    );
    for (const { destination_id: destinationId } of rows) {
      const { state } = await reader.loadState(destinationStream, destinationId);
      if (!needsSignatory(state, address, runtime.now())) continue;
      await signer.removeDestination({ destinationId, institutionId }).catch(rethrowSignersAnswer);
      await execute(store, { body: { kind: 'remove_destination', destinationId, by: by.keyId }, cause: asked.cause });
    }
  }

  async #signatory(institutionId: string, address: string): Promise<NotedSignatory> {
    const { state } = await this.#options.reader.loadState(signatoriesStream, institutionId);
    const noted = state.signatories.find((each) => each.address === address);
    assert(noted !== undefined, `${address} has been noted`);
    return noted;
  }

  async request(wanted: DestinationWanted, by: Doer, asked: Asked): Promise<KnownDestination> {
    const { institutionId, label, request } = wanted;
    const { runtime, signer } = this.#options;
    const destinationId = runtime.id();
    const claim = claimOf(asked, destinationId, {
      institution_id: institutionId,
      ...('address' in wanted.place ? { address: wanted.place.address } : { wallet_id: wanted.place.walletId }),
      label,
      request: textOf(request),
    });
    const before = await this.#answered(claim);
    if (before !== undefined) return this.#known(before, NOBODYS);
    const place = await this.#placeOf(wanted);
    await this.#patiently({ kind: 'check_institution', institutionId }, asked);
    const refusal = await refusalBy(
      signer.checkDestinationRequest({ institutionId, ...placeMessage(place), request: statementMessage(request) }),
    );
    const destination: Omit<Destination, 'requestedAt'> = {
      destinationId,
      institutionId,
      place,
      label,
      request,
      requestedBy: by.keyId,
    };
    const alike = place.kind === 'script' ? await this.#alikeIssued(institutionId, place.address) : undefined;
    const body: IssuerBody = {
      kind: 'request_destination',
      institutionId,
      destination,
      ...(alike !== undefined && { looksLike: alike }),
      ...(refusal && { refusal }),
    };
    return this.#decided(body, asked, claim);
  }

  async #placeOf({ institutionId, place }: DestinationWanted): Promise<DestinationPlace> {
    const { network, reader } = this.#options;
    if ('address' in place) {
      const { address } = place;
      const script = scriptOfAddress(address, network, 'address');
      if (script.ok) return { kind: 'script', address, script: script.value };
      throw new RefusalException(script.error);
    }
    const { walletId } = place;
    const { state } = await reader.loadState(walletStream, walletId);
    const refusal = walletPlaceRefusal(walletId, institutionId, state);
    if (refusal) throw new RefusalException(refusal);
    assert(state.status === 'registered', 'a wallet that isn’t refused is registered');
    const { external, internal } = state.wallet;
    const { text: descriptor } = unwrap(parseDescriptor([external, internal], network));
    return { kind: 'wallet', walletId, descriptor, external };
  }

  /**
   * Has the signer derive an address of a payee's own wallet before it goes into a transaction: it comes from the descriptor that was signed for,
   * and the signer expects indices to have come that far.
   */
  async confirm(destinationId: string, { walletId, branch, index, script }: IssuedAddress): Promise<void> {
    const asked = { destinationId, walletId, branch, indices: [index] };
    const { scripts } = await this.#options.signer.deriveScripts(asked).catch(rethrowSignersAnswer);
    assert(scripts[0] === script, `the signer has another script at ${branch}/${index} of wallet ${walletId}`);
  }

  async approve(destinationId: string, approval: SignedStatement, by: Doer, asked: Asked): Promise<KnownDestination> {
    const decided = await this.#approved(destinationId, approval, by);
    const body: IssuerBody = { kind: 'approve_destination', destinationId, approval: decided };
    const fields = { destination_id: destinationId, approval: textOf(approval) };
    return this.#decided(body, asked, claimOf(asked, destinationId, fields));
  }

  review(
    destinationId: string,
    { decision, reason }: { readonly decision: 'approve' | 'reject'; readonly reason: string },
    by: Doer,
    asked: Asked,
  ): Promise<KnownDestination> {
    const body: IssuerBody = { kind: 'review_destination', destinationId, decision, reason, by: by.keyId };
    const fields = { destination_id: destinationId, decision, reason };
    return this.#decided(body, asked, claimOf(asked, destinationId, fields));
  }

  /** @param by of an institution: its own only */
  async remove(destinationId: string, by: Doer, asked: Asked): Promise<KnownDestination> {
    const { institutionId } = (await this.#known(destinationId, by)).destination;
    await this.#options.signer.removeDestination({ destinationId, institutionId }).catch(rethrowSignersAnswer);
    const body: IssuerBody = { kind: 'remove_destination', destinationId, by: by.keyId };
    return this.#decided(body, asked, claimOf(asked, destinationId, { destination_id: destinationId }));
  }

  /** The signer's answer, unless it needn't be asked: nothing is told to it that can't be approved here. */
  async #approved(
    destinationId: string,
    approval: SignedStatement,
    { keyId: by, institutionId }: Doer,
  ): Promise<Extract<IssuerBody, { kind: 'approve_destination' }>['approval']> {
    const { state } = await this.#options.reader.loadState(destinationStream, destinationId);
    const refusal = approvalRefusal(destinationId, { institutionId, by }, state);
    if (refusal) return { refusal };
    assert(state.status !== 'none', 'what can be approved is there');
    const { destination } = state;
    const request: signingV1.RegisterDestinationRequest = {
      destinationId,
      institutionId: destination.institutionId,
      ...placeMessage(destination.place),
      request: statementMessage(destination.request),
      approval: statementMessage(approval),
      requestedBy: destination.requestedBy,
      approvedBy: by,
    };
    let usableAt: Instant | undefined;
    const refused = await refusalBy(
      this.#options.signer.registerDestination(request).then((answer) => {
        assert(answer.usableAt !== undefined, 'the signer says when it is usable');
        usableAt = fromTimestamp(answer.usableAt);
      }),
    );
    if (refused) return { refusal: refused };
    return { institutionId, by, approval, usableAt: usableAt! };
  }

  async #alikeIssued(institutionId: string, address: string): Promise<string | undefined> {
    const { pool, network } = this.#options;
    const session: Session = {
      query: (text, values) => poolQuery(pool, text, values),
    };
    const issued = await addressesEndingLike(session, institutionId, address);
    return issued.find((other) => looksLike(other, address, network));
  }

  async #known(destinationId: string, { institutionId }: Doer): Promise<KnownDestination> {
    const { state } = await this.#options.reader.loadState(destinationStream, destinationId);
    const isTheirs =
      state.status !== 'none' && (institutionId === undefined || state.destination.institutionId === institutionId);
    if (!isTheirs) throw new RefusalException(unknownDestination(destinationId));
    return state;
  }

  async #decided(body: IssuerBody, asked: Asked, claim: IdempotencyClaim): Promise<KnownDestination> {
    const answer = await this.#execute(body, asked, claim);
    const id = 'repeated' in answer ? answer.repeated : claim.resourceId;
    if ('reply' in answer && answer.reply.kind === 'destination') return answer.reply.destination;
    return this.#known(id, NOBODYS);
  }

  #execute(body: IssuerBody, { cause }: Asked, idempotency: IdempotencyClaim): ReturnType<typeof executePatiently> {
    return execute(this.#options.store, { body, cause, idempotency });
  }

  /** What was answered before is answered again, whatever has become of the institution and of those who signed. */
  #answered(claim: IdempotencyClaim): Promise<string | undefined> {
    return answeredBefore(this.#options.reader, claim);
  }

  async #patiently(body: IssuerBody, { cause, signal }: Asked): Promise<void> {
    const { store, runtime, waitMs } = this.#options;
    await executePatiently(store, { body, cause }, { runtime, waitMs, ...(signal && { signal }) });
  }
}

/** Not asked for in anybody's name: anybody's. */
const NOBODYS: Doer = { keyId: '', institutionId: undefined };

const claimOf = (
  { principal, rpc, idempotencyKey: key }: Asked,
  resourceId: string,
  fields: Readonly<Record<string, string>>,
): IdempotencyClaim => idempotencyClaim({ principal, rpc, key, resourceId }, fields);

/** What the signer has against it; whatever else goes wrong is thrown. */
async function refusalBy(asked: Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await asked;
    return undefined;
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined || refusal.kind === 'unavailable') return rethrowSignersAnswer(error);
    return refusal;
  }
}

function placeMessage(place: DestinationPlace): Pick<signingV1.RegisterDestinationRequest, 'address' | 'wallet'> {
  if (place.kind === 'script') return { address: place.address, wallet: undefined };
  const { walletId, descriptor } = place;
  return { address: '', wallet: { walletId, descriptor } };
}

export const statementMessage = ({
  signatory,
  nonce,
  validUntil,
  signature,
}: SignedStatement): signingV1.SignedStatement => ({
  signatory,
  nonce,
  validUntil: toTimestamp(validUntil),
  signature,
});

const textOf = ({ signatory, nonce, validUntil, signature }: SignedStatement): string =>
  `${signatory} ${nonce} ${validUntil} ${signature}`;
