import { assertNever } from '@finality/kernel';
import { headLineageId, POOL_WALLET_ID } from '@finality/settlement';
import type { Batch, StoreCommand } from '@finality/event-store';
import type {
  AddressRecord,
  ChainFact,
  ConsolidationRequest,
  OffsetRequest,
  ExchangeCommand,
  HeadAnchorRequest,
  NewApiKey,
  ProposalCommand,
  SignedTransaction,
  Submission,
  Terms,
} from '@finality/settlement';
import { LINE_RELEASED_MAX } from './open.sql.ts';
import { CreditNeeds } from './credit-needs.ts';
import type { CommandOf, RecoveryCommand, SettlementCommand } from './commands.ts';
import type { WindowCommand } from './window-commands.ts';
import { ExchangeNeeds } from './exchange-needs.ts';
import { ProposalNeeds } from './proposal-needs.ts';
import { stepOf } from './steps.ts';
import { WindowNeeds } from './window-needs.ts';

/** What takes two persons. */
type OperatorsCommand =
  'release_coins' | 'confirm_release' | 'coins_released' | 'resolve_suspense' | 'confirm_resolution';

type AdministrativeCommand =
  | 'create_institution'
  | 'freeze_institution'
  | 'set_limits'
  | 'set_approval_policy'
  | 'set_debit_cap'
  | 'restrict_counterparties'
  | 'allow_counterparty'
  | 'remove_counterparty'
  | 'set_credit_line'
  | 'expire_credit_line'
  | 'collect'
  | 'post_pledge'
  | 'release_pledge'
  | 'set_credit_terms'
  | 'set_liquidity_alerts'
  | 'observe_liquidity'
  | 'register_first_key'
  | 'issue_api_key'
  | 'unfreeze_institution'
  | 'declare_default'
  | 'revoke_api_key'
  | ExchangeCommand['type']
  | ProposalCommand['type']
  | 'segment_sealed'
  | 'anchor_head'
  | 'head_signed';

/** What a batch has to be loaded with, gathered from its commands first and from what they turn out to concern then. */
export class Needs {
  readonly settlements = new Set<string>();
  readonly institutions = new Set<string>();
  /** Institutions of which it matters what they may pay, and whom. */
  readonly payers = new Set<string>();
  readonly lineages = new Set<string>();
  readonly deposits = new Set<string>();
  readonly apiKeys = new Set<string>();
  /** Institutions whose wallets are needed. */
  readonly walletsOf = new Set<string>();
  readonly wallets = new Set<string>();
  /** Wallets that may become known in this batch: they may have coins already. */
  readonly announced = new Set<string>();
  readonly scripts = new Set<string>();
  readonly destinations = new Set<string>();
  readonly outpoints = new Set<string>();
  readonly txids = new Set<string>();
  /** Scripts whose deposits in suspense may find their owner. */
  readonly attribute = new Set<string>();
  /** Settlements that may reserve: the payer's free coins are needed. */
  readonly reserving = new Set<string>();
  /** Settlements that have waited, and are tried again: of CENTRALIZED ones, the line that they are in. */
  readonly retrying = new Set<string>();
  /** How many of a line may be settled. */
  lineMax = LINE_RELEASED_MAX;
  /** Settlements that are to begin: their parties are needed. */
  readonly beginning = new Set<string>();
  /** Settlements that are to be paid back: what else pays them back is needed. */
  readonly reversing = new Set<string>();
  /** Settlements, and lineages, whose transaction may be replaced: the payer's free coins are needed. */
  readonly bumping = { settlements: new Set<string>(), lineages: new Set<string>() };
  /** Institutions whose clearing claims are needed. */
  readonly clearing = new Set<string>();
  /** Wallets whose small coins may become one, and their institutions. */
  readonly consolidating = { wallets: new Set<string>(), institutions: new Set<string>() };
  /** Wallets that pay for heads of the ledger in the chain. */
  readonly anchoring = new Set<string>();
  readonly windows = new WindowNeeds();
  readonly credit = new CreditNeeds();
  /** Blocks up to this height are connected: what is due then is needed. */
  dueHeight = -1;
  /** A block is agreed on: what is due at the tip is needed. */
  agreed = false;
  chain = false;
  recovery = false;
  /** Deposits in suspense that are to be somebody's. */
  readonly resolving = new Set<string>();
  /** Lineages whose coins are to be released: it matters whether what they spend can come to be. */
  readonly releasing = new Set<string>();
  /** All lineages that are planned. */
  allPlanned = false;
  /** What is decided about money beside the chain's. */
  readonly exchange = new ExchangeNeeds();
  readonly proposals = new ProposalNeeds();
  /** How far the ledger is sealed. */
  seals = false;

  static of(commands: readonly StoreCommand<SettlementCommand>[]): Needs {
    const needs = new Needs();
    for (const { body } of commands) {
      needs.#command(body);
      const keyId = stepOf(body);
      if (keyId !== undefined) needs.apiKeys.add(keyId);
    }
    return needs;
  }

  /** Once proposals are loaded: what is carried out may be any of them. @returns whether there is any */
  followProposals(batch: Batch): boolean {
    const changes = this.proposals.follow(batch);
    for (const change of changes) this.#command(change);
    return changes.length > 0;
  }

  /** Money may come in on it: for the clearing balance of whoever it was issued to, or for the wallet. */
  addressOf({ purpose, institutionId }: AddressRecord): void {
    this.institutions.add(institutionId);
    if (purpose === 'clearing') this.clearing.add(institutionId);
  }

  #command(body: SettlementCommand): void {
    switch (body.type) {
      case 'submit':
        return this.#submission(body.submission);
      case 'reverse':
        this.settlements.add(body.reversal.reverses);
        this.reversing.add(body.reversal.reverses);
        return this.#submission(body.reversal);
      case 'open_window':
      case 'close_window':
      case 'agree_netting':
      case 'end_netting':
      case 'choose_window_payout':
        return this.#window(body);
      case 'review':
        this.reserving.add(body.review.settlementId);
        return void this.settlements.add(body.review.settlementId);
      case 'review_deposit':
        this.chain = true;
        this.outpoints.add(body.review.outpoint);
        return void this.deposits.add(body.review.outpoint);
      case 'fall_due':
      case 'retry_reservation':
        (body.type === 'fall_due' ? this.beginning : this.retrying).add(body.settlementId);
        this.reserving.add(body.settlementId);
        return void this.settlements.add(body.settlementId);
      case 'resolve_gridlock':
        return this.#gridlock(body.request);
      case 'consolidate':
        return this.#consolidation(body.request);
      case 'confirm_incident':
        return void (this.chain = true);
      case 'cancel':
      case 'bump':
        this.bumping.settlements.add(body.settlementId);
        return void this.settlements.add(body.settlementId);
      case 'prepare_psbt':
      case 'reprioritize':
      case 'add_signatures':
      case 'expire':
        this.chain ||= body.type === 'prepare_psbt';
        return void this.settlements.add(body.settlementId);
      case 'verdict':
        return this.#verdict(body.subject, body.id);
      case 'wallet_changed':
        this.announced.add(body.wallet.walletId);
        return void this.wallets.add(body.wallet.walletId);
      case 'address_issued':
        return this.#issued(body.address);
      case 'chain_fact':
        return this.#fact(body.fact);
      case 'destination_changed':
        return;
      case 'destination_refused':
      case 'destinations_assigned':
        // What was planned may not be possible any more, and is planned anew.
        this.bumping.lineages.add(body.lineageId);
        return this.#lineage(body.lineageId);
      case 'release_coins':
      case 'confirm_release':
      case 'coins_released':
      case 'resolve_suspense':
      case 'confirm_resolution':
        return this.#operators(body);
      case 'transaction_signed':
      case 'signing_refused':
        return this.#lineage(body.lineageId);
      default:
        return this.#administration(body);
    }
  }

  #gridlock({ settlementIds }: OffsetRequest): void {
    this.lineMax = Math.max(this.lineMax, settlementIds.length);
    for (const id of settlementIds) {
      this.settlements.add(id);
      this.reserving.add(id);
    }
  }

  #administration(body: CommandOf<AdministrativeCommand | RecoveryCommand>): void {
    switch (body.type) {
      case 'create_institution':
        this.clearing.add(body.institution.institutionId);
        return void this.institutions.add(body.institution.institutionId);
      case 'set_credit_line':
        this.credit.line(body.request);
        this.exchange.line(body.request);
        return this.#credit(body.request.institutionId);
      case 'post_pledge':
      case 'release_pledge':
        this.credit.pledge(body.request);
        return this.#credit(body.request.institutionId);
      case 'set_credit_terms':
        return this.#credit(body.request.institutionId);
      case 'collect':
        return this.#collecting(body.institutionId);
      case 'declare_default':
        return this.#collecting(body.request.institutionId);
      case 'expire_credit_line':
        return this.#credit(body.institutionId);
      case 'set_liquidity_alerts':
        this.credit.watched(body.request);
        return void this.institutions.add(body.request.institutionId);
      case 'observe_liquidity':
        this.credit.watched(body);
        return void this.institutions.add(body.institutionId);
      case 'unfreeze_institution':
        // What it owes.
        return this.#credit(body.request.institutionId);
      case 'freeze_institution':
        return void this.institutions.add(body.institutionId);
      case 'allow_counterparty':
        this.institutions.add(body.request.counterpartyId);
        return this.#policy(body.request.institutionId);
      case 'set_limits':
      case 'set_approval_policy':
      case 'restrict_counterparties':
      case 'remove_counterparty':
        return this.#policy(body.request.institutionId);
      case 'set_debit_cap':
        return this.#window(body);
      case 'issue_api_key':
        return this.#key(body.request.key);
      case 'register_first_key':
        return this.#key(body.key);
      case 'segment_sealed':
      case 'head_signed':
        return void (this.seals = true);
      case 'anchor_head':
        return this.#anchoring(body.request);
      case 'revoke_api_key':
        return void this.apiKeys.add(body.keyId);
      case 'propose_bank_booking':
      case 'confirm_bank_booking':
      case 'reject_bank_booking':
      case 'correct_bank_line':
      case 'publish_rate':
      case 'withdraw_rate':
      case 'request_quote':
        return this.exchange.add(body);
      case 'propose_change':
      case 'confirm_proposal':
      case 'reject_proposal': {
        const change = this.proposals.add(body);
        return change && this.#command(change);
      }
      default:
        return this.#recovering(body);
    }
  }

  #key({ keyId, institutionId }: NewApiKey): void {
    this.apiKeys.add(keyId);
    if (institutionId !== '') this.institutions.add(institutionId);
  }

  #credit(institutionId: string): void {
    this.credit.add(institutionId);
    this.clearing.add(institutionId);
    this.institutions.add(institutionId);
  }

  /** An incident may be opened; nothing is while the store is being restored. */
  #collecting(institutionId: string): void {
    this.chain = this.recovery = true;
    this.credit.collecting.add(institutionId);
    this.#credit(institutionId);
  }

  #policy(institutionId: string): void {
    this.payers.add(institutionId);
    this.institutions.add(institutionId);
  }

  #recovering(body: CommandOf<RecoveryCommand>): void {
    switch (body.type) {
      case 'begin_recovery':
      case 'journal_checked':
      case 'reconciled':
      case 'finish_recovery':
        this.recovery = true;
        return;
      case 'journal_imported':
        this.recovery = this.chain = this.allPlanned = true;
        return;
      case 'adopt_settlement':
        return this.#adopted(body.terms);
      case 'import_transaction':
        return this.#signed(body.signed);
      default:
        return assertNever(body, 'command');
    }
  }

  #issued(address: AddressRecord): void {
    this.chain = true;
    this.scripts.add(address.script);
    this.wallets.add(address.walletId);
    this.addressOf(address);
    this.attribute.add(address.script);
  }

  #lineage(lineageId: string): void {
    this.chain = true;
    this.lineages.add(lineageId);
  }

  #operators(body: CommandOf<OperatorsCommand>): void {
    switch (body.type) {
      case 'release_coins':
      case 'confirm_release':
        return this.#release(body.request.lineageId);
      case 'coins_released':
        return this.#release(body.lineageId);
      case 'resolve_suspense':
        this.institutions.add(body.request.institutionId);
        return this.#resolving(body.request.outpoint);
      case 'confirm_resolution':
        return this.#resolving(body.request.outpoint);
      default:
        return assertNever(body, 'command');
    }
  }

  #resolving(outpoint: string): void {
    this.chain = true;
    this.deposits.add(outpoint);
    this.outpoints.add(outpoint);
    this.resolving.add(outpoint);
  }

  #window(body: WindowCommand): void {
    for (const id of this.windows.command(body)) this.institutions.add(id);
    // Whoever wants nothing paid out names no place for it.
    const place = body.type === 'choose_window_payout' ? body.request.wanted?.place : undefined;
    if (place === undefined) return;
    this.wallets.add(POOL_WALLET_ID);
    if (place.kind === 'wallet') this.wallets.add(place.walletId);
    else this.destinations.add(place.destinationId);
  }

  #release(lineageId: string): void {
    this.#lineage(lineageId);
    this.releasing.add(lineageId);
  }

  #consolidation({ lineageId, walletId, institutionId }: ConsolidationRequest): void {
    this.chain = true;
    this.lineages.add(lineageId);
    this.wallets.add(walletId);
    this.institutions.add(institutionId);
    this.consolidating.wallets.add(walletId);
    this.consolidating.institutions.add(institutionId);
  }

  #anchoring({ head, walletId }: HeadAnchorRequest): void {
    this.chain = true;
    this.lineages.add(headLineageId(head));
    this.wallets.add(walletId);
    this.anchoring.add(walletId);
  }

  #submission(submission: Submission): void {
    const { settlementId, from, to, mode, destinationId } = submission;
    this.exchange.submission(submission);
    this.settlements.add(settlementId);
    this.payers.add(from);
    if (destinationId !== undefined) this.destinations.add(destinationId);
    for (const id of [from, to]) {
      this.institutions.add(id);
      if (mode !== 'centralized') this.walletsOf.add(id);
    }
    if (mode !== 'centralized') this.chain = true;
  }

  #adopted({ settlementId, from, payer, payee, reverses, netPayout }: Terms): void {
    this.chain = true;
    this.payers.add(from);
    if (netPayout !== undefined) this.wallets.add(netPayout.poolWalletId);
    this.settlements.add(settlementId);
    if (reverses !== undefined) this.settlements.add(reverses);
    for (const claim of [payer, payee]) if (claim.kind === 'wallet') this.wallets.add(claim.walletId);
  }

  #signed({ lineageId, walletId, inputs, payouts }: SignedTransaction): void {
    this.recovery = this.chain = true;
    this.lineages.add(lineageId);
    this.wallets.add(walletId);
    for (const { outpoint } of inputs) this.outpoints.add(outpoint);
    for (const { settlementId, payee } of payouts) {
      this.settlements.add(settlementId);
      // What the copy has as scheduled had begun.
      this.beginning.add(settlementId);
      if (payee.kind === 'wallet') this.wallets.add(payee.walletId);
    }
  }

  #verdict(subject: 'settlement' | 'deposit', id: string): void {
    if (subject === 'settlement') {
      this.settlements.add(id);
      this.reserving.add(id);
    } else {
      this.chain = true;
      this.deposits.add(id);
      this.outpoints.add(id);
    }
  }

  #fact(fact: ChainFact): void {
    this.chain = true;
    switch (fact.kind) {
      case 'transaction_seen':
      case 'transaction_confirmed': {
        const { transaction } = fact;
        this.txids.add(transaction.txid);
        for (const input of transaction.inputs) this.outpoints.add(input.outpoint);
        for (const output of transaction.outputs) {
          this.outpoints.add(output.outpoint);
          this.deposits.add(output.outpoint);
          this.scripts.add(output.script);
          this.wallets.add(output.walletId);
        }
        return;
      }
      case 'transaction_unconfirmed':
      case 'transaction_replaced':
      case 'transaction_evicted':
      case 'transaction_broadcast':
        return void this.txids.add(fact.txid);
      case 'block_connected':
        this.dueHeight = Math.max(this.dueHeight, fact.block.height);
        return;
      case 'block_agreed':
        // What is due may be due since a block that came after this one.
        this.agreed = true;
        return;
      case 'block_disconnected':
      case 'block_disputed':
      case 'fees_estimated':
        return;
      default:
        return assertNever(fact, 'chain fact');
    }
  }
}
