import type { reconciliationV1 } from '@finality/contracts';
import { assert } from '@finality/kernel';
import type { Run } from '@finality/reconciliation';
import {
  type Authenticator,
  callContext,
  execute,
  RefusalException,
  SERVICE_ENV,
  type ServiceEnv,
} from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { ReconciliationCommand } from '../commands.ts';
import { reportMessage } from '../report-message.ts';
import type { Runner } from '../runner.ts';
import { runStream } from '../streams.ts';
import {
  AUTHENTICATOR,
  READER,
  type ReconciliationReader,
  type ReconciliationStore,
  RUNNER,
  STORE,
} from '../tokens.ts';
import { checkText, READERS, refuseInvalid } from './request.ts';

/**
 * Compares ledger, chain, settlements and signatures at one cut, and answers with the report. The run is stored before it begins, so that
 * the same key always leads to the same report: what a crash interrupted, the repeated request completes.
 */
@Controller()
export class RunReconciliationRpc {
  readonly #store: ReconciliationStore;
  readonly #reader: ReconciliationReader;
  readonly #authenticator: Authenticator;
  readonly #runner: Runner;
  readonly #runtime: ServiceEnv['runtime'];

  constructor(
    @Inject(STORE) store: ReconciliationStore,
    @Inject(READER) reader: ReconciliationReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(RUNNER) runner: Runner,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#store = store;
    this.#reader = reader;
    this.#authenticator = authenticator;
    this.#runner = runner;
    this.#runtime = env.runtime;
  }

  @GrpcMethod('ReconciliationService', 'runReconciliation')
  async handle(
    { idempotencyKey }: reconciliationV1.RunReconciliationRequest,
    metadata: Metadata,
    call: object,
  ): Promise<reconciliationV1.Report> {
    const caller = await this.#authenticator.caller(metadata, ...READERS);
    refuseInvalid(checkText('idempotency_key', idempotencyKey));
    const { correlationId, traceparent } = callContext(call);
    const cause = {
      actor: {
        kind: caller.roles.find((role) => READERS.some((reader) => reader === role)) ?? 'operator',
        id: caller.keyId,
      },
      occurredAt: this.#runtime.now(),
      correlationId,
      causationId: correlationId,
      traceparent,
    };
    const proposed = this.#runtime.id();
    const started = await execute<ReconciliationCommand, Run>(this.#store, {
      body: { kind: 'start_run', reportId: proposed },
      cause,
      idempotency: {
        principal: `key/${caller.keyId}`,
        rpc: 'RunReconciliation',
        key: idempotencyKey,
        fields: { version: '1' },
        resourceId: proposed,
      },
    });
    const reportId = 'repeated' in started ? started.repeated : proposed;
    const { state } = await this.#reader.loadState(runStream, reportId);
    if (state.status === 'completed') return reportMessage(state.report);
    const result = await this.#runner.run();
    if (!result.ok) throw new RefusalException(result.error);
    const body = { kind: 'complete_run' as const, reportId, ...result.value };
    const completed = await execute<ReconciliationCommand, Run>(this.#store, { body, cause });
    assert('reply' in completed && completed.reply.status === 'completed', 'a completed run has a report');
    return reportMessage(completed.reply.report);
  }
}
