import type { OutpointKey, ScriptHex, Txid } from '@finality/bitcoin';
import { type Aggregate, assert, assertNever, type Instant, type Sats } from '@finality/kernel';
import type { BlockRef } from './settlement.ts';

/** A coin that a lineage spends; the first one is its anchor. */
export interface LineageInput {
  readonly outpoint: OutpointKey;
  readonly valueSats: Sats;
  readonly script: ScriptHex;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** Where an output goes, as its issuer derived it. */
export interface Destination {
  readonly walletId: string;
  readonly script: ScriptHex;
  readonly branch: 0 | 1;
  readonly index: number;
}

/** What is to be paid, from what, before any address or transaction exists. Inputs and anchor are fixed here, for good (DESIGN 8). */
export interface LineagePlan {
  readonly lineageId: string;
  readonly settlementId: string;
  readonly walletId: string;
  readonly institutionId: string;
  readonly payeeWalletId: string;
  readonly payeeInstitutionId: string;
  readonly anchor: OutpointKey;
  readonly inputs: readonly LineageInput[];
  readonly amountSats: Sats;
  readonly feeSats: Sats;
  /** 0: no change output. */
  readonly changeSats: Sats;
}

/** Every output of ours is declared before signing: a chain fact about it advances this, and is no deposit (DESIGN 6). */
export interface DeclaredOutput {
  readonly outpoint: OutpointKey;
  readonly role: 'payee' | 'change';
  readonly valueSats: Sats;
  readonly destination: Destination;
}

/** A transaction offered for signature. */
export interface LineageVersion {
  readonly version: number;
  readonly txid: Txid;
  readonly unsignedHex: string;
  readonly outputs: readonly DeclaredOutput[];
}

/** Another transaction, in a block, spends what this lineage needs: it wins, unless a reorg takes it back. */
export interface Conflict {
  readonly byTxid: string;
  readonly outpoint: string;
  readonly block: BlockRef;
}

export type LineageEvent = { readonly at: Instant } & (
  | { readonly type: 'lineage_planned'; readonly plan: LineagePlan }
  | { readonly type: 'lineage_abandoned'; readonly reason: string }
  | { readonly type: 'version_offered'; readonly version: LineageVersion }
  | { readonly type: 'version_signed'; readonly signedHex: string }
  /** The signer's policy says no; asked again later, never built anew. */
  | { readonly type: 'signing_refused'; readonly rule: string }
  | { readonly type: 'version_broadcast'; readonly answer: string }
  | { readonly type: 'version_confirmed'; readonly block: BlockRef }
  | { readonly type: 'version_unconfirmed'; readonly block: BlockRef }
  | { readonly type: 'conflict_found'; readonly conflict: Conflict }
  | { readonly type: 'conflict_withdrawn'; readonly outpoint: string }
  | { readonly type: 'lineage_final' }
  | { readonly type: 'lineage_dead'; readonly reason: string }
);

interface Offered {
  readonly plan: LineagePlan;
  readonly version: LineageVersion;
  readonly signedHex?: string;
  readonly refusedRule?: string;
  readonly broadcast: boolean;
  /** How often the version has been in a block. */
  readonly life: number;
  readonly block?: BlockRef;
  /** At most one for each input: a coin is spent once on a chain. */
  readonly conflicts: readonly Conflict[];
}

/** `dead` and `final` are the only ends once offered. */
export type Lineage =
  | { readonly status: 'none' }
  | { readonly status: 'planned'; readonly plan: LineagePlan; readonly conflicts: readonly Conflict[] }
  | { readonly status: 'abandoned'; readonly plan: LineagePlan }
  | (Offered & { readonly status: 'offered' | 'final' | 'dead' });

export type OfferedLineage = Extract<Lineage, { version: LineageVersion }>;

export const lineageAggregate: Aggregate<Lineage, LineageEvent> = {
  name: 'lineage',
  initialState: { status: 'none' },
  evolve,
};

/** The lineage once a version of it has been offered for signature. */
export function offered(lineage: Lineage): OfferedLineage {
  assert('version' in lineage, `no version of this lineage has been offered (${lineage.status})`);
  return lineage;
}

function evolve(state: Lineage, event: LineageEvent): Lineage {
  switch (event.type) {
    case 'lineage_planned':
      assert(state.status === 'none', 'a lineage is planned once');
      return { status: 'planned', plan: event.plan, conflicts: [] };
    case 'lineage_abandoned':
      assert(state.status === 'planned', `a lineage that is ${state.status} can't be abandoned`);
      return { status: 'abandoned', plan: state.plan };
    case 'version_offered':
      assert(state.status === 'planned', `a first version needs a plan, not ${state.status}`);
      return { ...state, status: 'offered', version: event.version, broadcast: false, life: 0 };
    case 'conflict_found':
    case 'conflict_withdrawn':
      assert('conflicts' in state, `a lineage that is ${state.status} contends with nobody`);
      return { ...state, conflicts: contenders(state.conflicts, event) };
    default:
      return evolveOffered(offered(state), event);
  }
}

type ConflictEvent = Extract<LineageEvent, { type: 'conflict_found' | 'conflict_withdrawn' }>;
type OfferedEvent = Exclude<
  LineageEvent,
  { type: 'lineage_planned' | 'lineage_abandoned' | 'version_offered' | ConflictEvent['type'] }
>;

function contenders(conflicts: readonly Conflict[], event: ConflictEvent): readonly Conflict[] {
  const { outpoint } = event.type === 'conflict_found' ? event.conflict : event;
  const others = conflicts.filter((conflict) => conflict.outpoint !== outpoint);
  return event.type === 'conflict_found' ? [...others, event.conflict] : others;
}

function evolveOffered(state: OfferedLineage, event: OfferedEvent): Lineage {
  switch (event.type) {
    case 'version_signed': {
      const { refusedRule: _past, ...rest } = state;
      return { ...rest, signedHex: event.signedHex };
    }
    case 'signing_refused':
      return { ...state, refusedRule: event.rule };
    case 'version_broadcast':
      return { ...state, broadcast: true };
    case 'version_confirmed': {
      assert(state.block === undefined, 'a transaction is in one block at a time');
      return { ...state, block: event.block, life: state.life + 1, broadcast: true };
    }
    case 'version_unconfirmed': {
      assert(state.block?.hash === event.block.hash, 'it leaves the block it was in');
      const { block: _gone, ...rest } = state;
      // A reorg that deep takes finality back: the lineage goes on. What was given up stays given up.
      return { ...rest, status: state.status === 'dead' ? 'dead' : 'offered' };
    }
    case 'lineage_final':
      return { ...state, status: 'final' };
    case 'lineage_dead':
      return { ...state, status: 'dead' };
    default:
      return assertNever(event, 'lineage event');
  }
}
