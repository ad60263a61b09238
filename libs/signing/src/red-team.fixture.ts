import {
  type AccountKey,
  buildPayoutTransaction,
  deriveScript,
  type FeeRate,
  MasterKey,
  type Network,
  type OutpointKey,
  outpointKey,
  parseOutpointKey,
  type ParsedTransaction,
  type Prevout,
  type ScriptHex,
  type Txid,
} from '@finality/bitcoin';
import { type Instant, type Sats, unwrap } from '@finality/kernel';
import type { HeadReference } from '@finality/ledger';
import {
  type Account,
  approvalRulesAggregate,
  type ApprovalRulesState,
  decideSigning,
  type DeclaredInput,
  type DeclaredOutput,
  type DestinationState,
  headOf,
  ledgerHeadsAggregate,
  type LedgerHeadsState,
  lineageAggregate,
  type LineageState,
  type PayoutAuthorisation,
  POLICY_VERSION,
  type SignatoriesState,
  type SigningFacts,
  type SigningRequest,
  type SigningRule,
  type VersionRef,
} from './index.ts';

// A signer's journal, accounts and requests for those who attack it.

const SEED = new Uint8Array(32).fill(11);
const master = new MasterKey(SEED, 'regtest');
export const sats = (value: bigint): Sats => value as Sats;
export const LIMIT_SATS = 1_000_000n;
export const FEE = 1_000n;
export const INDEX_GAP = 1_000;
export const HEADS_APART_MS = 3_600_000;
export const HEAD_FEE_MAX = 5_000n;
export const FOREIGN = `0014${'66'.repeat(20)}` as ScriptHex;

function account(
  walletId: string,
  institutionId: string,
  accountIndex: number,
  scriptType: Account['scriptType'],
): Account {
  const { external, internal } = master.account(scriptType, accountIndex).descriptor;
  return { walletId, institutionId, scriptType, accountIndex, external, internal };
}

export const BANK_A = account('a-1', 'bank-a', 0, 'wpkh');
export const BANK_A_TAPROOT = account('a-2', 'bank-a', 1, 'tr');
export const BANK_B = account('b-1', 'bank-b', 2, 'wpkh');
export const POOL = account('pool', 'platform', 3, 'wpkh');
const ACCOUNTS = [BANK_A, BANK_A_TAPROOT, BANK_B, POOL];

const keys = new Map<string, AccountKey>();

/** Derived once each. */
export function keyOf({ scriptType, accountIndex }: Account, network: Network = 'regtest'): AccountKey {
  const name = `${network} ${scriptType} ${accountIndex}`;
  const key = keys.get(name) ?? new MasterKey(SEED, network).account(scriptType, accountIndex);
  keys.set(name, key);
  return key;
}

export const scriptOn = (network: Network, of: Account, branch: 0 | 1, index: number): ScriptHex =>
  deriveScript(keyOf(of, network).descriptor, branch, index).script;
export const scriptOf = (of: Account, branch: 0 | 1, index: number): ScriptHex =>
  scriptOn('regtest', of, branch, index);

export interface Coin extends DeclaredInput {
  readonly script: ScriptHex;
}

let coins = 0;
export const coin = (of: Account, value: bigint, index = 0): Coin => ({
  outpoint: outpointKey({ txid: (++coins).toString(16).padStart(64, 'c') as Txid, vout: 0 }),
  valueSats: sats(value),
  branch: 0,
  index,
  script: scriptOf(of, 0, index),
});

export interface Output {
  readonly declared: DeclaredOutput;
  readonly script: ScriptHex;
  /** Where it isn't the declared one. */
  readonly valueSats?: Sats;
}

export const pay = (settlementId: string, value: bigint, script = scriptOf(BANK_B, 0, 3)): Output => ({
  declared: {
    kind: 'payee',
    valueSats: sats(value),
    settlementId,
    institutionId: 'bank-b',
    walletId: 'b-1',
    branch: 0,
    index: 3,
  },
  script,
});

export const change = (value: bigint, script = scriptOf(BANK_A, 1, 5), index = 5): Output => ({
  declared: { kind: 'change', valueSats: sats(value), index },
  script,
});

export interface Attempt {
  readonly lineageId?: string;
  readonly version?: number;
  readonly from?: Account;
  readonly inputs: readonly Coin[];
  readonly outputs: readonly Output[];
  readonly payouts?: readonly PayoutAuthorisation[];
}

export function authorised({ declared }: Output): readonly PayoutAuthorisation[] {
  if (declared.kind !== 'payee') return [];
  return [
    {
      settlementId: declared.settlementId,
      network: 'regtest',
      payerInstitutionId: 'bank-a',
      payeeInstitutionId: declared.institutionId,
      amountSats: declared.valueSats,
      payeeFeeMaxSats: sats(0n),
      requestSignature: '',
      requestKeyId: '',
      requestNonce: '',
      riskVerdictSignature: '',
      amlVerdictSignature: '',
      approvals: [],
    },
  ];
}

export function requestOf({
  lineageId = 'l-1',
  version = 1,
  from = BANK_A,
  inputs,
  outputs,
  payouts,
}: Attempt): SigningRequest {
  const { unsigned } = buildPayoutTransaction({
    // The caller builds what it likes: these values are in no signature and no byte of it.
    inputs: inputs.map(({ outpoint, script }) => ({
      outpoint: unwrap(parseOutpointKey(outpoint)),
      valueSats: sats(10n ** 9n),
      script,
    })),
    outputs: outputs.map(({ declared, script, valueSats }) => ({ script, valueSats: valueSats ?? declared.valueSats })),
    locktime: 100,
  });
  return {
    lineageId,
    version,
    walletId: from.walletId,
    anchor: inputs[0]!.outpoint,
    unsignedTransaction: unsigned,
    inputs: inputs.map(({ outpoint, valueSats, branch, index }) => ({ outpoint, valueSats, branch, index })),
    outputs: outputs.map(({ declared }) => declared),
    epoch: 1,
    payouts: payouts ?? outputs.flatMap(authorised),
  };
}

/** A signer's journal, as far as decisions rest on it. */
export class Journal {
  readonly #lineages = new Map<string, LineageState>();
  readonly #payments = new Map<string, VersionRef[]>();
  readonly #ancestors = new Map<string, VersionRef & { readonly anchor: OutpointKey }>();
  readonly #coins = new Map<OutpointKey, { readonly lineageId: string; readonly valueSats: Sats }>();
  readonly #indices = new Map<string, number>();
  readonly #made = new Map<OutpointKey, Prevout>();
  readonly #sent = new Map<string, { readonly institutionId: string; readonly sats: bigint }>();
  readonly #destinations: ReadonlyMap<string, DestinationState>;

  #now: Instant;
  #heads: LedgerHeadsState = ledgerHeadsAggregate.initialState;
  readonly #signedHeads = new Map<string, string>();
  #headAnchors: SigningFacts['limits']['headAnchors'] = { apartMs: HEADS_APART_MS, feeMaxSats: sats(HEAD_FEE_MAX) };
  #signatories: SignatoriesState = { signatories: [], revoked: [] };
  #approvalRules: ApprovalRulesState = approvalRulesAggregate.initialState;

  /** @param destinations the signer's registry, at this time */
  constructor(destinations: ReadonlyMap<string, DestinationState> = new Map(), now = 1 as Instant) {
    this.#destinations = destinations;
    this.#now = now;
  }

  /** Payouts need approvals, of these. */
  requires(rules: ApprovalRulesState, signatories: SignatoriesState, now = this.#now): void {
    this.#approvalRules = rules;
    this.#signatories = signatories;
    this.#now = now;
  }

  /** It has signed this head of the ledger. */
  headSigned({ epoch, segment, hash }: HeadReference): void {
    this.#signedHeads.set(`${epoch}/${segment}`, hash);
  }

  later(ms: number): void {
    this.#now = (this.#now + ms) as Instant;
  }

  /** Its operator wants no heads in the chain. */
  anchorsNoHeads(): void {
    this.#headAnchors = undefined;
  }

  ask(attempt: Attempt): SigningRule | 'signed' {
    const request = requestOf(attempt);
    const facts = this.#facts(request);
    const decided = decideSigning(request, facts);
    if (!decided.ok) return decided.error.rule;
    if (!decided.value.repeated) this.#record(request, decided.value, facts);
    return 'signed';
  }

  /** Derived for the issuer, or in an accepted transaction. */
  issued(walletId: string, branch: number, index: number): void {
    const name = `${walletId}/${branch}`;
    this.#indices.set(name, Math.max(index, this.#indices.get(name) ?? -1));
  }

  #facts({ lineageId, walletId }: SigningRequest): SigningFacts {
    const { institutionId } = ACCOUNTS.find((each) => each.walletId === walletId)!;
    const others = [...this.#sent].filter(([id, sent]) => id !== lineageId && sent.institutionId === institutionId);
    return {
      network: 'regtest',
      account: (id) => ACCOUNTS.find((each) => each.walletId === id),
      scriptOf,
      destination: (id) => this.#destinations.get(id) ?? { status: 'none' },
      signatories: () => this.#signatories,
      approvalRules: () => this.#approvalRules,
      domain: 'finality',
      now: this.#now,
      indexHighest: (id, branch) => this.#indices.get(`${id}/${branch}`) ?? -1,
      lineage: this.#lineages.get(lineageId) ?? lineageAggregate.initialState,
      signedHead: (epoch, segment) => this.#signedHeads.get(`${epoch}/${segment}`),
      headAnchored: this.#heads.anchored,
      coin: (outpoint) => ({ ...this.#coins.get(outpoint), ...this.#made.get(outpoint) }),
      paymentsOf: (id) => this.#payments.get(id) ?? [],
      ancestryOf: (anchor) => this.#ancestryOf(anchor),
      otherLineage: (id) => this.#lineages.get(id) ?? lineageAggregate.initialState,
      sentBeforeSats: others.reduce((sum, [, sent]) => sum + sent.sats, 0n),
      sentInLineageSats: this.#sent.get(lineageId)?.sats ?? 0n,
      limits: {
        feeMaxSats: sats(20_000n),
        feeRateMax: 100_000n as FeeRate,
        rollingMaxSats: LIMIT_SATS,
        windowMs: 86_400_000,
        indexGapMax: INDEX_GAP,
        ...(this.#headAnchors && { headAnchors: this.#headAnchors }),
      },
      epochHighest: 1,
    };
  }

  #ancestryOf(anchor: OutpointKey): readonly VersionRef[] {
    const made = this.#ancestors.get(anchor.slice(0, 64));
    return made === undefined ? [] : [made, ...this.#ancestryOf(made.anchor)];
  }

  #record(
    request: SigningRequest,
    { transaction, feeSats, sentSats }: { transaction: ParsedTransaction; feeSats: Sats; sentSats: Sats },
    { lineage, limits, sentBeforeSats, sentInLineageSats }: SigningFacts,
  ): void {
    const { lineageId, walletId } = request;
    const { institutionId } = ACCOUNTS.find((each) => each.walletId === walletId)!;
    const { txid } = transaction;
    const decision = { policyVersion: POLICY_VERSION, limits, epochHighest: 1, sentBeforeSats, indicesHighest: {} };
    const event = {
      type: 'signing_accepted',
      request,
      institutionId,
      txid,
      feeSats,
      sentSats,
      acceptedAt: 1 as Instant,
      decision,
    } as const;
    this.#lineages.set(lineageId, lineageAggregate.evolve(lineage, event));
    const head = headOf(request.outputs);
    if (head !== undefined && lineage.versions.length === 0) {
      const anchored = { type: 'head_anchored', lineageId, head, acceptedAt: this.#now } as const;
      this.#heads = ledgerHeadsAggregate.evolve(this.#heads, anchored);
    }
    const { version, anchor } = request;
    for (const { settlementId } of request.payouts)
      this.#payments.set(settlementId, [...(this.#payments.get(settlementId) ?? []), { lineageId, version }]);
    this.#ancestors.set(txid, { lineageId, version, anchor });
    for (const { outpoint, valueSats } of request.inputs) this.#coins.set(outpoint, { lineageId, valueSats });
    for (const [vout, output] of transaction.outputs.entries()) this.#made.set(outpointKey({ txid, vout }), output);
    for (const output of request.outputs) {
      if (output.kind === 'change') this.issued(walletId, 1, output.index);
      if (output.kind === 'payee') this.issued(output.walletId, output.branch, output.index);
    }
    const most = sentSats > sentInLineageSats ? sentSats : sentInLineageSats;
    this.#sent.set(lineageId, { institutionId, sats: most });
  }
}

export const fresh = (attempt: Attempt): SigningRule | 'signed' => new Journal().ask(attempt);
