import type { Metadata } from '@grpc/grpc-js';
import type { settlementV1 } from '@finality/contracts';
import { BTC } from '@finality/ledger';
import { capOf, inOrder, type Position } from '@finality/settlement';
import { Controller, Inject } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { loadPositions } from '../projections/windows.ts';
import { NETTING_ID, nettingStream } from '../store/streams.ts';
import { positionMessage, unitPositionMessage } from '../store/window-messages.ts';
import { checkId, refuseInvalid } from './fields.ts';
import { Gateway } from './gateway.ts';
import { participantOf, showWindow, windowFor } from './window-view.ts';

@Controller()
export class GetWindowRpc {
  readonly #gateway: Gateway;

  constructor(@Inject(Gateway) gateway: Gateway) {
    this.#gateway = gateway;
  }

  @GrpcMethod('WindowService', 'getWindow')
  async handle(
    { windowId }: settlementV1.GetWindowRequest,
    metadata: Metadata,
  ): Promise<settlementV1.GetWindowResponse> {
    const caller = await this.#gateway.caller(metadata, 'institution', 'operator', 'compliance', 'auditor');
    refuseInvalid(checkId('window_id', windowId));
    const participant = participantOf(caller);
    const window = await windowFor(this.#gateway, windowId, participant);
    const { pool } = this.#gateway.env;
    const session = {
      query: async <Row extends object>(text: string, values: readonly unknown[] = []): Promise<Row[]> =>
        (await pool.query<Row>(text, [...values])).rows,
    };
    const positions = await loadPositions(session, new Set([windowId]));
    const { state: netting } = await this.#gateway.reader.loadState(nettingStream, NETTING_ID);
    const { debitCapSats } = this.#gateway.env.config.policy;
    // Of a pair each sees the other's position, and not what it may owe.
    const capSeen = ({ institutionId, unit }: Position): bigint | undefined =>
      participant === undefined || participant === institutionId
        ? capOf(netting, institutionId, unit, debitCapSats)
        : undefined;
    const seesAll = participant === undefined || window.scope.kind === 'bilateral';
    const seen = positions.filter(({ institutionId }) => seesAll || institutionId === participant).sort(inOrder);
    return {
      window: showWindow(window, participant),
      positions: seen
        .filter(({ unit }) => unit === BTC)
        .map((position) => positionMessage(position, window, capSeen(position))),
      unitPositions: seen
        .filter(({ unit }) => unit !== BTC)
        .map((position) => unitPositionMessage(position, window, capSeen(position))),
    };
  }
}
