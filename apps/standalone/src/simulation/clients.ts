import { type ScriptHex, parseAddress } from '@finality/bitcoin';
import { addressV1, institutionV1, proposalV1, type ServiceName, settlementV1, toTimestamp } from '@finality/contracts';
import { type Instant, type RefusalKind, unwrap } from '@finality/kernel';
import { makeApiKey, refusalOf } from '@finality/service';
import { type Bootstrap, BOOTSTRAP } from '@finality/settlement-app';
import { type Fault, isInjected, type VirtualRuntime } from '@finality/testing/simulation';
import { newKey } from '../operators.ts';
import { OwnWallet, type OwnWalletType } from './own-wallet.ts';
import type { SimulatedPlatform } from './platform.ts';
import { Violation } from './violation.ts';

/** Whoever calls, with the key that they have now. */
export interface Caller {
  apiKey: string;
}

/** A request as a client makes it: with the same key as often as it takes to get an answer. */
export interface Ask {
  readonly service: ServiceName;
  readonly api: string;
  readonly method: string;
  readonly request: { readonly idempotencyKey: string } & object;
  readonly caller: Caller;
  /** What it may be refused with; anything else but an answer is a bug. */
  readonly mayBe: readonly RefusalKind[];
}

export type Answer =
  | { readonly kind: 'answered'; readonly response: unknown }
  | { readonly kind: 'refused'; readonly reason: string }
  /** Nobody knows what became of it. */
  | { readonly kind: 'unanswered' };

export interface Client extends Caller {
  readonly institutionId: string;
  /** The first is the one that settlements pay from. */
  readonly wallets: string[];
  /** Where money can be paid in. */
  readonly scripts: ScriptHex[];
  /** The wallet that settlements pay from, if the platform hasn't got its keys. */
  readonly own: OwnWallet | undefined;
}

/** What a submission may leave out. */
export type Agreed = Partial<Pick<settlementV1.SubmitSettlementRequest, 'feePayer' | 'executeAt' | 'expiresAt'>>;

/** What makes a settlement. */
const MAKING: readonly string[] = ['submitSettlement', 'reverseSettlement'];
/** What is answered with a PSBT beside the settlement. */
const SIGNING: readonly string[] = ['preparePsbt', 'submitSignedPsbt'];

type Settlement = settlementV1.Settlement;
type Mode = settlementV1.SettlementMode;

const { SETTLEMENT_MODE_CENTRALIZED, SETTLEMENT_MODE_BILATERAL, SETTLEMENT_MODE_BLOCKCHAIN } =
  settlementV1.SettlementMode;
export const MODES: readonly Mode[] = [
  SETTLEMENT_MODE_CENTRALIZED,
  SETTLEMENT_MODE_BLOCKCHAIN,
  SETTLEMENT_MODE_BILATERAL,
];
const MODE_NAMES: Readonly<Record<number, string>> = {
  [SETTLEMENT_MODE_CENTRALIZED]: 'CENTRALIZED',
  [SETTLEMENT_MODE_BLOCKCHAIN]: 'BLOCKCHAIN',
  [SETTLEMENT_MODE_BILATERAL]: 'BILATERAL',
};
export const modeName = (mode: Mode): string => MODE_NAMES[mode] ?? `mode ${mode}`;

interface Newcomer {
  readonly institutionId: string;
  /** On its clearing balance, satoshi. */
  readonly creditLineSats: bigint;
  readonly custodial: 'tr' | 'wpkh' | undefined;
}

const INSTITUTIONS: readonly Newcomer[] = [
  { institutionId: 'bank-a', creditLineSats: 0n, custodial: 'tr' },
  { institutionId: 'bank-b', creditLineSats: 300_000n, custodial: 'wpkh' },
  // Their keys are their own.
  { institutionId: 'custodian-c', creditLineSats: 0n, custodial: undefined },
  { institutionId: 'fund-d', creditLineSats: 0n, custodial: undefined },
];
/** Of those who have keys of their own, in order. */
const OWN_WALLETS: readonly (readonly [OwnWalletType, readonly number[]])[] = [
  ['wsh(sortedmulti)', [0xd1, 0xd2, 0xd3]],
  ['tr', [0xe1]],
];

/**
 * Everybody who calls the API, and what they have been told. A client whose call isn't answered asks again with the same key until it is,
 * and never gets two settlements for one key.
 */
export class Clients {
  readonly institutions: Client[] = [];
  /** Per settlement, the longest history that a client was shown. */
  readonly told = new Map<string, readonly settlementV1.SettlementTransition[]>();
  /** Per settlement that a client was shown, who pays. */
  readonly #payers = new Map<string, string>();
  /** Ids of settlements by the key of their request. */
  readonly accepted = new Map<string, string>();
  readonly answered: Ask[] = [];
  readonly unanswered: Ask[] = [];
  readonly operator: Caller = { apiKey: '' };
  /** For what takes two. */
  readonly secondOperator: Caller = { apiKey: '' };
  readonly compliance: Caller = { apiKey: '' };
  readonly #platform: SimulatedPlatform;
  readonly #runtime: VirtualRuntime;
  #asks = 0;

  constructor(platform: SimulatedPlatform, runtime: VirtualRuntime) {
    this.#platform = platform;
    this.#runtime = runtime;
  }

  /** The staff's keys, by the way that needs none. */
  async enrol(): Promise<void> {
    this.operator.apiKey = await this.#firstKey('operator');
    this.secondOperator.apiKey = await this.#firstKey('operator');
    this.compliance.apiKey = await this.#firstKey('compliance');
  }

  /** Institutions with keys and a wallet each. `between` lets the platform work until it can give what is asked for. */
  async join(between: () => Promise<void>): Promise<void> {
    const own = OWN_WALLETS.map(([type, seeds]) => new OwnWallet(type, seeds));
    for (const { institutionId, creditLineSats, custodial } of INSTITUTIONS) {
      const created = { idempotencyKey: this.newKey(), institutionId, name: institutionId, creditLineSats: 0n };
      await this.must(this.operators('createInstitution', created), between);
      const line = { setCreditLine: { institutionId, limitSats: creditLineSats } };
      if (creditLineSats > 0n) await this.agree(proposalV1.Change.fromPartial(line), between);
      const apiKey = await this.issueKey(institutionId, between);
      const keys = custodial === undefined ? own.shift() : undefined;
      const client: Client = { institutionId, apiKey, wallets: [], scripts: [], own: keys };
      this.institutions.push(client);
      const ask = keys === undefined ? this.walletAsk(client) : await this.#ownWalletAsk(client, keys, between);
      const { walletId } = (await this.must(ask, between)) as addressV1.Wallet;
      client.wallets.push(walletId);
    }
    for (const client of this.institutions) {
      for (const purpose of PURPOSES) {
        const address = (await this.must(this.addressAsk(client, purpose), between)) as addressV1.Address;
        this.learn(client, address);
      }
    }
  }

  /** Two operators decide what one of them alone may not. */
  async agree(change: proposalV1.Change, between: () => Promise<void>): Promise<void> {
    const asked = { idempotencyKey: this.newKey(), change, reason: 'as agreed' };
    const proposed = await this.must(this.proposals('proposeChange', asked, this.operator), between);
    const { proposalId } = proposed as proposalV1.Proposal;
    const decision = { idempotencyKey: this.newKey(), proposalId, reason: 'seen' };
    await this.must(this.proposals('confirmProposal', decision, this.secondOperator), between);
  }

  proposals(method: string, request: Ask['request'], caller: Caller): Ask {
    return { service: 'settlement', api: 'ProposalService', method, request, caller, mayBe: [] };
  }

  /** Of a settlement that a client was shown. */
  payerOf(settlementId: string): Client | undefined {
    return this.institutions.find(({ institutionId }) => institutionId === this.#payers.get(settlementId));
  }

  /** Settlements that had this status when a client heard of them last. */
  lastTold(status: settlementV1.SettlementStatus): readonly string[] {
    return [...this.told].filter(([, told]) => told.at(-1)?.status === status).map(([id]) => id);
  }

  newKey(): string {
    return `key-${++this.#asks}`;
  }

  /** Money may be sent there from now on. */
  learn(client: Client, { address }: addressV1.Address): void {
    client.scripts.push(unwrap(parseAddress(address, 'regtest')));
  }

  /** A key that two operators have yet to issue. @param institutionId empty: another operator's */
  newApiKey(institutionId: string): ReturnType<typeof newKey> {
    const { ROLE_INSTITUTION, ROLE_OPERATOR } = institutionV1.Role;
    return newKey(this.#runtime, institutionId, 'simulation', institutionId === '' ? ROLE_OPERATOR : ROLE_INSTITUTION);
  }

  async issueKey(institutionId: string, between: () => Promise<void>): Promise<string> {
    const { apiKey, change } = this.newApiKey(institutionId);
    await this.agree(change, between);
    return apiKey;
  }

  /** As {@link agree}, as far as it is answered. @returns whether both have been */
  async askBoth(change: proposalV1.Change, ask: (ask: Ask) => Promise<Answer>): Promise<boolean> {
    const asked = { idempotencyKey: this.newKey(), change, reason: 'as agreed' };
    const proposed = await ask(this.proposals('proposeChange', asked, this.operator));
    if (proposed.kind !== 'answered') return false;
    const { proposalId } = proposed.response as proposalV1.Proposal;
    const decision = { idempotencyKey: this.newKey(), proposalId, reason: 'seen' };
    const confirmed = await ask(this.proposals('confirmProposal', decision, this.secondOperator));
    return confirmed.kind === 'answered';
  }

  /** Of one whose keys the signer has. */
  walletAsk(client: Client): Ask {
    const { institutionId } = client;
    const { SCRIPT_TYPE_TR, SCRIPT_TYPE_WPKH } = addressV1.ScriptType;
    const isTaproot = INSTITUTIONS.some((each) => each.institutionId === institutionId && each.custodial === 'tr');
    const custodial = { scriptType: isTaproot ? SCRIPT_TYPE_TR : SCRIPT_TYPE_WPKH };
    const request = { idempotencyKey: this.newKey(), institutionId, birthdayHeight: 0, custodial };
    return this.#addresses('registerWallet', request, client);
  }

  /** Of one whose keys are the client's: proven by an answer to a challenge. */
  async #ownWalletAsk(client: Client, own: OwnWallet, between: () => Promise<void>): Promise<Ask> {
    const { institutionId } = client;
    const descriptors = { external: own.descriptor.text, internal: '', scriptType: 0 };
    const asked = { idempotencyKey: this.newKey(), institutionId, descriptors };
    const challenge = await this.must(this.#addresses('requestWalletChallenge', asked, client), between);
    const { challengeId, message } = challenge as addressV1.WalletChallenge;
    const proof = { challengeId, signature: own.prove(message) };
    const request = { idempotencyKey: this.newKey(), institutionId, birthdayHeight: 0, descriptors, proof };
    return this.#addresses('registerWallet', request, client);
  }

  addressAsk(client: Client, purpose: addressV1.AddressPurpose, walletId = client.wallets[0]!): Ask {
    const { institutionId } = client;
    const { ADDRESS_PURPOSE_CLEARING } = addressV1.AddressPurpose;
    const request = {
      idempotencyKey: this.newKey(),
      institutionId,
      purpose,
      label: 'deposits',
      walletId: purpose === ADDRESS_PURPOSE_CLEARING ? '' : walletId,
      externalId: '',
    };
    return this.#addresses('issueAddress', request, client);
  }

  /** By the clients' clock. */
  in(ms: number): NonNullable<Agreed['executeAt']> {
    return toTimestamp((this.#runtime.now() + ms) as Instant);
  }

  submission(from: Client, to: string, mode: Mode, amountSats: bigint, agreed: Agreed = {}): Ask {
    const request = settlementV1.SubmitSettlementRequest.fromPartial({
      idempotencyKey: this.newKey(),
      fromInstitution: from.institutionId,
      toInstitution: to,
      amountSats,
      settlementMode: mode,
      referenceId: 'simulation',
      ...agreed,
    });
    // What hasn't been decided by then comes too late.
    const tooLate = (agreed.executeAt ?? agreed.expiresAt) ? (['invalid_argument'] as const) : [];
    return this.settlements('submitSettlement', request, from, ['failed_precondition', ...tooLate]);
  }

  settlements(method: string, request: Ask['request'], caller: Caller, mayBe: readonly RefusalKind[]): Ask {
    return { service: 'settlement', api: 'SettlementService', method, request, caller, mayBe };
  }

  /** Asks, and remembers what was told. */
  async ask(ask: Ask, fault?: Fault): Promise<Answer> {
    const { service, api, method, request, caller } = ask;
    const { apiKey } = caller;
    const isKnown = this.answered.includes(ask);
    try {
      const response = await this.#platform.call(service, request, { service: api, method, apiKey }, fault);
      if (!isKnown) this.answered.push(ask);
      this.#forget(ask);
      this.#hear(ask, response);
      return { kind: 'answered', response };
    } catch (error) {
      const refusal = refusalOf(error);
      if (isInjected(error) || refusal?.kind === 'unavailable') {
        if (!isKnown && !this.unanswered.includes(ask)) this.unanswered.push(ask);
        return { kind: 'unanswered' };
      }
      if (refusal === undefined || isKnown || !ask.mayBe.includes(refusal.kind)) {
        if (error instanceof Violation) throw error;
        const what = refusal ? `${refusal.kind} ${refusal.reason}: ${refusal.message}` : String(error);
        throw new Violation(
          [`${method} ${request.idempotencyKey}${isKnown ? ', answered before,' : ''} got ${what}`],
          error,
        );
      }
      this.#forget(ask);
      return { kind: 'refused', reason: refusal.reason };
    }
  }

  /** Nonsense: whoever sends it doesn't ask again. @throws Violation when it is answered */
  async mustRefuse(ask: Ask): Promise<Answer> {
    const answer = await this.ask(ask);
    if (answer.kind === 'answered')
      throw new Violation([`a request that can't be accepted was: ${describe(ask.request)}`]);
    this.#forget(ask);
    return answer;
  }

  /** A settlement; undefined when a fault came in between. */
  async read(settlementId: string): Promise<Settlement | undefined> {
    const request = { settlementId };
    const settlement = await this.look<Settlement>('SettlementService', 'getSettlement', request, this.operator);
    if (settlement !== undefined) this.#tell(settlement);
    return settlement;
  }

  /** Something that settlement, or another, can be asked at any time; undefined when a fault came in between. */
  async look<Response>(
    service: string,
    method: string,
    request: object,
    { apiKey }: Caller,
    of: ServiceName = 'settlement',
  ): Promise<Response | undefined> {
    try {
      return (await this.#platform.call(of, request, { service, method, apiKey })) as Response;
    } catch (error) {
      if (isInjected(error)) return undefined;
      throw new Violation([`${method} ${describe(request)} got ${String(error)}`], error);
    }
  }

  /** Nobody lets a revoked key in once they have heard of it. */
  async knock(service: ServiceName, api: string, method: string, apiKey: string): Promise<void> {
    try {
      await this.#platform.call(service, {}, { service: api, method, apiKey });
    } catch (error) {
      if (refusalOf(error)?.kind === 'unauthenticated') return;
      throw new Violation([`a revoked key got ${String(error)} from ${service}`], error);
    }
    throw new Violation([`${service} answers a revoked key`]);
  }

  /** Asks until there is an answer, letting the platform work in between. */
  async must(ask: Ask, between: () => Promise<void>): Promise<unknown> {
    for (let i = 0; i < MUST_ATTEMPTS_MAX; i++) {
      const answer = await this.ask(ask);
      if (answer.kind === 'answered') return answer.response;
      await between();
    }
    throw new Violation([`${ask.method} isn't answered in ${MUST_ATTEMPTS_MAX} attempts`]);
  }

  #forget(ask: Ask): void {
    const at = this.unanswered.indexOf(ask);
    if (at >= 0) this.unanswered.splice(at, 1);
  }

  #hear(ask: Ask, response: unknown): void {
    if (ask.api !== 'SettlementService' || ask.method === 'reviewDeposit') return;
    const settlement = SIGNING.includes(ask.method)
      ? (response as settlementV1.SettlementPsbt).settlement!
      : (response as Settlement);
    this.#tell(settlement);
    if (!MAKING.includes(ask.method)) return;
    const { idempotencyKey } = ask.request;
    const before = this.accepted.get(idempotencyKey);
    if (before !== undefined && before !== settlement.settlementId) {
      throw new Violation([`${idempotencyKey} made two settlements: ${before} and ${settlement.settlementId}`]);
    }
    this.accepted.set(idempotencyKey, settlement.settlementId);
  }

  /** What was told before must still be the beginning of what is told now. */
  #tell({ settlementId, fromInstitution, transitions }: Settlement): void {
    this.#payers.set(settlementId, fromInstitution);
    const before = this.told.get(settlementId) ?? [];
    const problem = contradiction(before, transitions);
    if (problem !== undefined) throw new Violation([`settlement ${settlementId}: ${problem}`]);
    this.told.set(settlementId, transitions);
  }

  async #firstKey(role: 'operator' | 'compliance'): Promise<string> {
    const { keyId, apiKey, secretSha256 } = makeApiKey(this.#runtime);
    await this.#platform
      .get<Bootstrap>('settlement', BOOTSTRAP)
      .registerKey({ keyId, roles: [role], label: role, secretSha256: Buffer.from(secretSha256).toString('hex') });
    return apiKey;
  }

  operators(method: string, request: Ask['request']): Ask {
    const caller = this.operator;
    return { service: 'settlement', api: 'InstitutionService', method, request, caller, mayBe: [] };
  }

  #addresses(method: string, request: Ask['request'], caller: Caller): Ask {
    const mayBe = ['not_found', 'failed_precondition'] as const;
    return { service: 'address-issuer', api: 'AddressService', method, request, caller, mayBe };
  }
}

const MUST_ATTEMPTS_MAX = 200;
export const PURPOSES = [
  addressV1.AddressPurpose.ADDRESS_PURPOSE_CLEARING,
  addressV1.AddressPurpose.ADDRESS_PURPOSE_WALLET,
] as const;

/** What became of a request, in a line. */
export function lineOf({ method, request }: Ask, answer: Answer, what: string): string {
  const outcome = answer.kind === 'refused' ? `refused ${answer.reason}` : answer.kind;
  return `${method} ${request.idempotencyKey} (${what}): ${outcome}`;
}

const describe = (request: object): string =>
  JSON.stringify(request, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}` : value));

/** Why the earlier history isn't the beginning of the later one. */
export function contradiction(
  before: readonly settlementV1.SettlementTransition[],
  after: readonly settlementV1.SettlementTransition[],
): string | undefined {
  for (const [i, { status, at }] of before.entries()) {
    const now = after[i];
    const isSame = now?.status === status && now.at?.seconds === at?.seconds && now.at?.nanos === at?.nanos;
    if (!isSame)
      return `a client was told of status ${status} as number ${i + 1} of its history, which is now ${now?.status ?? 'missing'}`;
  }
  return undefined;
}
