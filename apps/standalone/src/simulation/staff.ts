import { institutionV1, ledgerV1, type proposalV1, settlementV1 } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { type AccountId, type InclusionProof, problemOf, type TransferId } from '@finality/ledger';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import type { Caller, Clients } from './clients.ts';
import { type Asking, type Errand, nonsense, run } from './errand.ts';
import { Violation } from './violation.ts';

const PAGE_SIZE = 50;
const { SUSPENSE_KIND_DEPOSIT } = settlementV1.SuspenseKind;
const { INSTITUTION_STATUS_FROZEN } = institutionV1.InstitutionStatus;

/** What those do who run the platform when something isn't as it should be; and auditors, who believe nobody. */
export class Staff {
  readonly #clients: Clients;
  readonly #random: SeededRandom;
  /** The ledger's, as an auditor heard it first. */
  #publicKey = '';
  /** Proposed, and to be decided on. */
  readonly #unfreezings: string[] = [];

  constructor(clients: Clients, random: SeededRandom) {
    this.#clients = clients;
    this.#random = random;
  }

  act(ask: Asking): Promise<string> {
    const action = pickWeighted(this.#random, [
      { weight: 1, value: () => this.#freeze(ask) },
      { weight: 8, value: () => this.#unfreeze(ask) },
      { weight: 1, value: () => this.#newcomer(ask) },
      { weight: 3, value: () => this.#confirmIncident(ask) },
      { weight: 5, value: () => this.#resolveSuspense(ask) },
      { weight: 5, value: () => this.#releaseCoins(ask) },
      { weight: 4, value: () => this.prove() },
      { weight: 2, value: () => this.#nonsense() },
    ]);
    return action();
  }

  #freeze(ask: Asking): Promise<string> {
    const { institutionId } = this.#random.pick(this.#clients.institutions);
    return this.#run(ask, 'InstitutionService', 'freezeInstitution', { institutionId, reason: 'in doubt' });
  }

  /** Whoever is frozen, by hand or because of a default: one operator wants it, another one agrees. */
  async #unfreeze(ask: Asking): Promise<string> {
    const proposalId = this.#unfreezings.shift();
    if (proposalId !== undefined)
      return this.#run(ask, 'ProposalService', 'confirmProposal', { proposalId, reason: 'seen' }, this.#second());
    const request = { pageSize: PAGE_SIZE, pageToken: '' };
    type Listed = institutionV1.ListInstitutionsResponse;
    const listed = await this.#look<Listed>('InstitutionService', 'listInstitutions', request);
    const frozen = (listed?.institutions ?? []).filter(({ status }) => status === INSTITUTION_STATUS_FROZEN);
    if (frozen.length === 0) return 'unfreeze: nobody is frozen';
    const { institutionId } = this.#random.pick(frozen);
    // What it owes is sometimes overlooked, and sometimes agreed on.
    const change = { unfreezeInstitution: { institutionId, althoughOwing: this.#random.chance(0.3) } };
    return this.#run(
      ask,
      'ProposalService',
      'proposeChange',
      { change, reason: 'looked at' },
      this.#clients.operator,
      (proposed) => this.#unfreezings.push((proposed as proposalV1.Proposal).proposalId),
    );
  }

  /** Two operators issue another one's key, which is no second person yet. */
  async #newcomer(ask: Asking): Promise<string> {
    const { apiKey, change } = this.#clients.newApiKey('');
    if (!(await this.#clients.askBoth(change, ask))) return 'issue an operator’s key: unanswered';
    const { institutionId } = this.#random.pick(this.#clients.institutions);
    const wanted = { change: { unfreezeInstitution: { institutionId, althoughOwing: true } }, reason: 'please' };
    // Or it isn't known yet.
    const mayBe = ['permission_denied', 'unauthenticated'] as const;
    const errand = { api: 'ProposalService', method: 'proposeChange', request: wanted, caller: { apiKey }, mayBe };
    return nonsense(this.#clients, { ...errand, what: 'a new operator alone' });
  }

  async #confirmIncident(ask: Asking): Promise<string> {
    const listed = await this.#look<settlementV1.ListIncidentsResponse>('OperationsService', 'listIncidents', {});
    const [incident] = listed?.incidents ?? [];
    if (incident === undefined) return 'confirm incident: there is none';
    const request = { incidentId: incident.incidentId, reason: 'looked at' };
    return this.#run(ask, 'OperationsService', 'confirmIncident', request);
  }

  /** Whose a deposit is that came where nothing was expected: two persons know, and the second isn't the first. */
  async #resolveSuspense(ask: Asking): Promise<string> {
    const request = { pageSize: PAGE_SIZE, pageToken: '' };
    type Listed = settlementV1.ListSuspenseResponse;
    const listed = await this.#look<Listed>('OperationsService', 'listSuspense', request);
    const deposits = (listed?.items ?? []).filter(({ kind }) => kind === SUSPENSE_KIND_DEPOSIT);
    if (deposits.length === 0) return 'resolve suspense: nothing is there';
    const { outpoint, resolution } = this.#random.pick(deposits);
    if (resolution === undefined) {
      const { institutionId } = this.#random.pick(this.#clients.institutions);
      const wanted = { outpoint, institutionId, reason: 'a letter', evidence: 'case 1' };
      return this.#run(ask, 'OperationsService', 'resolveSuspense', wanted);
    }
    const agreed = { outpoint, reason: 'letter seen' };
    return this.#run(ask, 'OperationsService', 'confirmSuspenseResolution', agreed, this.#second());
  }

  /** Coins that a lineage keeps for nothing: likewise. */
  async #releaseCoins(ask: Asking): Promise<string> {
    const request = { pageSize: PAGE_SIZE, pageToken: '' };
    type Listed = settlementV1.ListLockedCoinsResponse;
    const listed = await this.#look<Listed>('OperationsService', 'listLockedCoins', request);
    const lineages = listed?.lockedCoins ?? [];
    if (lineages.length === 0) return 'release coins: none are locked';
    const { lineageId, release } = this.#random.pick(lineages);
    const wanted = { lineageId, reason: 'looked at' };
    return release === undefined
      ? this.#run(ask, 'OperationsService', 'releaseCoins', wanted)
      : this.#run(ask, 'OperationsService', 'confirmCoinRelease', wanted, this.#second());
  }

  /** Nearly always somebody else than who proposed. */
  #second(): Caller {
    return this.#random.chance(0.85) ? this.#clients.secondOperator : this.#clients.operator;
  }

  /** An auditor has some entry of somebody's proven, and looks at the signature with the key that he was given first. */
  async prove(): Promise<string> {
    const client = this.#random.pick(this.#clients.institutions);
    const { institutionId } = client;
    type Heads = ledgerV1.ListLedgerHeadsResponse;
    const listed = await this.#look<Heads>('LedgerService', 'listLedgerHeads', { fromSegment: 0, pageSize: PAGE_SIZE });
    const last = listed?.heads.at(-1)?.head;
    if (last === undefined) return 'prove: nothing is sealed';
    this.#publicKey ||= listed!.heads[0]!.publicKey;
    const account = `clearing/${institutionId}/available`;
    const statement = await this.#clients.look<ledgerV1.Statement>(
      'LedgerService',
      'getStatement',
      { account, fromTime: undefined, toTime: undefined, pageSize: PAGE_SIZE, pageToken: '' },
      client,
    );
    const sealed = (statement?.entries ?? []).filter(({ number }) => number <= last.lastEntry);
    if (sealed.length === 0) return `prove: ${institutionId} has no sealed entry`;
    const { transferId, number } = this.#random.pick(sealed);
    const request = { institutionId, transferId };
    const proof = await this.#look<ledgerV1.InclusionProof>('LedgerService', 'getInclusionProof', request);
    if (proof === undefined) return 'prove: unanswered';
    const problem = problemOf(proofOf(proof), this.#publicKey);
    if (problem !== undefined || proof.entry?.number !== number)
      throw new Violation([`the proof of entry ${number} doesn't hold: ${problem ?? 'it is of another entry'}`]);
    return `prove entry ${number} of ${institutionId}`;
  }

  /** What nobody may ask for. */
  #nonsense(): Promise<string> {
    const [one] = this.#clients.institutions;
    const { institutionId } = one!;
    const { operator } = this.#clients;
    const outpoint = `${'00'.repeat(32)}:0`;
    const reason = 'please';
    const unfrozen = { unfreezeInstitution: { institutionId, althoughOwing: true } };
    const suspense = { outpoint, institutionId, reason, evidence: 'none' };
    const wrong: readonly (readonly [method: string, request: object, caller: Caller, api?: string])[] = [
      ['freezeInstitution', { institutionId, reason }, one!, 'InstitutionService'],
      ['proposeChange', { change: unfrozen, reason }, one!, 'ProposalService'],
      ['resolveSuspense', suspense, operator],
      ['resolveSuspense', suspense, one!],
      ['confirmSuspenseResolution', { outpoint, reason }, operator],
      ['releaseCoins', { lineageId: 'none', reason }, operator],
      ['confirmCoinRelease', { lineageId: 'none', reason }, operator],
      ['confirmIncident', { incidentId: 'none', reason }, operator],
    ];
    const [method, request, caller, api = 'OperationsService'] = this.#random.pick(wrong);
    const mayBe = ['invalid_argument', 'permission_denied', 'not_found'] as const;
    return nonsense(this.#clients, { api, method, request, caller, mayBe, what: 'nonsense' });
  }

  #run(
    ask: Asking,
    api: string,
    method: string,
    request: object,
    caller: Caller = this.#clients.operator,
    answered?: (response: unknown) => void,
  ): Promise<string> {
    const mayBe = ['not_found', 'permission_denied', 'already_exists'] as const;
    const errand: Errand = { api, method, request, caller, mayBe, what: 'staff' };
    return run(this.#clients, ask, errand, answered);
  }

  #look<Response>(api: string, method: string, request: object): Promise<Response | undefined> {
    return this.#clients.look<Response>(api, method, request, this.#clients.operator);
  }
}

/** As the stand-alone verifier reads it (docs/api.md): what isn't there is empty. */
function proofOf({ entry, path, head }: ledgerV1.InclusionProof): InclusionProof {
  const { transferId, debitAccount, creditAccount, pendingId, corrects, settlementId, recordedAtMs, ...rest } = entry!;
  const { sealedAtMs, ...sealed } = head!.head!;
  return {
    entry: {
      ...rest,
      id: transferId as TransferId,
      debit: debitAccount as AccountId,
      credit: creditAccount as AccountId,
      ...(pendingId !== '' && { pendingId: pendingId as TransferId }),
      ...(corrects !== '' && { corrects: corrects as TransferId }),
      ...(settlementId !== '' && { settlementId }),
      recordedAt: Number(recordedAtMs) as Instant,
    } as InclusionProof['entry'],
    path,
    head: {
      ...sealed,
      sealedAt: Number(sealedAtMs) as Instant,
      signature: head!.signature,
      publicKey: head!.publicKey,
    },
  };
}
