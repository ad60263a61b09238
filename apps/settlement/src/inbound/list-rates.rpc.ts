import type { Metadata } from '@grpc/grpc-js';
import type { exchangeV1 } from '@finality/contracts';
import { liveRate } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { rateEntity } from '../projections/rates.ts';
import { rateMessage } from '../store/exchange-messages.ts';
import { rateStream } from '../store/exchange-streams.ts';
import { refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { parseUnitField } from './money.ts';
import { checkMaker } from './rate-view.ts';

/** More makers than anybody compares. */
const RATES_MAX = 1_000;

/** By maker and units. */
@Controller()
export class ListRatesRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('ExchangeService', 'listRates')
  async handle(
    { makerInstitution, baseUnit, counterUnit }: exchangeV1.ListRatesRequest,
    metadata: Metadata,
  ): Promise<exchangeV1.ListRatesResponse> {
    await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    const { env, reader } = this.#gateway;
    const units = [
      ['base', baseUnit],
      ['counter', counterUnit],
    ] as const;
    refuseInvalid(
      makerInstitution === '' ? undefined : checkMaker(makerInstitution),
      ...units.map(([name, code]) => {
        const unit = parseUnitField(code, `${name}_unit`);
        return code === '' || unit.ok ? undefined : unit.error;
      }),
    );
    const now = env.runtime.now();
    const query = env.readModels.getRepository(rateEntity).createQueryBuilder('rate');
    query.where('rate.validUntil > :now', { now });
    if (makerInstitution !== '') query.andWhere('rate.makerId = :maker', { maker: makerInstitution });
    for (const [name, code] of units) if (code !== '') query.andWhere(`rate.${name} = :${name}`, { [name]: code });
    const rows = await query.orderBy('rate.rateId').limit(RATES_MAX).getMany();
    const ids = rows.map(({ rateId }) => rateId);
    const states = await reader.loadStates(rateStream, ids);
    return {
      rates: states.flatMap(({ state }) =>
        state.status === 'none' || liveRate(state, now) === undefined ? [] : [rateMessage(state)],
      ),
    };
  }
}
