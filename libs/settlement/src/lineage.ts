import { type FeeTerms, nullDataScript, type OutpointKey, type ScriptHex, type Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import { headCommitment, type HeadReference } from '@finality/ledger';
import type { BlockRef, Payee } from './settlement.ts';

/** A coin that a lineage spends; the first one is its anchor. */
export interface LineageInput {
  readonly outpoint: OutpointKey;
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** An address of a wallet, as its issuer derived it. */
export interface WalletPlace {
  readonly walletId: string;
  readonly script: ScriptHex;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** Where an output goes: a wallet of ours, or a script that its payee has had put on the list. */
export type Destination = WalletPlace | { readonly destinationId: string; readonly script: ScriptHex };

export type OnChainPayee = Exclude<Payee, { kind: 'clearing' }>;

/** What a settlement's payee is to get. */
export interface LineagePayout {
  readonly settlementId: string;
  readonly payee: OnChainPayee;
  readonly payeeInstitutionId: string;
  /** What its output has: the settlement's amount less `payeeFeeSats`. */
  readonly amountSats: Sats;
  /** The payee's part of the fee, quoted anew with each plan until the first version is offered. */
  readonly payeeFeeSats: Sats;
  readonly feeBearer: FeeTerms['bearer'];
  /** What is reserved beside the settlement's amount: the most that the payer's part of the first version's fee may be. */
  readonly feeReservedSats: Sats;
}

/** Whose transactions these are, and the coin that every one of them spends: fixed when the first is planned, for good (DESIGN 8). */
export interface LineageIdentity {
  readonly lineageId: string;
  readonly walletId: string;
  readonly institutionId: string;
  /** The signer signs; otherwise the wallet's owner does. */
  readonly custodial: boolean;
  /** It makes one coin of many, and pays nobody. */
  readonly consolidates?: true;
  /** It writes this head of the ledger into the chain, and pays nobody: the platform bears its fee. */
  readonly anchorsHead?: HeadReference;
  readonly anchor: OutpointKey;
  /** It pays for this version of another lineage, whose change its anchor is (CPFP). */
  readonly parent?: { readonly lineageId: string; readonly version: number };
}

/** Where a version's outputs go. */
export interface Destinations {
  /** By settlement. */
  readonly payees: Readonly<Record<string, Destination>>;
  /** Needed when the plan has change. */
  readonly change?: WalletPlace;
}

/** The version that is to be offered next, before its addresses and its transaction exist. */
export interface LineagePlan extends LineageIdentity {
  /** From 1. */
  readonly version: number;
  readonly payouts: readonly LineagePayout[];
  /** The anchor first. */
  readonly inputs: readonly LineageInput[];
  readonly feeSats: Sats;
  /** Of the fee: what was left over and too little for change. */
  readonly droppedSats: Sats;
  /** 0: no change output. */
  readonly changeSats: Sats;
  /** Until then other payouts of the wallet may join the first version. */
  readonly offerAt: Instant;
  /** Of what waits for its PSBT to be asked for. */
  readonly destinations?: Destinations;
}

/** Every output of ours is declared before signing: a chain fact about it advances this, and is no deposit (DESIGN 6). */
export type DeclaredOutput = {
  readonly outpoint: OutpointKey;
  readonly valueSats: Sats;
} & (
  | { readonly role: 'payee'; readonly settlementId: string; readonly destination: Destination }
  | { readonly role: 'change'; readonly destination: WalletPlace }
  /** Of 0 sat, and nobody's: what the script says. */
  | { readonly role: 'head'; readonly head: HeadReference; readonly destination: { readonly script: ScriptHex } }
);

/** Before the transaction is built, and has an id. */
export type NewOutput = DeclaredOutput extends infer Output
  ? Output extends unknown
    ? Omit<Output, 'outpoint'>
    : never
  : never;

/** A payout as one version pays it. */
export interface VersionPayout extends LineagePayout {
  readonly outpoint: OutpointKey;
  /** Its share of the version's fee; the shares add up to the fee. */
  readonly feeSats: Sats;
  /** Of the share: its part of what was too little for change. */
  readonly droppedSats: Sats;
}

/** What a later version, or another lineage, pays of it: the same. */
export const payoutOf = ({
  outpoint: _outpoint,
  feeSats: _fee,
  droppedSats: _dropped,
  ...payout
}: VersionPayout): LineagePayout => payout;

/** A transaction offered for signature. */
export interface LineageVersion {
  readonly version: number;
  readonly txid: Txid;
  readonly unsignedHex: string;
  readonly inputs: readonly LineageInput[];
  readonly outputs: readonly DeclaredOutput[];
  readonly payouts: readonly VersionPayout[];
  readonly feeSats: Sats;
}

/** What the owners of a wallet's keys have signed of a version so far. */
export interface CollectedSignatures {
  /** PSBT with all of them, base64. */
  readonly psbt: string;
  /** Over all inputs. */
  readonly missing: number;
  /** How often some were added: who adds more must have seen them. */
  readonly revision: number;
}

/** A version with what has become of it. */
export interface OfferedVersion extends LineageVersion {
  readonly signedHex?: string;
  readonly signatures?: CollectedSignatures;
  /** Of the signer's policy, which has refused it and may not always. */
  readonly refusedRule?: string;
  /** A node has had it. */
  readonly broadcast: boolean;
}

/** Another transaction, in a block, spends what this lineage needs: it wins, unless a reorg takes it back. */
export interface Conflict {
  readonly byTxid: string;
  readonly outpoint: OutpointKey;
  readonly block: BlockRef;
}

/** Coins that a lineage has for nothing any more: somebody asks for them, and somebody else agrees. */
export interface CoinRelease {
  readonly outpoints: readonly OutpointKey[];
  readonly proposedBy: string;
  readonly reason: string;
  /** From then on the signer is told, and then they are free. */
  readonly confirmedBy?: string;
  readonly confirmationReason?: string;
}

export type LineageEvent = { readonly at: Instant } & (
  | { readonly type: 'lineage_planned'; readonly plan: LineagePlan }
  /** A payout has joined the first version, or left it, before anything was offered. */
  | { readonly type: 'plan_changed'; readonly plan: LineagePlan }
  | { readonly type: 'lineage_abandoned'; readonly reason: string }
  /** Another version is to replace the last one. */
  | { readonly type: 'version_planned'; readonly plan: LineagePlan }
  | { readonly type: 'version_dropped'; readonly reason: string }
  /** The wallet's owner may ask for the version's PSBT. */
  | { readonly type: 'destinations_assigned'; readonly version: number; readonly destinations: Destinations }
  | { readonly type: 'version_offered'; readonly version: LineageVersion }
  | { readonly type: 'signatures_collected'; readonly version: number; readonly signatures: CollectedSignatures }
  | { readonly type: 'version_signed'; readonly version: number; readonly signedHex: string }
  /** The signer's policy says no; asked again later, never built anew. */
  | { readonly type: 'signing_refused'; readonly version: number; readonly rule: string }
  | { readonly type: 'version_broadcast'; readonly version: number; readonly answer: string }
  | { readonly type: 'version_confirmed'; readonly version: number; readonly block: BlockRef }
  | { readonly type: 'version_unconfirmed'; readonly version: number; readonly block: BlockRef }
  | { readonly type: 'conflict_found'; readonly conflict: Conflict }
  | { readonly type: 'conflict_withdrawn'; readonly outpoint: string }
  /** Excluded for good: whatever version spends it is dead. */
  | { readonly type: 'input_lost'; readonly outpoint: OutpointKey; readonly reason: string }
  | { readonly type: 'lineage_final' }
  | { readonly type: 'lineage_dead'; readonly reason: string }
  | { readonly type: 'release_proposed'; readonly release: CoinRelease }
  | { readonly type: 'release_confirmed'; readonly by: string; readonly reason: string }
  | { readonly type: 'coins_released'; readonly outpoints: readonly OutpointKey[] }
);

interface Offered extends LineageIdentity {
  /** All that were ever offered, in order: at most one of them is ever in a block, and it needn't be the last. */
  readonly versions: readonly OfferedVersion[];
  /** Planned, and not offered yet. */
  readonly next?: LineagePlan;
  /** How often a version has been in a block. */
  readonly life: number;
  readonly inBlock?: { readonly version: number; readonly block: BlockRef };
  /** At most one for each input: a coin is spent once on a chain. */
  readonly conflicts: readonly Conflict[];
  /** Inputs that can't be spent any more. */
  readonly lost: readonly OutpointKey[];
  /** In flight for versions that pay nobody but the wallet: nobody's share, so their fee is held for the lineage itself. */
  readonly ownHeldSats: Sats;
  /** Under way: proposed, or confirmed too. */
  readonly release?: CoinRelease;
  /** No version to come may spend them. */
  readonly released: readonly OutpointKey[];
}

/** `dead` and `final` are the only ends once offered. */
export type Lineage =
  | { readonly status: 'none' }
  | { readonly status: 'planned'; readonly plan: LineagePlan; readonly conflicts: readonly Conflict[] }
  | { readonly status: 'abandoned'; readonly plan: LineagePlan }
  | (Offered & { readonly status: 'offered' | 'final' | 'dead' });

export type OfferedLineage = Extract<Lineage, { versions: readonly OfferedVersion[] }>;

export const lineageAggregate: Aggregate<Lineage, LineageEvent> = {
  name: 'lineage',
  initialState: { status: 'none' },
  evolve,
};

/** The lineage once a version of it has been offered for signature. */
export function offered(lineage: Lineage): OfferedLineage {
  assert('versions' in lineage, `no version of this lineage has been offered (${lineage.status})`);
  return lineage;
}

export const latest = ({ versions }: OfferedLineage): OfferedVersion => versions.at(-1)!;

export function versionNumbered({ versions }: OfferedLineage, version: number): OfferedVersion {
  // Numbers may be missing: a restored store doesn't learn of versions that were offered and never signed.
  const found = versions.find((each) => each.version === version);
  assert(found !== undefined, `version ${version} was never offered`);
  return found;
}

/** The version with this transaction. */
export function versionWith({ versions }: OfferedLineage, txid: string): OfferedVersion {
  const found = versions.find((version) => version.txid === txid);
  assert(found !== undefined, `${txid} was never offered`);
  return found;
}

/** Something that it needs is excluded for good. */
export const isDead = ({ inputs }: LineageVersion, { lost }: OfferedLineage): boolean =>
  inputs.some(({ outpoint }) => lost.includes(outpoint));

/** What the wallet's owner has still to sign: the last version that can win, unless it is signed. */
export function versionToSign(lineage: OfferedLineage): OfferedVersion | undefined {
  const last = lineage.status === 'offered' ? lineage.versions.findLast((each) => !isDead(each, lineage)) : undefined;
  return lineage.custodial || last?.signedHex !== undefined ? undefined : last;
}

/** It pays the wallet alone: what it was to pay has been cancelled. */
export const paysNobody = ({ payouts }: Pick<LineageVersion, 'payouts'>): boolean => payouts.length === 0;

/** The lineage of the transaction that pays for this version. */
export const childIdOf = (lineageId: string, version: number): string => `${lineageId}/${version}`;

/** The version that a lineage pays for, if it has its id from one. */
export function parentOf(childId: string): LineageIdentity['parent'] {
  const [lineageId, version] = childId.split('/');
  return version === undefined ? undefined : { lineageId: lineageId!, version: Number(version) };
}

/** What a lineage is from the beginning. */
export function identityOf(lineage: Exclude<Lineage, { status: 'none' }>): LineageIdentity {
  const { lineageId, walletId, institutionId, custodial, consolidates, anchorsHead, anchor, parent } =
    'plan' in lineage ? lineage.plan : lineage;
  return {
    lineageId,
    walletId,
    institutionId,
    custodial,
    ...(consolidates && { consolidates }),
    ...(anchorsHead && { anchorsHead }),
    anchor,
    ...(parent && { parent }),
  };
}

/** The settlement in whose name something is done for a lineage: the one that it has its id from. */
export const beginnerOf = ({ lineageId, parent }: Pick<LineageIdentity, 'lineageId' | 'parent'>): string =>
  parent?.lineageId ?? lineageId;

/** Whether one version pays what another doesn't: some of it may be left over once one of them has won. */
export function versionsDiffer(versions: readonly Pick<LineagePlan, 'payouts'>[]): boolean {
  const payees = versions.map(({ payouts }) => payouts.map(({ settlementId }) => settlementId).sort());
  return new Set(payees.map((ids) => ids.join('\n'))).size > 1;
}

/** Of the output that says which head a lineage anchors. */
export const headScript = (head: HeadReference): ScriptHex => nullDataScript(headCommitment(head));

/** At most one output goes back to the wallet. */
export const changeOf = ({ outputs }: LineageVersion): DeclaredOutput | undefined =>
  outputs.find(({ role }) => role === 'change');

/** What is to be offered next, if anything. */
export function planOf(lineage: Lineage): LineagePlan | undefined {
  if (lineage.status === 'planned') return lineage.plan;
  return lineage.status === 'offered' ? lineage.next : undefined;
}

/** Settlements that any version pays that was offered. */
export const settlementsPaid = ({ versions }: Pick<OfferedLineage, 'versions'>): readonly string[] => [
  ...new Set(versions.flatMap(({ payouts }) => payouts.map(({ settlementId }) => settlementId))),
];

/** Settlements that a lineage pays in any version, or is to. */
export function settlementsOf(lineage: Lineage): readonly string[] {
  const versions = 'versions' in lineage ? lineage.versions : [];
  const plan = 'plan' in lineage ? lineage.plan : planOf(lineage);
  return [
    ...new Set([...versions, ...(plan ? [plan] : [])].flatMap(({ payouts }) => payouts.map((p) => p.settlementId))),
  ];
}

/** Coins that a lineage has: of all versions, and of the plan. */
export function inputsOf(lineage: Lineage): readonly LineageInput[] {
  const versions = 'versions' in lineage ? lineage.versions : [];
  const plan = planOf(lineage);
  const inputs = [...versions, ...(plan ? [plan] : [])].flatMap((version) => version.inputs);
  return [...new Map(inputs.map((input) => [input.outpoint, input])).values()];
}

/** What a version in a block costs that pays nobody; 0 where there is none. */
export function ownFeeInBlock(lineage: OfferedLineage): Sats {
  if (lineage.inBlock === undefined) return 0n as Sats;
  const version = versionNumbered(lineage, lineage.inBlock.version);
  return paysNobody(version) ? version.feeSats : (0n as Sats);
}

function evolve(state: Lineage, event: LineageEvent): Lineage {
  switch (event.type) {
    case 'lineage_planned':
      assert(state.status === 'none' || state.status === 'abandoned', 'a lineage is planned once');
      return { status: 'planned', plan: event.plan, conflicts: [] };
    case 'plan_changed':
      assert(state.status === 'planned', `a plan changes before it is offered, not when it is ${state.status}`);
      return { ...state, plan: event.plan };
    case 'lineage_abandoned':
      assert(state.status === 'planned', `a lineage that is ${state.status} can't be abandoned`);
      return { status: 'abandoned', plan: state.plan };
    case 'destinations_assigned':
      return assigned(state, event);
    case 'version_offered':
      return withVersion(state, event.version);
    case 'conflict_found':
    case 'conflict_withdrawn':
      assert('conflicts' in state, `a lineage that is ${state.status} contends with nobody`);
      return { ...state, conflicts: contenders(state.conflicts, event) };
    default:
      return evolveOffered(offered(state), event);
  }
}

function assigned(state: Lineage, { version, destinations }: Extract<LineageEvent, { type: 'destinations_assigned' }>) {
  assert(planOf(state)?.version === version, `version ${version} is planned`);
  if (state.status === 'planned') return { ...state, plan: { ...state.plan, destinations } };
  assert(state.status === 'offered' && state.next !== undefined, 'what is planned has a plan');
  return { ...state, next: { ...state.next, destinations } };
}

function withVersion(state: Lineage, version: LineageVersion): Lineage {
  const added = { ...version, broadcast: false };
  if (state.status === 'planned') {
    const { conflicts } = state;
    const identity = identityOf(state);
    const ownHeldSats = ownHeld(version, 0n as Sats);
    return {
      ...identity,
      status: 'offered',
      versions: [added],
      life: 0,
      conflicts,
      lost: [],
      ownHeldSats,
      released: [],
    };
  }
  const { next, ...rest } = offered(state);
  assert(next?.version === version.version, `version ${version.version} was planned`);
  assert(
    version.inputs.some(({ outpoint }) => outpoint === rest.anchor),
    'every version spends the anchor',
  );
  return { ...rest, versions: [...rest.versions, added], ownHeldSats: ownHeld(version, rest.ownHeldSats) };
}

/** The dearest of the versions that pay nobody counts. */
const ownHeld = (version: LineageVersion, before: Sats): Sats =>
  paysNobody(version) && version.feeSats > before ? version.feeSats : before;

type ConflictEvent = Extract<LineageEvent, { type: 'conflict_found' | 'conflict_withdrawn' }>;
type OfferedEvent = Exclude<
  LineageEvent,
  {
    type:
      | 'lineage_planned'
      | 'plan_changed'
      | 'lineage_abandoned'
      | 'destinations_assigned'
      | 'version_offered'
      | ConflictEvent['type'];
  }
>;

function contenders(conflicts: readonly Conflict[], event: ConflictEvent): readonly Conflict[] {
  const { outpoint } = event.type === 'conflict_found' ? event.conflict : event;
  const others = conflicts.filter((conflict) => conflict.outpoint !== outpoint);
  return event.type === 'conflict_found' ? [...others, event.conflict] : others;
}

function evolveOffered(state: OfferedLineage, event: OfferedEvent): Lineage {
  switch (event.type) {
    case 'version_planned':
      assert(state.next === undefined, 'one version is planned at a time');
      return { ...state, next: event.plan };
    case 'version_dropped': {
      const { next: _gone, ...rest } = state;
      return rest;
    }
    case 'signatures_collected':
      return changed(state, event.version, (version) => ({ ...version, signatures: event.signatures }));
    case 'version_signed':
      return changed(state, event.version, ({ refusedRule: _past, ...rest }) => ({
        ...rest,
        signedHex: event.signedHex,
      }));
    case 'signing_refused':
      return changed(state, event.version, (version) => ({ ...version, refusedRule: event.rule }));
    case 'version_broadcast':
      return changed(state, event.version, (version) => ({ ...version, broadcast: true }));
    case 'version_confirmed': {
      assert(state.inBlock === undefined, 'one version of a lineage is in one block at a time');
      const { version, block } = event;
      const seen = changed(state, version, (each) => ({ ...each, broadcast: true }));
      const ownHeldSats = ownHeld(versionNumbered(state, version), state.ownHeldSats);
      return { ...seen, inBlock: { version, block }, life: state.life + 1, ownHeldSats };
    }
    case 'version_unconfirmed': {
      assert(state.inBlock?.block.hash === event.block.hash, 'it leaves the block it was in');
      const { inBlock: _gone, ...rest } = state;
      // A reorg that deep takes finality back: the lineage goes on. What was given up stays given up.
      if (state.status === 'dead') return { ...rest, ownHeldSats: 0n as Sats };
      return { ...rest, status: 'offered' };
    }
    case 'input_lost':
      return { ...state, lost: [...state.lost, event.outpoint] };
    case 'lineage_final':
      return { ...state, status: 'final', ownHeldSats: ownFeeInBlock(state) };
    case 'lineage_dead':
      return { ...state, status: 'dead', ownHeldSats: 0n as Sats };
    case 'release_proposed':
      return { ...state, release: event.release };
    case 'release_confirmed': {
      assert(state.release !== undefined, 'what is confirmed was proposed');
      return { ...state, release: { ...state.release, confirmedBy: event.by, confirmationReason: event.reason } };
    }
    case 'coins_released': {
      const { release: _done, ...rest } = state;
      return { ...rest, released: [...new Set([...rest.released, ...event.outpoints])] };
    }
    default:
      return assertNever(event, 'lineage event');
  }
}

function changed(
  state: OfferedLineage,
  version: number,
  change: (version: OfferedVersion) => OfferedVersion,
): OfferedLineage {
  return { ...state, versions: state.versions.map((each) => (each.version === version ? change(each) : each)) };
}
