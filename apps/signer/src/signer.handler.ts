import {
  type Branch,
  type OutpointKey,
  outpointKey,
  parseTransaction,
  type ParsedTransaction,
  type Txid,
} from '@finality/bitcoin';
import type { Batch, CommandHandler, Handled, Session, StoreCommand } from '@finality/event-store';
import { assertNever, type Instant, type Sats, unwrap } from '@finality/kernel';
import {
  type Account,
  ANCESTRY_MAX,
  type CreateAccount,
  decideCreateAccount,
  decideHandOut,
  decideLedgerHead,
  decideReleaseCoins,
  decideSigning,
  type DecisionRecord,
  type HandOut,
  headOf,
  isPaid,
  type KnownCoin,
  type LedgerHeadRefused,
  type LineageState,
  POLICY_VERSION,
  type ReleaseCoins,
  type Refused,
  type SigningAccepted,
  type SigningFacts,
  type SigningLimits,
  type SigningRequest,
  type VersionRef,
} from '@finality/signing';
import { type LedgerHead, referenceTo } from '@finality/ledger';
import type { Keyring } from './keyring.ts';
import {
  type Ancestor,
  branchName,
  indicesOf,
  type JournalAnswer,
  nextAccountIndex,
  readJournal,
  segmentName,
  writeJournal,
} from './outbound/journal.ts';
import {
  accountStream,
  accountStreamOf,
  approvalRulesStream,
  approvalRulesStreamOf,
  destinationStream,
  destinationStreamOf,
  EPOCH_ID,
  epochStream,
  epochStreamKey,
  LEDGER_ID,
  ledgerHeadsStream,
  lineageStream,
  lineageStreamOf,
  signatoriesStream,
  signatoriesStreamOf,
} from './streams.ts';
import {
  type AllowListBody,
  type AllowListReply,
  type AllowListTerms,
  decideAllowList,
  isAllowListBody,
  loadUsedNonces,
  streamsOf,
  type UsedNonces,
  writeUsedNonces,
} from './allow-list.ts';

export type SignerBody =
  | ({ readonly kind: 'create_account' } & CreateAccount)
  | { readonly kind: 'sign'; readonly request: SigningRequest }
  | { readonly kind: 'record_hand_out'; readonly handOut: HandOut }
  | ({ readonly kind: 'release_coins' } & ReleaseCoins)
  | { readonly kind: 'raise_epoch'; readonly above: number }
  | { readonly kind: 'sign_head'; readonly head: LedgerHead }
  | AllowListBody;

export type SignerReply =
  | { readonly kind: 'account'; readonly account: Account }
  /** In the journal, this time or before: the signature may be made. */
  | { readonly kind: 'accepted'; readonly account: Account; readonly txid: Txid }
  | { readonly kind: 'epoch'; readonly epoch: number }
  /** In the log, with its rule. */
  | { readonly kind: 'refused'; readonly refused: Refused | LedgerHeadRefused }
  /** The head of a segment of the ledger is on record, this time or before. */
  | { readonly kind: 'head_accepted' }
  | { readonly kind: 'coins_released' }
  /** In the journal, this time or before: it may leave to whoever has the keys. */
  | { readonly kind: 'hand_out_recorded' }
  | AllowListReply;

export interface SignerHandlerOptions {
  readonly keyring: Keyring;
  readonly limits: SigningLimits;
  readonly allowList: AllowListTerms;
}

/** Decides on accounts and signatures; whatever it accepts is in the journal when the batch commits, before any signature is made. */
export class SignerHandler implements CommandHandler<SignerBody, SignerWorld, SignerReply> {
  readonly #options: SignerHandlerOptions;

  constructor(options: SignerHandlerOptions) {
    this.#options = options;
  }

  async load(session: Session, commands: readonly StoreCommand<SignerBody>[], batch: Batch): Promise<SignerWorld> {
    const bodies = commands.map(({ body }) => body);
    const requests = bodies.flatMap(requestsOf);
    const releases = bodies.flatMap((body) => (body.kind === 'release_coins' ? [body] : []));
    const creations = bodies.flatMap((body) => (body.kind === 'create_account' ? [body.walletId] : []));
    const wallets = [...creations, ...requests.flatMap(walletsOf)];
    const streams = new Set([
      ...(bodies.some(({ kind }) => kind === 'raise_epoch') ? [epochStreamKey] : []),
      ...wallets.map(accountStreamOf),
      ...[...requests, ...releases].map(({ lineageId }) => lineageStreamOf(lineageId)),
      ...requests.flatMap(destinationsOf).map(({ destinationId }) => destinationStreamOf(destinationId)),
      ...requests.flatMap(destinationsOf).map(({ institutionId }) => signatoriesStreamOf(institutionId)),
      ...requests.flatMap(payersOf).flatMap((payer) => [signatoriesStreamOf(payer), approvalRulesStreamOf(payer)]),
      ...(bodies.some(concernsHeads) ? [`${ledgerHeadsStream.aggregate.name}/${LEDGER_ID}`] : []),
      ...bodies.flatMap((body) => (isAllowListBody(body) ? streamsOf(body) : [])),
    ]);
    await batch.loadStreams(session, [...streams]);
    const since = (batch.now - this.#options.limits.windowMs) as Instant;
    const journal = await readJournal(session, {
      anchors: requests.map(({ anchor }) => anchor),
      outpoints: [
        ...new Set([
          ...requests.flatMap(({ inputs }) => inputs.map(({ outpoint }) => outpoint)),
          ...releases.flatMap(({ outpoints }) => outpoints),
        ]),
      ],
      settlements: [
        ...new Set(requests.flatMap(({ outputs }) => outputs.flatMap((o) => (isPaid(o) ? [o.settlementId] : [])))),
      ],
      institutions: [
        ...new Set(
          requests.flatMap(({ walletId }) => batch.state(accountStream, walletId).account?.institutionId ?? []),
        ),
      ],
      lineages: [...new Set(requests.map(({ lineageId }) => lineageId))],
      wallets: [...new Set(requests.flatMap(walletsOf))],
      heads: requests.flatMap(({ outputs }) => headOf(outputs) ?? []),
      since,
    });
    const paying = [...journal.payments.values()].flat().map(({ lineageId }) => lineageStreamOf(lineageId));
    await batch.loadStreams(
      session,
      [...new Set(paying)].filter((stream) => !streams.has(stream)),
    );
    const usedNonces = await loadUsedNonces(session, bodies.filter(isAllowListBody));
    return new SignerWorld(journal, creations.length > 0 ? await nextAccountIndex(session) : 0, usedNonces);
  }

  handle({ body }: StoreCommand<SignerBody>, world: SignerWorld, batch: Batch): Handled<SignerReply> {
    switch (body.kind) {
      case 'create_account':
        return this.#createAccount(body, world, batch);
      case 'sign':
        return { kind: 'accepted', reply: this.#sign(body.request, world, batch) };
      case 'record_hand_out':
        return { kind: 'accepted', reply: this.#recordHandOut(body.handOut, world, batch) };
      case 'raise_epoch':
        return { kind: 'accepted', reply: raiseEpoch(body.above, world, batch) };
      case 'release_coins':
        return releaseCoins(body, world, batch);
      case 'sign_head':
        return { kind: 'accepted', reply: acceptHead(body.head, world, batch) };
      case 'register_signatory':
      case 'revoke_signatory':
      case 'register_destination':
      case 'remove_destination':
      case 'require_approvals':
        return decideAllowList(body, world.usedNonces, batch, this.#options.allowList);
      default:
        return assertNever(body, 'signer command');
    }
  }

  async save(session: Session, _world: SignerWorld, events: Parameters<typeof writeJournal>[1]): Promise<void> {
    await writeJournal(session, events);
    await writeUsedNonces(session, events);
  }

  #createAccount(
    { walletId, institutionId, scriptType }: CreateAccount,
    world: SignerWorld,
    batch: Batch,
  ): Handled<SignerReply> {
    const command = { walletId, institutionId, scriptType };
    const state = batch.state(accountStream, walletId);
    const decision = decideCreateAccount(command, state, () =>
      this.#options.keyring.open(command, world.accountIndexNext),
    );
    if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
    const after = decision.events.length > 0 ? batch.append(accountStream, walletId, ...decision.events) : state;
    world.accountIndexNext += decision.events.length;
    return { kind: 'accepted', reply: { kind: 'account', account: after.account! } };
  }

  /** A refusal is accepted by the store: it is a decision, and decisions are kept. */
  #sign(request: SigningRequest, world: SignerWorld, batch: Batch): SignerReply {
    const facts = this.#facts(request, world, batch);
    const decided = decideSigning(request, facts);
    const decision: DecisionRecord = {
      policyVersion: POLICY_VERSION,
      limits: facts.limits,
      epochHighest: facts.epochHighest,
      sentBeforeSats: facts.sentBeforeSats,
      indicesHighest: world.highestOf(request),
      ...(facts.headAnchored && { headAnchored: facts.headAnchored }),
    };
    if (!decided.ok) {
      const { rule, message } = decided.error;
      const refusedAt = batch.now;
      batch.append(lineageStream, request.lineageId, {
        type: 'signing_refused',
        request,
        rule,
        message,
        refusedAt,
        decision,
      });
      return { kind: 'refused', refused: decided.error };
    }
    const { transaction, feeSats, sentSats, repeated } = decided.value;
    const { txid } = transaction;
    if (!repeated) {
      const { institutionId } = facts.account(request.walletId)!;
      const accepted = { request, institutionId, txid, feeSats, sentSats, acceptedAt: batch.now, decision };
      noteAnchor(request, facts, batch);
      batch.append(lineageStream, request.lineageId, { type: 'signing_accepted', ...accepted });
      world.accepted(accepted, transaction);
      world.paid(request);
    }
    return { kind: 'accepted', account: facts.account(request.walletId)!, txid };
  }

  #recordHandOut(handOut: HandOut, world: SignerWorld, batch: Batch): SignerReply {
    const { request } = handOut;
    const { lineageId } = request;
    const facts = this.#facts(request, world, batch);
    const decided = decideHandOut(handOut, facts);
    const rested = { ...handOut, policyVersion: POLICY_VERSION, epochHighest: facts.epochHighest };
    if (!decided.ok) {
      const refused = { ...rested, ...decided.error, refusedAt: batch.now };
      batch.append(lineageStream, lineageId, { type: 'hand_out_refused', ...refused });
      return { kind: 'refused', refused: decided.error };
    }
    const { transaction, feeSats, repeated } = decided.value;
    if (!repeated) {
      const accepted = { ...rested, txid: transaction.txid, feeSats, acceptedAt: batch.now };
      batch.append(lineageStream, lineageId, { type: 'hand_out_accepted', ...accepted });
      world.accepted({ ...handOut, sentSats: 0n as Sats }, transaction);
    }
    return { kind: 'hand_out_recorded' };
  }

  #facts(request: SigningRequest, world: SignerWorld, batch: Batch): SigningFacts {
    const { keyring, limits } = this.#options;
    const lineage: LineageState = batch.state(lineageStream, request.lineageId);
    const account = batch.state(accountStream, request.walletId).account;
    const sentInLineageSats = world.sentInLineage.get(request.lineageId) ?? 0n;
    return {
      network: keyring.network,
      account: (walletId) => batch.state(accountStream, walletId).account ?? undefined,
      scriptOf: (account, branch, index) => keyring.scriptOf(account, branch, index),
      indexHighest: (walletId, branch) => world.indexHighest(walletId, branch),
      destination: (destinationId) => batch.state(destinationStream, destinationId),
      signatories: (institutionId) => batch.state(signatoriesStream, institutionId),
      approvalRules: (institutionId) => batch.state(approvalRulesStream, institutionId),
      domain: this.#options.allowList.domain,
      now: batch.now,
      lineage,
      signedHead: (epoch, segment) => world.signedHeads.get(segmentName({ epoch, segment })),
      headAnchored: headOf(request.outputs) ? batch.state(ledgerHeadsStream, LEDGER_ID).anchored : null,
      coin: (outpoint) => world.coin(outpoint),
      paymentsOf: (settlementId) => world.paymentsOf(settlementId),
      ancestryOf: (anchor) => world.ancestryOf(anchor),
      otherLineage: (lineageId) => batch.state(lineageStream, lineageId),
      // A lineage sends from one wallet only; if this request names another, it is refused for that before limits count.
      sentBeforeSats:
        (world.sent.get(account?.institutionId ?? '') ?? 0n) -
        (lineage.fixed?.walletId === request.walletId ? sentInLineageSats : 0n),
      sentInLineageSats,
      limits,
      epochHighest: world.epochHighest,
    };
  }
}

/** Transactions that somebody is to sign. */
function requestsOf(body: SignerBody): readonly SigningRequest[] {
  if (body.kind === 'record_hand_out') return [body.handOut.request];
  return body.kind === 'sign' ? [body.request] : [];
}

function releaseCoins(command: ReleaseCoins, world: SignerWorld, batch: Batch): Handled<SignerReply> {
  const { lineageId } = command;
  const decision = decideReleaseCoins(command, batch.state(lineageStream, lineageId), {
    now: batch.now,
    ownerOf: (outpoint) => world.coin(outpoint).lineageId,
  });
  if (decision.kind === 'refused') return { kind: 'refused', refusal: decision.refused };
  for (const event of decision.events) {
    batch.append(lineageStream, lineageId, event);
    world.released(event.outpoints);
  }
  return { kind: 'accepted', reply: { kind: 'coins_released' } };
}

function raiseEpoch(above: number, world: SignerWorld, batch: Batch): SignerReply {
  const epoch = Math.max(above, world.epochHighest) + 1;
  batch.append(epochStream, EPOCH_ID, { type: 'epoch_raised', epoch, raisedAt: batch.now });
  world.epochHighest = epoch;
  return { kind: 'epoch', epoch };
}

/** A refusal is kept here too. */
function acceptHead(head: LedgerHead, world: SignerWorld, batch: Batch): SignerReply {
  const decided = decideLedgerHead(head, batch.state(ledgerHeadsStream, LEDGER_ID));
  if (!decided.ok) {
    const { rule, message } = decided.error;
    batch.append(ledgerHeadsStream, LEDGER_ID, { type: 'head_refused', head, rule, message, refusedAt: batch.now });
    return { kind: 'refused', refused: decided.error };
  }
  if (!decided.value.repeated) {
    batch.append(ledgerHeadsStream, LEDGER_ID, { type: 'head_accepted', head, acceptedAt: batch.now });
    world.signedHeads.set(segmentName(head), referenceTo(head).hash);
  }
  return { kind: 'head_accepted' };
}

/** The first version of a lineage has its turn; later ones are replacements. */
function noteAnchor({ lineageId, outputs }: SigningRequest, { lineage }: SigningFacts, batch: Batch): void {
  const head = headOf(outputs);
  if (head === undefined || lineage.versions.length > 0) return;
  batch.append(ledgerHeadsStream, LEDGER_ID, { type: 'head_anchored', lineageId, head, acceptedAt: batch.now });
}

const concernsHeads = (body: SignerBody): boolean =>
  body.kind === 'sign_head' || (body.kind === 'sign' && headOf(body.request.outputs) !== undefined);

function walletsOf(request: SigningRequest): readonly string[] {
  return [request.walletId, ...request.outputs.flatMap((output) => (output.kind === 'payee' ? [output.walletId] : []))];
}

const payersOf = ({ payouts }: SigningRequest): readonly string[] => [
  ...new Set(payouts.map(({ payerInstitutionId }) => payerInstitutionId)),
];

const destinationsOf = ({ outputs }: SigningRequest): readonly DestinationName[] =>
  outputs.filter(isPaid).flatMap(({ institutionId, destinationId }) => {
    return destinationId === undefined ? [] : [{ institutionId, destinationId }];
  });

interface DestinationName {
  readonly institutionId: string;
  readonly destinationId: string;
}

/** What the journal says, kept up to date within a batch. */
export class SignerWorld {
  accountIndexNext: number;
  epochHighest: number;
  readonly usedNonces: UsedNonces;
  /** Hashes of heads of the ledger, by segment. */
  readonly signedHeads: Map<string, string>;
  readonly sent: Map<string, bigint>;
  readonly sentInLineage: Map<string, bigint>;
  readonly #indicesHighest: Map<string, number>;
  readonly #coins: Map<OutpointKey, KnownCoin>;
  readonly #parents: Map<string, ParsedTransaction>;
  readonly #payments: Map<string, readonly VersionRef[]>;
  readonly #ancestors: Map<string, Ancestor>;

  constructor(journal: JournalAnswer, accountIndexNext: number, usedNonces: UsedNonces) {
    this.usedNonces = usedNonces;
    this.signedHeads = new Map(journal.signedHeads);
    this.accountIndexNext = accountIndexNext;
    this.epochHighest = journal.epochHighest;
    this.#payments = new Map(journal.payments);
    this.#ancestors = new Map(journal.ancestors);
    this.sent = new Map(journal.sent);
    this.sentInLineage = new Map(journal.sentInLineage);
    this.#indicesHighest = new Map(journal.indicesHighest);
    this.#coins = new Map(journal.coins);
    this.#parents = new Map([...journal.parents].map(([txid, raw]) => [txid, unwrap(parseTransaction(raw))]));
  }

  /** A coin that a transaction of ours makes has the value and script that it has there, whatever was declared before. */
  coin(outpoint: OutpointKey): KnownCoin {
    const made = this.#parents.get(outpoint.slice(0, 64))?.outputs[Number(outpoint.slice(65))];
    return { ...this.#coins.get(outpoint), ...(made ? { valueSats: made.valueSats, script: made.script } : {}) };
  }

  paymentsOf(settlementId: string): readonly VersionRef[] {
    return this.#payments.get(settlementId) ?? [];
  }

  ancestryOf(anchor: OutpointKey): readonly VersionRef[] {
    const ancestry: VersionRef[] = [];
    let made = this.#ancestors.get(anchor.slice(0, 64));
    while (made !== undefined && ancestry.length < ANCESTRY_MAX) {
      ancestry.push(made);
      made = this.#ancestors.get(made.anchor.slice(0, 64));
    }
    return ancestry;
  }

  released(outpoints: readonly OutpointKey[]): void {
    for (const outpoint of outpoints) {
      const { lineageId: _before, ...coin } = this.#coins.get(outpoint) ?? {};
      this.#coins.set(outpoint, coin);
    }
  }

  /** -1: none is known. */
  indexHighest(walletId: string, branch: Branch): number {
    return this.#indicesHighest.get(branchName(walletId, branch)) ?? -1;
  }

  /** Of the branches that outputs are on, as the decision on a request found them. */
  highestOf(request: SigningRequest): Readonly<Record<string, number>> {
    const places = indicesOf(request);
    return Object.fromEntries(
      places.map(({ walletId, branch }) => [branchName(walletId, branch), this.indexHighest(walletId, branch)]),
    );
  }

  accepted(
    { request, institutionId, sentSats }: Pick<SigningAccepted, 'request' | 'institutionId' | 'sentSats'>,
    transaction: ParsedTransaction,
  ): void {
    const { lineageId, version, anchor } = request;
    for (const [i, { valueSats }] of request.inputs.entries()) {
      this.#coins.set(outpointKey(transaction.inputs[i]!.outpoint), { lineageId, valueSats });
    }
    for (const { settlementId } of request.payouts)
      this.#payments.set(settlementId, [...this.paymentsOf(settlementId), { lineageId, version }]);
    this.#ancestors.set(transaction.txid, { lineageId, version, anchor });
    const before = this.sentInLineage.get(lineageId) ?? 0n;
    const after = sentSats > before ? sentSats : before;
    this.sentInLineage.set(lineageId, after);
    this.sent.set(institutionId, (this.sent.get(institutionId) ?? 0n) + after - before);
    if (request.epoch > this.epochHighest) this.epochHighest = request.epoch;
    this.#parents.set(transaction.txid, transaction);
  }

  /** Signed by the signer itself. */
  paid(request: SigningRequest): void {
    for (const { walletId, branch, index } of indicesOf(request)) {
      if (index > this.indexHighest(walletId, branch)) this.#indicesHighest.set(branchName(walletId, branch), index);
    }
  }
}
