import type { addressV1 } from '@finality/contracts';
import { type EventReader, poolQuery, type Session } from '@finality/event-store';
import { assert } from '@finality/kernel';
import { Authenticator, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { destinationMessage } from '../destination-messages.ts';
import { destinationPage } from '../projections/destinations.projection.ts';
import { destinationStream } from '../streams.ts';
import { AUTHENTICATOR, ISSUER_READER } from '../tokens.ts';
import { Fields, pageSizeOf, pageToken, positionOf, requireActingFor } from './validation.ts';

/** Destinations of an institution, whatever has become of them, oldest first. */
@Controller()
export class ListDestinationsRpc {
  readonly #reader: EventReader;
  readonly #authenticator: Authenticator;
  readonly #env: ServiceEnv;

  constructor(
    @Inject(ISSUER_READER) reader: EventReader,
    @Inject(AUTHENTICATOR) authenticator: Authenticator,
    @Inject(SERVICE_ENV) env: ServiceEnv,
  ) {
    this.#reader = reader;
    this.#authenticator = authenticator;
    this.#env = env;
  }

  @GrpcMethod('DestinationService', 'listDestinations')
  async handle(
    request: addressV1.ListDestinationsRequest,
    metadata: Metadata,
  ): Promise<addressV1.ListDestinationsResponse> {
    const readers = ['operator', 'compliance', 'auditor'] as const;
    const principal = await this.#authenticator.caller(metadata, 'institution', ...readers);
    const { institutionId } = request;
    const { pool, runtime } = this.#env;
    const { epoch } = await this.#reader.head();
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    const size = pageSizeOf(request.pageSize, fields);
    const after = positionOf(request.pageToken, epoch, fields);
    fields.done();
    requireActingFor(principal, institutionId, readers);
    const session: Session = { query: (text, values) => poolQuery(pool, text, values) };
    const rows = await destinationPage(session, institutionId, after, size + 1);
    const page = rows.slice(0, size);
    const loaded = await this.#reader.loadStates(
      destinationStream,
      page.map(({ destinationId }) => destinationId),
    );
    const now = runtime.now();
    return {
      destinations: loaded.map(({ state }) => {
        assert(state.status !== 'none', 'what is listed was asked for');
        return destinationMessage(state, now);
      }),
      nextPageToken: rows.length > size ? pageToken(epoch, page.at(-1)!.position) : '',
    };
  }
}
