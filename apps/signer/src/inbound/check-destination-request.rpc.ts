import type { signingV1 } from '@finality/contracts';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { requestRefusal } from '@finality/signing';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { usedNonces } from '../allow-list.ts';
import { allowListTermsOf, type SignerConfig } from '../config.ts';
import { poolSession } from '../outbound/pool-session.ts';
import { signatoriesStream } from '../streams.ts';
import { SIGNER_READER, type SignerReader } from '../tokens.ts';
import { StatementFields } from './statement-fields.ts';

/** For whoever keeps requests that wait for a second person: those that couldn't be approved aren't taken. */
@Controller()
export class CheckDestinationRequestRpc {
  readonly #reader: SignerReader;
  readonly #env: ServiceEnv<SignerConfig>;

  constructor(@Inject(SIGNER_READER) reader: SignerReader, @Inject(SERVICE_ENV) env: ServiceEnv<SignerConfig>) {
    this.#reader = reader;
    this.#env = env;
  }

  @GrpcMethod('SigningService', 'checkDestinationRequest')
  async handle(request: signingV1.CheckDestinationRequestRequest): Promise<signingV1.CheckDestinationRequestResponse> {
    const fields = new StatementFields();
    const institutionId = fields.id(request.institutionId, 'institution_id');
    const wanted = fields.place(request);
    const statement = fields.statement(request.request, 'request');
    fields.done();
    const { pool, runtime, config } = this.#env;
    const { state: signatories } = await this.#reader.loadState(signatoriesStream, institutionId);
    const used = await usedNonces(poolSession(pool), [{ institutionId, nonce: statement.nonce }]);
    const refused = requestRefusal(
      { institutionId, wanted, request: statement },
      { ...allowListTermsOf(config), now: runtime.now(), signatories, isUsed: () => used.size > 0 },
    );
    if (refused) throw new RefusalException(refused);
    return {};
  }
}
