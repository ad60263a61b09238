import { type signingV1, toTimestamp } from '@finality/contracts';
import { fieldError, invalid } from '@finality/kernel';
import { RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { readJournalPage } from '../outbound/journal-reader.ts';

const PAGE_SIZE_DEFAULT = 50;
const PAGE_SIZE_MAX = 1_000;

/** All that was ever accepted for signature, here or by the owners of wallets, oldest first; `last_position` is that of the newest entry of the whole journal. */
@Controller()
export class ListJournalRpc {
  readonly #pool: Pool;

  constructor(@Inject(SERVICE_ENV) env: ServiceEnv) {
    this.#pool = env.pool;
  }

  @GrpcMethod('SigningService', 'listJournal')
  async handle({ afterPosition, pageSize }: signingV1.ListJournalRequest): Promise<signingV1.ListJournalResponse> {
    if (pageSize < 0 || pageSize > PAGE_SIZE_MAX) {
      throw new RefusalException(
        invalid(fieldError('page_size', `expected 1 to ${PAGE_SIZE_MAX} (0: ${PAGE_SIZE_DEFAULT}), got ${pageSize}`)),
      );
    }
    if (afterPosition < 0n)
      throw new RefusalException(invalid(fieldError('after_position', `expected 0 or more, got ${afterPosition}`)));
    const page = await readJournalPage(this.#pool, afterPosition, pageSize || PAGE_SIZE_DEFAULT);
    const entries = page.entries.map(({ signedAt, ...entry }) => ({ ...entry, signedAt: toTimestamp(signedAt) }));
    return { entries, lastPosition: page.lastPosition };
  }
}
