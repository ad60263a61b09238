import {
  type EventStore,
  type InboxNote,
  NotTheWriter,
  type Outcome,
  type StoreCommand,
  type Writer,
} from '@finality/event-store';
import { refusal } from '@finality/kernel';
import { RefusalException } from '@finality/service';
import type { Recovery } from '@finality/settlement';
import type { SettlementCommand, SettlementReply } from './store/commands.ts';

type Store = EventStore<SettlementCommand, SettlementReply>;
type Item = StoreCommand<SettlementCommand> | InboxNote;

/** `starting`: whether this store is as new as the signer's journal isn't known yet. */
export type GateStatus = 'starting' | Recovery['status'];

/** What recovery itself decides, and the first operators' keys: allowed whatever is known. */
const ALWAYS: ReadonlySet<SettlementCommand['type']> = new Set([
  'register_first_key',
  'begin_recovery',
  'journal_checked',
  'adopt_settlement',
  'import_transaction',
  'journal_imported',
  'finish_recovery',
]);

/** What leads to a new payout. */
const PAYING: ReadonlySet<SettlementCommand['type']> = new Set([
  'submit',
  'bump',
  'retry_reservation',
  'resolve_gridlock',
  'consolidate',
  'anchor_head',
  'prepare_psbt',
  'destinations_assigned',
  'transaction_signed',
  'signing_refused',
]);

/** What may be decided before this store is known to be whole. Of this process: it begins closed with each start. */
export class RecoveryGate {
  #status: GateStatus = 'starting';
  readonly #writer: Pick<Writer, 'lease' | 'schema'> | undefined;

  /** @param writer where several processes share the store: one that stands by doesn't compare anything, and decides nothing */
  constructor(writer?: Pick<Writer, 'lease' | 'schema'>) {
    this.#writer = writer;
  }

  get status(): GateStatus {
    return this.#status;
  }

  get isOpen(): boolean {
    return this.#status === 'normal';
  }

  become(status: Recovery['status']): void {
    this.#status = status;
  }

  /** Between the service and its store: what may not be decided now is refused, and can be tried again. */
  before(store: Store): Store {
    return {
      execute: (commands: readonly Item[]): Promise<readonly Outcome<SettlementReply>[]> => {
        if (this.#writer !== undefined && this.#writer.lease === undefined)
          return Promise.reject(new NotTheWriter(this.#writer.schema));
        const isBarred = commands.some((command) => this.#bars(command));
        return isBarred ? Promise.reject(this.refusal()) : store.execute(commands);
      },
    };
  }

  refusal(): RefusalException {
    const reason = this.#status === 'starting' ? 'STARTING' : 'RECOVERING';
    const message = MESSAGES[this.#status];
    return new RefusalException(refusal('unavailable', reason, message, { retryable: true }));
  }

  #bars(command: Item): boolean {
    if (this.#status === 'normal') return false;
    if ('note' in command) return this.#status !== 'reconciling';
    const { type } = command.body;
    return this.#status === 'reconciling' ? PAYING.has(type) : !ALWAYS.has(type);
  }
}

const MESSAGES: Readonly<Record<GateStatus, string>> = {
  normal: 'nothing is held up',
  starting: 'the service is starting: the signer’s journal has not been compared with its store yet',
  importing: 'the service was restored from an older copy, and imports the signer’s journal',
  reconciling:
    'the service was restored from an older copy, and pays nothing before ledger and chain have been reconciled',
};
