import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import type { Outcome, StoreCommand } from '@finality/event-store';
import { assert, err, type Principal, type Refusal } from '@finality/kernel';
import { executeAll, inBatches, inOrder, requestsOf, rpcStatusOf } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcStreamCall } from '@nestjs/microservices';
import { Admission } from '../admission.ts';
import type { SettlementCommand, SettlementReply } from '../store/commands.ts';
import { settlementMessage } from '../store/messages.ts';
import { Gateway } from './gateway.ts';
import { parseSubmission } from './submission.ts';

const REQUESTS_MAX = 500;
/** Of one stream, under way at a time: what comes in while one is stored joins the store's next batch. */
const BATCHES_MAX = 4;

type Request = settlementV1.SubmitSettlementRequest;
type Call = ServerDuplexStream<Request, settlementV1.SubmitSettlementResult>;
type Result = settlementV1.SubmitSettlementResult;

interface Batch {
  readonly requests: readonly Request[];
  /** There was no room for any of them. */
  readonly refused: boolean;
}

/**
 * Many at once: what comes in together is stored together, some batches at a time. Results in the order of the requests. While too many settlements
 * wait for their screening nothing more is read, so that the sender is slowed down rather than refused.
 */
@Controller()
export class SubmitSettlementsRpc {
  readonly #gateway: Gateway;
  readonly #admission: Admission;

  constructor(@Inject(Gateway) gateway: Gateway, @Inject(Admission) admission: Admission) {
    this.#gateway = gateway;
    this.#admission = admission;
  }

  @GrpcStreamCall('SettlementService', 'submitSettlements')
  async *handle(call: Call): AsyncGenerator<Result, void, undefined> {
    const caller = await this.#gateway.caller(call.metadata, 'institution');
    let index = 0n;
    const submitted = inOrder(this.#letIn(call), BATCHES_MAX, (batch) => this.#submit(batch, caller, call));
    for await (const results of submitted) {
      for (const result of results) {
        yield { index, ...result };
        index += 1n;
      }
    }
  }

  async *#letIn(call: Call): AsyncGenerator<Batch, void, undefined> {
    for await (const requests of inBatches(requestsOf<Request>(call), REQUESTS_MAX)) {
      for (let rest = requests; rest.length > 0;) {
        const entered = await this.#admission.enter(rest.length);
        const next = entered === 0 ? rest : rest.slice(0, entered);
        yield { requests: next, refused: entered === 0 };
        rest = rest.slice(next.length);
      }
    }
  }

  async #submit(
    { requests, refused }: Batch,
    caller: Principal,
    call: Call,
  ): Promise<readonly Omit<Result, 'index'>[]> {
    const { env, store } = this.#gateway;
    const cause = this.#gateway.cause(caller, call);
    const parsed = requests.map((request): ReturnType<typeof parseSubmission> => {
      const submission = parseSubmission(request, caller, env.runtime.id());
      return refused && submission.ok ? err(this.#admission.overloaded()) : submission;
    });
    const commands: StoreCommand<SettlementCommand>[] = parsed.flatMap((each) =>
      each.ok
        ? [{ body: { type: 'submit', submission: each.value.submission }, cause, idempotency: each.value.idempotency }]
        : [],
    );
    const outcomes = await executeAll(store, commands);
    const tipHeight = await this.#gateway.tipHeight();
    let next = 0;
    const results: Omit<Result, 'index'>[] = [];
    for (const [i, each] of parsed.entries()) {
      const result = each.ok ? await this.#resultOf(outcomes[next++], tipHeight) : failed(each.error);
      results.push({ idempotencyKey: requests[i]!.idempotencyKey, ...result });
    }
    return results;
  }

  async #resultOf(
    outcome: Outcome<SettlementReply> | undefined,
    tipHeight: number,
  ): Promise<Omit<Result, 'index' | 'idempotencyKey'>> {
    switch (outcome?.kind) {
      case 'accepted':
        assert(outcome.reply.type === 'settlement', 'a settlement was submitted');
        return { settlement: settlementMessage(outcome.reply.settlement, tipHeight) };
      case 'repeated':
        return { settlement: settlementMessage(await this.#gateway.settlement(outcome.resourceId), tipHeight) };
      case 'refused':
        return failed(outcome.refusal);
      case 'failed':
        throw outcome.error;
      default:
        throw new Error(`a submission doesn't end ${outcome?.kind}`);
    }
  }
}

const failed = (error: Refusal): Omit<Result, 'index' | 'idempotencyKey'> => ({ error: rpcStatusOf(error) });
