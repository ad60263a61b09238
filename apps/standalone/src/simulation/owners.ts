import { forgePsbt, otherPsbt, spoilPsbt } from '@finality/bitcoin/spec';
import { settlementV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import { pickWeighted, type SeededRandom } from '@finality/testing/simulation';
import { type Answer, type Ask, type Client, type Clients, lineOf } from './clients.ts';
import type { OwnWallet } from './own-wallet.ts';

/** Of PSBTs that were signed in full: that they are signed again some time. */
const TWICE = 0.3;

const { SETTLEMENT_STATUS_AWAITING_SIGNATURE } = settlementV1.SettlementStatus;

type Asking = (ask: Ask) => Promise<Answer>;

interface Owner extends Client {
  readonly own: OwnWallet;
}

interface HandedOut {
  readonly txid: string;
  readonly psbt: string;
}

/** Institutions whose keys are their own: they ask for what they are to sign, and sign it late, twice, an older version of it, or never, or give back something else. */
export class Owners {
  readonly #clients: Clients;
  readonly #random: SeededRandom;
  readonly #never: number;
  /** What may still be signed, by settlement, oldest version first. */
  readonly #handed = new Map<string, HandedOut[]>();

  /** @param neverSigns of settlements: that their payers never sign them */
  constructor(clients: Clients, random: SeededRandom, { neverSigns }: { readonly neverSigns: number }) {
    this.#clients = clients;
    this.#random = random;
    this.#never = neverSigns;
  }

  /** Settlements that clients know of, and that their payers never sign. */
  get unsigned(): ReadonlySet<string> {
    return new Set([...this.#clients.told.keys()].filter((id) => this.#ownerOf(id) && this.#neverSigns(id)));
  }

  /** One asks for what it is to sign, if it is so far. */
  async prepare(ask: Asking): Promise<string> {
    const awaited = this.#awaited();
    const all = [...this.#clients.told.keys()].filter((id) => this.#ownerOf(id));
    if (all.length === 0) return 'prepare: no owner pays yet';
    const settlementId = this.#random.pick(awaited.length > 0 && this.#random.chance(0.8) ? awaited : all);
    await this.#clients.read(settlementId);
    const prepare = this.#prepareAsk(settlementId);
    return lineOf(prepare, this.#take(settlementId, await ask(prepare)), settlementId);
  }

  /** One gives back what it was handed, or what pretends to be that. */
  async give(ask: Asking): Promise<string> {
    const open = [...this.#handed].filter(([id]) => !this.#neverSigns(id));
    if (open.length === 0) return 'give: nothing is to be signed';
    const [settlementId, handed] = this.#random.pick(open);
    const { psbt, txid } = this.#random.chance(0.8) ? handed.at(-1)! : this.#random.pick(handed);
    const { own } = this.#ownerOf(settlementId)!;
    const garbage = pickWeighted<() => string | undefined>(this.#random, [
      { weight: 8, value: () => undefined },
      { weight: 1, value: () => psbt.slice(4) },
      { weight: 1, value: () => otherPsbt(psbt) },
      { weight: 1, value: () => forgePsbt(psbt, this.#foreignKey(own)) },
      // What was signed with another key than P2TR's own has no place in such an input.
      { weight: own.descriptor.scriptType === 'tr' ? 0 : 1, value: () => spoilPsbt(psbt, own.keyOf(0, 0)) },
    ])();
    if (garbage !== undefined) {
      const give = this.#giveAsk(settlementId, garbage, ['invalid_argument', 'failed_precondition']);
      return lineOf(give, await this.#clients.mustRefuse(give), `garbage for ${settlementId}`);
    }
    const give = this.#giveAsk(settlementId, own.sign(psbt, this.#random.below(own.signers.length)));
    const answer = await ask(give);
    if (answer.kind === 'refused' || (isWhole(answer) && !this.#random.chance(TWICE))) this.#drop(settlementId, txid);
    return lineOf(give, answer, settlementId);
  }

  /** Whatever waits for a signature gets it, but for what is never signed. */
  async signAll(): Promise<void> {
    for (const settlementId of this.#awaited().filter((id) => !this.#neverSigns(id))) {
      const answer = await this.#clients.ask(this.#prepareAsk(settlementId));
      if (answer.kind !== 'answered') continue;
      const { psbt } = answer.response as settlementV1.SettlementPsbt;
      const { own } = this.#ownerOf(settlementId)!;
      for (let signer = 0; signer < own.descriptor.required; signer++)
        await this.#clients.ask(this.#giveAsk(settlementId, own.sign(psbt, signer)));
    }
  }

  #awaited(): readonly string[] {
    return this.#clients.lastTold(SETTLEMENT_STATUS_AWAITING_SIGNATURE).filter((id) => this.#ownerOf(id));
  }

  #take(settlementId: string, answer: Answer): Answer {
    if (answer.kind !== 'answered') return answer;
    const { psbt, txid } = answer.response as settlementV1.SettlementPsbt;
    const before = this.#handed.get(settlementId) ?? [];
    this.#handed.set(settlementId, [...before.filter((each) => each.txid !== txid), { psbt, txid }]);
    return answer;
  }

  #drop(settlementId: string, txid: string): void {
    const left = (this.#handed.get(settlementId) ?? []).filter((each) => each.txid !== txid);
    if (left.length > 0) this.#handed.set(settlementId, left);
    else this.#handed.delete(settlementId);
  }

  #prepareAsk(settlementId: string): Ask {
    const request = { idempotencyKey: this.#clients.newKey(), settlementId };
    return this.#clients.settlements('preparePsbt', request, this.#ownerOf(settlementId)!, ['failed_precondition']);
  }

  #giveAsk(settlementId: string, psbt: string, mayBe: Ask['mayBe'] = ['failed_precondition']): Ask {
    const request = { idempotencyKey: this.#clients.newKey(), settlementId, psbt };
    return this.#clients.settlements('submitSignedPsbt', request, this.#ownerOf(settlementId)!, mayBe);
  }

  #ownerOf(settlementId: string): Owner | undefined {
    const payer = this.#clients.payerOf(settlementId);
    return payer?.own === undefined ? undefined : (payer as Owner);
  }

  #foreignKey(own: OwnWallet): ReturnType<OwnWallet['keyOf']> {
    const other = this.#clients.institutions.find((each) => each.own !== undefined && each.own !== own)?.own;
    assert(other, 'more than one institution has keys of its own');
    return other.keyOf(0, 0);
  }

  /** The same each time, whatever else happens. */
  #neverSigns(settlementId: string): boolean {
    return this.#random.fork(settlementId).chance(this.#never);
  }
}

const isWhole = (answer: Answer): boolean =>
  answer.kind === 'answered' && (answer.response as settlementV1.SettlementPsbt).signaturesMissing === 0;
