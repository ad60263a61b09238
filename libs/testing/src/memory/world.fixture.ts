import { collectSignatures, hexFromBytes, type OutpointKey, preparePsbt, type PsbtPlan } from '@finality/bitcoin';
import { type Principal, unwrap } from '@finality/kernel';
import {
  type ChainFact,
  latest,
  type LineageEvent,
  living,
  offered,
  type OfferedLineage,
  type OfferedVersion,
  psbtPlanOf,
  type SettlementPolicy,
  type TimerKind,
} from '@finality/settlement';
import { type Command, walletCalled, type World } from '@finality/settlement/spec';
import { askedAgain, described, isOfCaller, rung, settlementOf, shortened } from './commands.fixture.ts';
import { cosigned, ownersSigned } from './keys.fixture.ts';
import { writeByOldBook } from './old-writer.fixture.ts';
import type { Message, Parts } from './parts.fixture.ts';
import { bookWithout, deciding, type MemoryProtection } from './protections.fixture.ts';
import { signingRequest } from './requests.fixture.ts';
import { payAnew } from './rogue.fixture.ts';
import { MemoryAml, MemoryRisk, type Screening, type Subject } from './screening.fixture.ts';
import type { Vouched } from './signer.fixture.ts';
import { WatchedWorld } from './watched-world.fixture.ts';

/** So many commands at most have been missed by whoever was overtaken. */
const REMEMBERED_LESS_MAX = 30;
/** Whoever gets no answer asks so often, with the same key. */
const ATTEMPTS_MAX = 4;
const ASKS_AGAIN = 0.7;
/** What a caller makes of no answer. */
const UNAVAILABLE = 'UNAVAILABLE';
const OPERATOR: Principal = { keyId: 'operator', roles: ['operator'] };

/**
 * The world of the settlement service's histories, taken apart: the others are services of their own, with stores of their own, that only hear of each other by
 * messages. What the world's actions do at once, here begins, may be cut off anywhere, and goes on when somebody does his next step.
 */
export class SimulatedWorld extends WatchedWorld {
  /** By key: the settlement that came of it, or nothing that has a name. */
  readonly #answers = new Map<string, string>();
  /** Settlements that callers were told of. */
  readonly accepted = new Set<string>();
  #asked = 0;
  /** Versions that left to the owners of their keys. */
  readonly left = new Set<string>();
  /** Settlements that callers have seen settled. */
  readonly settled = new Set<string>();
  /** What became final by itself while a reorg was looked into. */
  readonly finalAfterDeepReorg: string[] = [];
  #isReorgOpen = false;
  /** Deposits that were credited before they were deep enough. */
  readonly creditedEarly: string[] = [];
  /** As it was meant to be, whatever the book goes by. */
  readonly #policy: SettlementPolicy;
  constructor(
    policy: SettlementPolicy,
    late: readonly string[],
    without: MemoryProtection | undefined,
    make: (world: World) => Parts,
  ) {
    super(policy, late, bookWithout(policy, without), make);
    this.#policy = policy;
    const { bus } = this.parts;
    const screening = { risk: new MemoryRisk(), aml: new MemoryAml() };
    for (const by of ['risk', 'aml'] as const)
      bus.subscribe('subjects', by, (message) => this.#screened(message, by, screening[by]));
    bus.subscribe('verdicts of risk', 'settlement', (message, id) => this.#consume(message, id));
    bus.subscribe('verdicts of aml', 'settlement', (message, id) => this.#consume(message, id));
    bus.subscribe('chain', 'settlement', (message, id) => this.#consume(message, id));
  }

  /** For whoever drives the world. */
  get surroundings(): Parts {
    return this.parts;
  }

  get vouched(): readonly Vouched[] {
    return this.parts.signer.vouched;
  }

  /** A caller, an operator or a worker of the service's own asks for something; without an answer once more, or not at all. */
  override tell(command: Command, ...causes: readonly string[]): string | undefined {
    if (this.parts === undefined) return super.tell(command, ...causes);
    const { faults, random, trace } = this.parts;
    const key = isOfCaller(command) ? `key ${this.#asked++}` : undefined;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const again = askedAgain(command, attempt);
      const asked = faults.effect(described(again), () => this.#handle(again, key, causes));
      if (asked.answered) {
        const isDull = faults.calm && command.type === 'retry_reservation';
        trace.add(`${described(again)}${asked.value === undefined ? '' : `: ${asked.value}`}`, isDull);
        const made = key === undefined ? undefined : this.#answers.get(key);
        if (made !== undefined && made !== '') this.accepted.add(made);
        return asked.value;
      }
      if (this.parts.without === 'answer-last' && isOfCaller(command)) return this.#promise(command);
      if (!random.chance(ASKS_AGAIN)) break;
    }
    return UNAVAILABLE;
  }

  /** An answer that didn't wait for what it tells to be stored. */
  #promise(command: Command): undefined {
    const made = settlementOf(command);
    if (made !== '') this.accepted.add(made);
  }

  /** One append: what is decided, the answer under its key, and what others are told of it. */
  #handle(command: Command, key: string | undefined, causes: readonly string[]): string | undefined {
    const remembers = this.parts.without !== 'idempotency';
    if (remembers && key !== undefined && this.#answers.has(key)) return undefined;
    const before = this.book.log.length;
    const refused = deciding(this.book, () => super.tell(command, ...causes));
    if (key !== undefined && refused === undefined) this.#answers.set(key, settlementOf(command));
    if (command.type === 'confirm_incident') this.#isReorgOpen &&= this.book.tip.get().incidents.length > 0;
    this.#note(before);
    if (this.parts.without === 'outbox') this.parts.faults.effect('what was told is sent', () => this.#publish(before));
    else this.#publish(before);
    return refused;
  }

  #note(before: number): void {
    for (const { stream, event } of this.book.log.slice(before)) {
      if (event.type === 'settlement_settled') this.settled.add(stream.slice(stream.indexOf('/') + 1));
      const isFinal = event.type === 'deposit_credited' || event.type === 'lineage_final';
      if (event.type === 'deposit_credited') this.#noteDepth(stream.slice(stream.indexOf('/') + 1));
      if (this.#isReorgOpen && isFinal) this.finalAfterDeepReorg.push(`${event.type} of ${shortened(stream)}`);
    }
  }

  #noteDepth(outpoint: string): void {
    const deposit = this.book.deposits.get(outpoint);
    if (deposit.status !== 'credited') return;
    const confirmations = this.book.tip.get().height - deposit.block.height + 1;
    if (confirmations < this.#policy.confirmations.base.deposit)
      this.creditedEarly.push(`${shortened(outpoint)} with ${confirmations}`);
  }

  #publish(before: number): void {
    const { bus } = this.parts;
    for (const { stream, event } of this.book.log.slice(before)) {
      const id = stream.slice(stream.indexOf('/') + 1);
      if (event.type === 'screening_requested')
        bus.publish('subjects', id, { kind: 'screen', subject: this.#paymentOf(id) });
      if (event.type === 'deposit_detected')
        bus.publish('subjects', id, { kind: 'screen', subject: this.#depositOf(id) });
      if (event.type !== 'version_signed') continue;
      const { version, signedHex } = event as Extract<LineageEvent, { type: 'version_signed' }>;
      const { txid } = offered(this.book.lineages.get(id)).versions[version - 1]!;
      bus.publish('transactions', id, { kind: 'signed', txid, signedHex });
    }
  }

  #paymentOf(id: string): Subject {
    const { terms, sources } = living(this.book.settlements.get(id));
    return { kind: 'settlement', id, amountSats: terms.amountSats, merchant: terms.to, sources: sources.map(sourceOf) };
  }

  #depositOf(id: string): Subject {
    const deposit = this.book.deposits.get(id);
    if (deposit.status === 'none') throw new Error(`${id} was detected`);
    const { valueSats, sources } = deposit.terms;
    return { kind: 'deposit', id, amountSats: valueSats, sources: sources.map(sourceOf) };
  }

  #screened(message: Message, by: 'risk' | 'aml', screening: Screening): void {
    if (message.kind !== 'screen') return;
    const { subject } = message;
    const assessment = screening.screen(subject, this.book.now);
    this.parts.bus.publish(`verdicts of ${by}`, subject.id, { kind: 'verdict', subject: subject.kind, by, assessment });
  }

  /** Of a message, in the append that puts it into the inbox. */
  #consume(message: Message, id: string): void {
    const command = commandOf(message, id);
    if (command.type === 'chain_fact') this.#watchDepth(command.fact);
    this.#handle(command, undefined, []);
    this.parts.trace.add(described(command), this.#isDull(command));
    if (message.kind === 'fact') this.heard(message);
  }

  /** When all is calm there is many a block that changes nothing. */
  #isDull(command: Command): boolean {
    return this.parts.faults.calm && command.type === 'chain_fact' && command.fact.kind.startsWith('block_');
  }

  #watchDepth(fact: ChainFact): void {
    if (fact.kind !== 'block_disconnected') return;
    this.#isReorgOpen ||= fact.block.height - fact.forkHeight > this.#policy.deepReorgBlocks;
  }

  override screen(_subject: string, id: string, by: 'risk' | 'aml'): void {
    this.pump(`${by} < subjects ${id}`);
    this.pump(`settlement < verdicts of ${by} ${id}`);
  }

  protected override nextIndex(walletId: string, branch: 0 | 1): number {
    if (this.parts === undefined) return super.nextIndex(walletId, branch);
    const { issuer, random, faults, trace } = this.parts;
    const isLate = !faults.calm && random.below(8) === 0;
    const index = issuer.issue(walletId, branch, this.book.now, isLate);
    if (index !== undefined) return index;
    trace.add(`an issuer that stood still is told that others have written to ${walletId}`);
    return issuer.issue(walletId, branch, this.book.now, false)!;
  }

  /** A timer fires, until what it is for has been done. */
  ring(kind: TimerKind, id: string): void {
    const command = rung(kind, id);
    const key = `${kind} ${id}`;
    const before = this.book.alarms.get(key);
    if (this.tell(command) === UNAVAILABLE) return;
    const alarm = this.book.alarms.get(key);
    // What has been set anew goes off again.
    if (alarm === before && alarm !== undefined && alarm.dueAt <= this.book.now) this.book.alarms.delete(key);
  }

  /** A process that was overtaken, and still takes itself for the one that writes, settles by what it remembers. */
  writeLate(): void {
    const { without, random, trace } = this.parts;
    if (without !== 'one-writer') return trace.add('a writer that was overtaken is refused');
    const remembered = this.told.slice(0, -1 - random.below(REMEMBERED_LESS_MAX));
    const lateId = `late-${this.book.log.length}`;
    writeByOldBook(this.book, remembered, lateId, trace);
  }

  /** Somebody with the settlement service's credentials asks the signer for what it should never sign. */
  goRogue(): void {
    payAnew(this);
  }

  // The signer.

  override sign(lineageId: string): void {
    const lineage = offered(this.book.lineages.get(lineageId));
    const version = latest(lineage);
    const { faults, signer, trace } = this.parts;
    const what = `the signer signs ${lineageId} version ${version.version}`;
    const asked = faults.effect(what, () => signer.sign(this.requestOf(lineage, version), this.book.now));
    if (!asked.answered) return;
    trace.add(`${what}${asked.value.ok ? '' : `: ${asked.value.error.rule}`}`);
    if (!asked.value.ok) return super.refuseToSign(lineageId, asked.value.error.rule);
    this.tell({
      type: 'transaction_signed',
      lineageId,
      version: version.version,
      signedHex: hexFromBytes(asked.value.value.raw),
    });
    const stored = offered(this.book.lineages.get(lineageId)).versions[version.version - 1]!;
    if (stored.signedHex !== undefined) this.becomesBroadcastable(stored);
  }

  /** It can't be reached. */
  override refuseToSign(lineageId: string): void {
    this.parts.trace.add(`nobody answers who is to sign ${lineageId}`);
  }

  requestOf(lineage: OfferedLineage, version: OfferedVersion) {
    const paid = version.payouts.map(({ settlementId }) => living(this.book.settlements.get(settlementId)));
    return signingRequest(lineage, version, paid);
  }

  /** It leaves to the owners of the keys once the signer has it in its journal. */
  #handOut(lineageId: string, number: number): boolean {
    const key = `${lineageId}/${number}`;
    if (this.left.has(key)) return true;
    // It leaves at once, and is put into the journal if there is time.
    if (this.parts.without === 'journal-before-hand-out') {
      this.left.add(key);
      if (this.parts.random.chance(0.5)) return true;
    }
    const lineage = offered(this.book.lineages.get(lineageId));
    const version = lineage.versions[number - 1]!;
    const { faults, signer, trace } = this.parts;
    const handOut = {
      request: this.requestOf(lineage, version),
      institutionId: lineage.institutionId,
      inputScripts: version.inputs.map(({ script }) => script),
    };
    const what = `the signer remembers ${lineageId} version ${number} as handed out`;
    const asked = faults.effect(what, () => signer.recordHandOut(handOut, this.book.now));
    if (!asked.answered) return false;
    trace.add(`${what}${asked.value.ok ? '' : `: ${asked.value.error.rule}`}`);
    if (asked.value.ok) this.left.add(key);
    return asked.value.ok;
  }

  override cosign(settlementId: string, lineageId: string, number: number, whole: boolean): string | undefined {
    if (!this.#handOut(lineageId, number)) return UNAVAILABLE;
    const { walletId, versions } = offered(this.book.lineages.get(lineageId));
    const version = versions[number - 1]!;
    const plan = this.#psbtPlan(walletId, version);
    const before = version.signatures;
    const { required } = plan.inputs[0]!.place.descriptor;
    const owners = Array.from({ length: required }, (_, owner) => owner);
    const signing = whole || before !== undefined ? owners : owners.slice(0, 1);
    const { base64 } = unwrap(preparePsbt(plan));
    const psbts = signing.map((owner) => cosigned(base64, walletId, owner));
    const { combined, missing, transaction } = unwrap(
      collectSignatures(plan, [...(before === undefined ? [] : [before.psbt]), ...psbts]),
    );
    const signed = { version: number, after: before?.revision ?? 0, psbt: combined, missing };
    const added = transaction === undefined ? signed : { ...signed, signedHex: hexFromBytes(transaction.raw) };
    return this.tell({ type: 'add_signatures', settlementId, added, caller: OPERATOR }, `settlement/${settlementId}`);
  }

  #psbtPlan(walletId: string, version: OfferedVersion): PsbtPlan {
    return psbtPlanOf(version, walletCalled(walletId).descriptor!);
  }

  override ownersSign(lineageId: string, number: number): void {
    if (this.#handOut(lineageId, number)) super.ownersSign(lineageId, number);
  }

  protected override becomesBroadcastable(version: OfferedVersion): void {
    if (this.chain.known.has(version.txid)) return;
    if (version.signedHex !== undefined) return this.chain.learn(version);
    const { walletId } = offered(this.book.lineages.get(this.book.lineageOf(version.txid)!));
    const { raw } = ownersSigned(this.#psbtPlan(walletId, version), walletId);
    this.chain.learn({ ...version, signedHex: hexFromBytes(raw) });
  }

  override coinsReleased(lineageId: string): void {
    const { release } = offered(this.book.lineages.get(lineageId));
    if (release?.confirmedBy === undefined) return;
    const { outpoints, proposedBy, confirmedBy, reason } = release;
    const command = { lineageId, outpoints: [...outpoints] as OutpointKey[], proposedBy, confirmedBy, reason };
    const { faults, signer } = this.parts;
    const asked = faults.effect(`the signer releases coins of ${shortened(lineageId)}`, () =>
      signer.release(command, this.book.now),
    );
    if (asked.answered && asked.value) super.coinsReleased(lineageId);
  }
}

function commandOf(message: Message, id: string): Command {
  if (message.kind === 'fact') return { type: 'chain_fact', fact: message.fact };
  if (message.kind !== 'verdict') throw new Error(`nobody tells the settlement service ${message.kind}`);
  const { subject, by, assessment } = message;
  return { type: 'verdict', subject, id, by, assessment };
}

const sourceOf = ({
  script,
  address,
  depositOutpoint,
}: {
  script: string;
  address: string;
  depositOutpoint: string;
}) => ({
  script,
  address,
  outpoint: depositOutpoint,
});
