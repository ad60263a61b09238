import type {
  Batch,
  CommandHandler,
  Handled,
  MessageRef,
  Session,
  StoreCommand,
  StoredEvent,
  StreamType,
  Timer,
  TimerRef,
} from '@finality/event-store';
import { assertNever, type CauseContext, encodeJson, type Instant, refusal } from '@finality/kernel';

/** A small service for the contract suites: accounts that hold an amount, and a projection of it. */
export type AccountEvent =
  { readonly type: 'deposited'; readonly amount: bigint } | { readonly type: 'withdrawn'; readonly amount: bigint };

export interface AccountState {
  readonly balance: bigint;
  readonly changes: number;
}

export type AccountCommand =
  | { readonly kind: 'deposit'; readonly account: string; readonly amount: bigint }
  /** Refused when the balance doesn't suffice. */
  | { readonly kind: 'withdraw'; readonly account: string; readonly amount: bigint }
  /** Accepted, without events. */
  | { readonly kind: 'ignore'; readonly account: string }
  | { readonly kind: 'throw'; readonly account: string; readonly where: 'load' | 'handle' | 'save' }
  /** Appends, then refuses: a bug that the store must catch. */
  | { readonly kind: 'append-and-refuse'; readonly account: string }
  | { readonly kind: 'schedule'; readonly account: string; readonly timer: Timer }
  | { readonly kind: 'cancel'; readonly account: string; readonly timer: TimerRef };

export interface AccountReply {
  readonly balance: bigint;
}

export const ACCOUNT_TOPIC = 'finality.test.account.v1';
export const ACCOUNT_MESSAGE = 'finality.test.v1.AccountChanged';

export const accountType: StreamType<AccountState, AccountEvent> = {
  aggregate: {
    name: 'account',
    initialState: { balance: 0n, changes: 0 },
    evolve: (state, event) => {
      switch (event.type) {
        case 'deposited':
          return { balance: state.balance + event.amount, changes: state.changes + 1 };
        case 'withdrawn':
          return { balance: state.balance - event.amount, changes: state.changes + 1 };
        default:
          return assertNever(event, 'event');
      }
    },
  },
  institutions: () => ['bank-a', 'bank-b'],
  isOver: ({ balance }) => balance === 0n,
  publish: (event, state, envelope) => [
    {
      topic: ACCOUNT_TOPIC,
      orderingKey: envelope.stream.slice('account/'.length),
      type: ACCOUNT_MESSAGE,
      schemaVersion: 1,
      payload: Buffer.from(encodeJson({ kind: event.type, amount: event.amount, balance: state.balance })),
    },
  ],
};

/** The projection that `save` keeps: to be made by the schema's owner. */
export function accountDdl(schema: { readonly schema: string; readonly serviceRole: string }): string[] {
  return [
    `CREATE TABLE ${schema.schema}.balances (account text PRIMARY KEY, balance bigint NOT NULL, last_position bigint NOT NULL)`,
    `GRANT SELECT, INSERT, UPDATE ON ${schema.schema}.balances TO ${schema.serviceRole}`,
  ];
}

interface World {
  readonly poisoned: boolean;
}

type Command = StoreCommand<AccountCommand>;

export class AccountHandler implements CommandHandler<AccountCommand, World, AccountReply> {
  /** Of those that an odd command concerns: the others are found by `load`. */
  streamsOf(commands: readonly Command[]): readonly string[] {
    return commands.filter((_, i) => i % 2 === 0).map(({ body }) => `account/${body.account}`);
  }

  async load(session: Session, commands: readonly Command[], batch: Batch): Promise<World> {
    const throws = (where: string): boolean =>
      commands.some(({ body }) => body.kind === 'throw' && body.where === where);
    if (throws('load')) throw new Error('this command can’t be loaded for');
    await batch.loadStreams(
      session,
      commands.map(({ body }) => `account/${body.account}`),
    );
    return { poisoned: throws('save') };
  }

  handle({ body }: Command, _world: World, batch: Batch): Handled<AccountReply> {
    switch (body.kind) {
      case 'deposit':
        return this.#accept(batch, body.account, { type: 'deposited', amount: body.amount });
      case 'withdraw':
        if (batch.state(accountType, body.account).balance < body.amount) {
          return {
            kind: 'refused',
            refusal: refusal('failed_precondition', 'TOO_LITTLE', 'the balance doesn’t suffice'),
          };
        }
        return this.#accept(batch, body.account, { type: 'withdrawn', amount: body.amount });
      case 'append-and-refuse':
        batch.append(accountType, body.account, { type: 'deposited', amount: 1n });
        return { kind: 'refused', refusal: refusal('failed_precondition', 'BUG', 'never to be seen') };
      case 'throw':
        if (body.where === 'handle') throw new Error('this command can’t be handled');
        return this.#accept(batch, body.account);
      case 'schedule':
        batch.schedule(body.timer);
        return this.#accept(batch, body.account);
      case 'cancel':
        batch.cancel(body.timer);
        return this.#accept(batch, body.account);
      case 'ignore':
        return this.#accept(batch, body.account);
      default:
        return assertNever(body, 'command');
    }
  }

  async save(session: Session, world: World, events: readonly StoredEvent[], batch: Batch): Promise<void> {
    if (world.poisoned) throw new Error('this command can’t be saved');
    const last = new Map(events.map((event) => [event.stream.slice('account/'.length), event.position]));
    await session.query(
      `INSERT INTO balances (account, balance, last_position) SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
        ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, last_position = excluded.last_position`,
      [[...last.keys()], [...last.keys()].map((id) => batch.state(accountType, id).balance), [...last.values()]],
    );
  }

  #accept(batch: Batch, account: string, ...events: AccountEvent[]): Handled<AccountReply> {
    return { kind: 'accepted', reply: { balance: batch.append(accountType, account, ...events).balance } };
  }
}

export const testCause: CauseContext = {
  actor: { kind: 'institution', id: 'bank-a' },
  occurredAt: 1_769_999_999_000 as Instant,
  correlationId: 'correlation-1',
  causationId: 'request-1',
};

export function deposit(account: string, amount: bigint, more: Partial<Command> = {}): Command {
  return { body: { kind: 'deposit', account, amount }, cause: testCause, ...more };
}

export function withdraw(account: string, amount: bigint, more: Partial<Command> = {}): Command {
  return { body: { kind: 'withdraw', account, amount }, cause: testCause, ...more };
}

export function commandOf(body: AccountCommand, more: Partial<Command> = {}): Command {
  return { body, cause: testCause, ...more };
}

/** A request key whose fields are those of the body. */
export function keyed(key: string, amount: bigint, resourceId = `resource-of-${key}`): Pick<Command, 'idempotency'> {
  const fields = { version: '1', amount: `${amount}` };
  return { idempotency: { principal: 'key-1', rpc: 'Deposit', key, fields, resourceId } };
}

/** A message as a driver would deliver it. */
export function messageOf(orderingKey: string, sequence: number | bigint, more: Partial<MessageRef> = {}): MessageRef {
  const id = `${orderingKey}-${sequence}`;
  return {
    topic: 'finality.test.source.v1',
    orderingKey,
    sequence: BigInt(sequence),
    id,
    type: 'finality.test.v1.SourceChanged',
    schemaVersion: 1,
    headers: {
      ce_id: id,
      ce_type: 'finality.test.v1.SourceChanged',
      ce_schemaversion: '1',
      ce_sequence: `${sequence}`,
    },
    payload: Buffer.from(`payload of ${id}`),
    ...more,
  };
}
