import { type AmlRules, amlRulesVersion, monitor } from '@finality/aml';
import {
  type Batch,
  type CommandHandler,
  type Handled,
  type Session,
  type StoreCommand,
  streamOf,
} from '@finality/event-store';
import { assertNever } from '@finality/kernel';
import type { AmlBody, AmlReply, Monitor } from './commands.ts';
import { verdictStream } from './streams.ts';

const ACCEPTED: Handled<AmlReply> = { kind: 'accepted', reply: undefined };

/** Monitors every settlement and deposit, each once. */
export class AmlHandler implements CommandHandler<AmlBody, undefined, AmlReply> {
  readonly #rules: AmlRules;
  readonly #rulesVersion: string;

  constructor(rules: AmlRules) {
    this.#rules = rules;
    this.#rulesVersion = amlRulesVersion(rules);
  }

  streamsOf(commands: readonly StoreCommand<AmlBody>[]): readonly string[] {
    const subjects = commands.flatMap(({ body }) => (body.kind === 'monitor' ? [body.subjectId] : []));
    return subjects.map((id) => streamOf(verdictStream, id));
  }

  async load(session: Session, commands: readonly StoreCommand<AmlBody>[], batch: Batch): Promise<undefined> {
    await batch.loadStreams(session, this.streamsOf(commands));
  }

  handle({ body }: StoreCommand<AmlBody>, _world: undefined, batch: Batch): Handled<AmlReply> {
    switch (body.kind) {
      case 'monitor':
        this.#monitor(body, batch);
        return ACCEPTED;
      case 'nothing':
        return ACCEPTED;
      default:
        return assertNever(body, 'AML command');
    }
  }

  save(): Promise<void> {
    return Promise.resolve();
  }

  #monitor({ subjectId, subjectKind, amountSats, institutions }: Monitor, batch: Batch): void {
    if (batch.state(verdictStream, subjectId).status !== 'not_monitored') return;
    const movement = { id: subjectId, kind: subjectKind, amountSats, at: batch.now };
    const verdict = monitor(movement, this.#rules, this.#rulesVersion);
    batch.append(verdictStream, subjectId, { type: 'monitored', verdict, institutions });
  }
}
