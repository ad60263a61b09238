import { onBranch, unknownWallet } from '@finality/address';
import type { addressV1 } from '@finality/contracts';
import { type EventReader, poolQuery } from '@finality/event-store';
import { Authenticator, RefusalException, SERVICE_ENV, type ServiceEnv } from '@finality/service';
import type { Metadata } from '@grpc/grpc-js';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { usesOf } from '../projections/address-uses.projection.ts';
import { walletStream } from '../streams.ts';
import { AUTHENTICATOR, ISSUER_READER } from '../tokens.ts';
import { Fields, requireActingFor } from './validation.ts';

/** BIP44's, which most wallets keep to. */
const GAP_LIMIT_DEFAULT = 20;
const GAP_LIMIT_MAX = 1_000_000;
const BRANCHES = [0, 1] as const;
const NONE = { issued: 0, used: 0, largestGap: 0, largestGapFrom: 0 };

/** How long the runs of unused addresses are: past its gap limit, software that recovers a wallet overlooks what follows. */
@Controller()
export class GetGapReportRpc {
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

  @GrpcMethod('AddressService', 'getGapReport')
  async handle(request: addressV1.GetGapReportRequest, metadata: Metadata): Promise<addressV1.GapReport> {
    const readers = ['operator', 'compliance', 'auditor'] as const;
    const principal = await this.#authenticator.caller(metadata, 'institution', ...readers);
    const { institutionId, walletId } = request;
    const fields = new Fields();
    fields.id('institution_id', institutionId);
    fields.id('wallet_id', walletId);
    if (request.gapLimit < 0 || request.gapLimit > GAP_LIMIT_MAX)
      fields.add('gap_limit', `expected 0 (${GAP_LIMIT_DEFAULT}) to ${GAP_LIMIT_MAX}, got ${request.gapLimit}`);
    fields.done();
    requireActingFor(principal, institutionId, readers);
    const { state } = await this.#reader.loadState(walletStream, walletId);
    if (state.status !== 'registered' || state.wallet.institutionId !== institutionId)
      throw new RefusalException(unknownWallet(walletId));
    const gapLimit = request.gapLimit === 0 ? GAP_LIMIT_DEFAULT : request.gapLimit;
    const { pool } = this.#env;
    const uses = await usesOf({ query: (text, values) => poolQuery(pool, text, values) }, walletId);
    const branches = BRANCHES.map((branch) => {
      const { issued, used, largestGap, largestGapFrom } = uses.find((each) => each.branch === branch) ?? NONE;
      const watchedBelow = onBranch(state.watchedBelow, branch);
      return { branch, issued, used, watchedBelow, largestGap, largestGapFrom, exceedsLimit: largestGap > gapLimit };
    });
    return { walletId, gapLimit, branches };
  }
}
