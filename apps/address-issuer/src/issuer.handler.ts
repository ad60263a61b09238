import {
  branchOf,
  decideAnswer,
  decideBlock,
  decideIssue,
  decideIssuedBefore,
  decideKeys,
  decideRegister,
  decideRequest,
  decideSkip,
  decideVerified,
  decideWatch,
  type IssueCommand,
  type IssuedAddress,
  institutionRefusal,
  POOL_WALLET_ID,
  unknownWallet,
  type WalletEvent,
  type WalletState,
} from '@finality/address';
import type { Network, ScriptHex } from '@finality/bitcoin';
import type { Batch, CommandHandler, Handled, Session, StoreCommand, StoredEvent } from '@finality/event-store';
import { assert, assertNever, type Decision, fieldError, invalid, type Refusal, refusal } from '@finality/kernel';
import type { IssueBody, IssuerBody, IssuerReply, RegisterBody } from './commands.ts';
import type { Derivations } from './derivations.ts';
import { addressesNamed } from './outbound/read-addresses.ts';
import {
  type DestinationWorld,
  destinationStreamsOf,
  handleDestination,
  isDestinationBody,
  loadDestinations,
} from './destinations.ts';
import { projectDestinations } from './projections/destinations.projection.ts';
import { loadUnused, projectUses } from './projections/address-uses.projection.ts';
import { projectAddresses } from './projections/addresses.projection.ts';
import { walletEvents } from './projections/rebuilt.ts';
import { firstScripts, projectWallets } from './projections/wallets.projection.ts';
import {
  challengeStream,
  challengeStreamOf,
  institutionStream,
  institutionStreamOf,
  walletStream,
  walletStreamOf,
} from './streams.ts';

interface OwnWallets {
  readonly count: number;
  readonly walletId: string;
}

/** What a batch knows beyond the streams. */
export interface IssuerWorld {
  /** Of institutions that left it open which wallet they mean. */
  readonly ownWallets: Map<string, OwnWallets>;
  /** First scripts of registered wallets' branches, as far as this batch could meet them. */
  readonly takenScripts: Set<ScriptHex>;
  /** Scripts that this batch says are paid: those issued, and not known to be paid before. */
  readonly unused: Set<string>;
  /** Addresses that names asked for in this batch have, by {@link nameOf}. */
  readonly named: Map<string, IssuedAddress>;
  readonly destinations: DestinationWorld;
}

type HandledReply = Handled<IssuerReply>;

/** Takes derivation indices, many in one batch; each address is durable, and published, before anybody is told of it. */
export class IssuerHandler implements CommandHandler<IssuerBody, IssuerWorld, IssuerReply> {
  readonly #network: Network;
  readonly #derivations: Derivations;

  constructor(network: Network, derivations: Derivations) {
    this.#network = network;
    this.#derivations = derivations;
  }

  async load(session: Session, commands: readonly StoreCommand<IssuerBody>[], batch: Batch): Promise<IssuerWorld> {
    const bodies = commands.map(({ body }) => body);
    const ownWallets = await loadOwnWallets(session, bodies);
    const wallets = [...bodies.flatMap(walletsNamed), ...[...ownWallets.values()].map(({ walletId }) => walletId)];
    const institutions = bodies.flatMap(institutionsNamed);
    const challenges = bodies.flatMap(challengesNamed);
    const streams = [
      ...wallets.map(walletStreamOf),
      ...institutions.map(institutionStreamOf),
      ...challenges.map(challengeStreamOf),
      ...bodies.flatMap((body) => (isDestinationBody(body) ? destinationStreamsOf(body) : [])),
    ];
    await batch.loadStreams(session, [...new Set(streams)]);
    const [takenScripts, named] = [await this.#loadTaken(session, bodies), await loadNamed(session, bodies)];
    const destinations = await loadDestinations(session, bodies.filter(isDestinationBody));
    return { ownWallets, takenScripts, named, destinations, unused: await loadUnused(session, bodies) };
  }

  handle({ body }: StoreCommand<IssuerBody>, world: IssuerWorld, batch: Batch): HandledReply {
    switch (body.kind) {
      case 'request_wallet': {
        const refused = this.#institutionRefusal(body.request.institutionId, batch);
        if (refused) return { kind: 'refused', refusal: refused };
        const { walletId } = body.request;
        return this.#wallet(walletId, decideRequest(body.request, this.#state(walletId, batch)), batch);
      }
      case 'set_keys':
        return this.#setKeys(body, world, batch);
      case 'issue_challenge':
        return this.#issueChallenge(body, batch);
      case 'register_wallet':
        return this.#register(body, world, batch);
      case 'issue':
        return this.#issue(body, world, batch);
      case 'extend_watch':
        return this.#wallet(
          body.walletId,
          decideWatch(body.below, body.scanning, this.#state(body.walletId, batch)),
          batch,
        );
      case 'verify':
        return this.#wallet(body.walletId, decideVerified(body.below, this.#state(body.walletId, batch)), batch);
      case 'block':
        return this.#wallet(body.walletId, decideBlock(body.reason, this.#state(body.walletId, batch)), batch);
      case 'skip_indices': {
        const { walletId, epoch, count } = body;
        return this.#wallet(walletId, decideSkip(epoch, count, this.#state(walletId, batch)), batch);
      }
      case 'check_institution':
      case 'request_destination': {
        const refused = this.#institutionRefusal(body.institutionId, batch);
        if (refused) return { kind: 'refused', refusal: refused };
        return handleDestination(body, world.destinations, batch, this.#network);
      }
      case 'review_destination':
      case 'approve_destination':
      case 'remove_destination':
      case 'note_signatory':
      case 'note_revocation':
        return handleDestination(body, world.destinations, batch, this.#network);
      case 'mark_used': {
        for (const use of body.uses) {
          if (world.unused.delete(use.script)) batch.append(walletStream, use.walletId, { type: 'address_used', use });
        }
        return { kind: 'accepted', reply: { kind: 'done' } };
      }
      case 'note_institution': {
        const { institutionId, status } = body;
        const known = batch.state(institutionStream, institutionId);
        if (known.status !== status)
          batch.append(institutionStream, institutionId, { type: 'institution_noted', institutionId, status });
        return { kind: 'accepted', reply: { kind: 'done' } };
      }
      default:
        return assertNever(body, 'address issuer command');
    }
  }

  async save(session: Session, _world: IssuerWorld, events: readonly StoredEvent[]): Promise<void> {
    const ofWallets = walletEvents(events);
    await projectWallets(session, ofWallets, this.#network);
    await projectAddresses(session, ofWallets);
    await projectUses(session, ofWallets);
    await projectDestinations(session, events);
  }

  #state(walletId: string, batch: Batch): WalletState {
    return batch.state(walletStream, walletId);
  }

  #institutionRefusal(institutionId: string, batch: Batch): Refusal | undefined {
    return institutionRefusal(institutionId, batch.state(institutionStream, institutionId));
  }

  #wallet(walletId: string, decision: Decision<WalletEvent, Refusal>, batch: Batch): HandledReply {
    if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
    const before = this.#state(walletId, batch);
    const state = decision.events.length > 0 ? batch.append(walletStream, walletId, ...decision.events) : before;
    if (state.status !== 'registered') return { kind: 'accepted', reply: { kind: 'done' } };
    return { kind: 'accepted', reply: { kind: 'wallet', registered: state } };
  }

  #setKeys(
    { walletId, keys }: Extract<IssuerBody, { kind: 'set_keys' }>,
    world: IssuerWorld,
    batch: Batch,
  ): HandledReply {
    const scripts = firstScripts(keys, this.#network);
    const decision = decideKeys(walletId, keys, this.#state(walletId, batch), batch.now, this.#taken(scripts, world));
    const handled = this.#wallet(walletId, decision, batch);
    if (handled.kind === 'accepted') for (const script of scripts) world.takenScripts.add(script);
    return handled;
  }

  #issueChallenge({ challenge }: Extract<IssuerBody, { kind: 'issue_challenge' }>, batch: Batch): HandledReply {
    const refused = this.#institutionRefusal(challenge.institutionId, batch);
    if (refused) return { kind: 'refused', refusal: refused };
    batch.append(challengeStream, challenge.challengeId, { type: 'challenge_issued', challenge });
    return { kind: 'accepted', reply: { kind: 'challenge', challenge } };
  }

  #register(body: RegisterBody, world: IssuerWorld, batch: Batch): HandledReply {
    const { request, descriptor, proof } = body;
    const refused = this.#institutionRefusal(request.institutionId, batch);
    if (refused) return { kind: 'refused', refusal: refused };
    const scripts = firstScripts(descriptor, this.#network);
    const state = this.#state(request.walletId, batch);
    const { walletId, institutionId } = request;
    const answer = { ...proof, walletId, institutionId, descriptor: descriptor.text };
    const answered = decideAnswer(answer, batch.state(challengeStream, proof.challengeId), batch.now);
    if (answered.kind === 'refused') return { kind: 'refused', refusal: answered.refused };
    const decision = decideRegister(request, descriptor, state, batch.now, this.#taken(scripts, world));
    const handled = this.#wallet(walletId, decision, batch);
    if (handled.kind !== 'accepted') return handled;
    batch.append(challengeStream, proof.challengeId, ...answered.events);
    for (const script of scripts) world.takenScripts.add(script);
    return handled;
  }

  #taken(scripts: readonly ScriptHex[], world: IssuerWorld): boolean {
    return scripts.some((script) => world.takenScripts.has(script));
  }

  #issue(body: IssueBody, world: IssuerWorld, batch: Batch): HandledReply {
    const { addressId, purpose, label, externalId, institutionId } = body;
    const name = nameOf(body);
    const before = name === undefined ? undefined : world.named.get(name);
    // What it has been given it is told again, whatever has become of it.
    if (institutionId !== undefined && before === undefined) {
      const refused = this.#institutionRefusal(institutionId, batch);
      if (refused) return { kind: 'refused', refusal: refused };
    }
    const chosen = chooseWallet(body, world);
    if (chosen.kind === 'refused') return chosen;
    const { walletId } = chosen;
    const state = this.#state(walletId, batch);
    if (institutionId !== undefined && walletId !== POOL_WALLET_ID && ownerOf(state) !== institutionId) {
      return { kind: 'refused', refusal: unknownWallet(walletId) };
    }
    const whose = institutionId === undefined ? {} : { institutionId };
    const command: IssueCommand = { addressId, walletId, purpose, label, externalId, ...whose };
    if (before) {
      const decision = decideIssuedBefore(command, before);
      if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
      return { kind: 'accepted', reply: { kind: 'address', address: before } };
    }
    const decision = decideIssue(command, state, batch.now, (wallet, branch, index) =>
      this.#derivations.derive(wallet, branch, index),
    );
    if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
    const [event] = decision.events;
    assert(event?.type === 'address_issued', `an address of branch ${branchOf(purpose)} is issued`);
    batch.append(walletStream, walletId, event);
    if (name !== undefined) world.named.set(name, event.address);
    return { kind: 'accepted', reply: { kind: 'address', address: event.address } };
  }

  async #loadTaken(session: Session, bodies: readonly IssuerBody[]): Promise<Set<ScriptHex>> {
    const scripts = bodies.flatMap((body) => {
      if (body.kind === 'set_keys') return firstScripts(body.keys, this.#network);
      return body.kind === 'register_wallet' ? firstScripts(body.descriptor, this.#network) : [];
    });
    if (scripts.length === 0) return new Set();
    const text = 'SELECT first_script FROM wallet_branches WHERE first_script = ANY($1::text[])';
    const rows = await session.query<{ first_script: ScriptHex }>(text, [scripts]);
    return new Set(rows.map((row) => row.first_script));
  }
}

function ownerOf(state: WalletState): string | undefined {
  if (state.status === 'none') return undefined;
  return state.status === 'requested' ? state.request.institutionId : state.wallet.institutionId;
}

function chooseWallet(
  { walletId, institutionId }: IssueBody,
  world: IssuerWorld,
): { readonly kind: 'chosen'; readonly walletId: string } | { readonly kind: 'refused'; readonly refusal: Refusal } {
  if (walletId !== '') return { kind: 'chosen', walletId };
  const own = world.ownWallets.get(institutionId ?? '');
  if (!own) {
    const message = `institution ${institutionId} has no wallet: register one first`;
    return { kind: 'refused', refusal: refusal('failed_precondition', 'NO_WALLET', message) };
  }
  if (own.count === 1) return { kind: 'chosen', walletId: own.walletId };
  return {
    kind: 'refused',
    refusal: invalid(fieldError('wallet_id', `expected one of ${own.count} wallets of ${institutionId}`)),
  };
}

/** What an institution calls the address it asks for; undefined where it has no name for it. */
function nameOf({ institutionId, externalId }: Pick<IssueBody, 'institutionId' | 'externalId'>): string | undefined {
  return institutionId === undefined || externalId === '' ? undefined : JSON.stringify([institutionId, externalId]);
}

async function loadNamed(session: Session, bodies: readonly IssuerBody[]): Promise<Map<string, IssuedAddress>> {
  const names = bodies.flatMap((body) => {
    if (body.kind !== 'issue' || body.institutionId === undefined || body.externalId === '') return [];
    return [{ institutionId: body.institutionId, externalId: body.externalId }];
  });
  if (names.length === 0) return new Map();
  const issued = await addressesNamed(session, names);
  return new Map(issued.map((address) => [nameOf(address)!, address]));
}

async function loadOwnWallets(session: Session, bodies: readonly IssuerBody[]): Promise<Map<string, OwnWallets>> {
  const open = bodies.flatMap((body) =>
    body.kind === 'issue' && body.walletId === '' && body.institutionId !== undefined ? [body.institutionId] : [],
  );
  if (open.length === 0) return new Map();
  const rows = await session.query<{ institution_id: string; wallets: number; wallet_id: string }>(
    `SELECT institution_id, count(*)::int AS wallets, min(wallet_id) AS wallet_id FROM wallets
     WHERE institution_id = ANY($1::text[]) GROUP BY institution_id`,
    [[...new Set(open)]],
  );
  return new Map(rows.map((row) => [row.institution_id, { count: row.wallets, walletId: row.wallet_id }]));
}

function challengesNamed(body: IssuerBody): readonly string[] {
  if (body.kind === 'issue_challenge') return [body.challenge.challengeId];
  return body.kind === 'register_wallet' ? [body.proof.challengeId] : [];
}

function walletsNamed(body: IssuerBody): readonly string[] {
  switch (body.kind) {
    case 'request_wallet':
    case 'register_wallet':
      return [body.request.walletId];
    case 'mark_used':
      return body.uses.map(({ walletId }) => walletId);
    case 'note_institution':
    case 'issue_challenge':
    case 'check_institution':
    case 'note_signatory':
    case 'note_revocation':
    case 'request_destination':
    case 'review_destination':
    case 'approve_destination':
    case 'remove_destination':
      return [];
    default:
      return body.walletId === '' ? [] : [body.walletId];
  }
}

function institutionsNamed(body: IssuerBody): readonly string[] {
  switch (body.kind) {
    case 'request_wallet':
    case 'register_wallet':
      return [body.request.institutionId];
    case 'issue_challenge':
      return [body.challenge.institutionId];
    case 'note_institution':
    case 'check_institution':
    case 'request_destination':
      return [body.institutionId];
    case 'issue':
      return body.institutionId === undefined ? [] : [body.institutionId];
    default:
      return [];
  }
}
