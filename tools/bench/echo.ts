import { settlementV1, toTimestamp } from '@finality/contracts';
import type { Instant } from '@finality/kernel';
import { Server, ServerCredentials, type ServerDuplexStream, type UntypedServiceImplementation } from '@grpc/grpc-js';

// A bare gRPC server that answers submissions at once with what an accepted one looks like: a process of its own.

type Request = settlementV1.SubmitSettlementRequest;
const { SETTLEMENT_STATUS_RECEIVED, SETTLEMENT_STATUS_SCREENING } = settlementV1.SettlementStatus;
/** As long as those of the service. */
const ID = '0198b3a0-7c00-7000-8000-000000000000';
const at = toTimestamp(Date.now() as Instant);

const answer = ({ fromInstitution, toInstitution, amountSats, settlementMode, referenceId }: Request) =>
  settlementV1.Settlement.fromPartial({
    settlementId: ID,
    fromInstitution,
    toInstitution,
    amountSats,
    settlementMode,
    referenceId,
    status: SETTLEMENT_STATUS_SCREENING,
    createdAt: at,
    updatedAt: at,
    transitions: [SETTLEMENT_STATUS_RECEIVED, SETTLEMENT_STATUS_SCREENING].map((status) => ({ status, at })),
  });

const handlers: UntypedServiceImplementation = {
  submitSettlement: (
    call: { readonly request: Request },
    done: (error: null, value: settlementV1.Settlement) => void,
  ) => done(null, answer(call.request)),
  submitSettlements: (call: ServerDuplexStream<Request, settlementV1.SubmitSettlementResult>) => {
    let index = 0n;
    call.on('data', (request: Request) => {
      call.write({ index, idempotencyKey: request.idempotencyKey, settlement: answer(request) });
      index += 1n;
    });
    call.on('end', () => call.end());
  },
};

const server = new Server();
server.addService(settlementV1.SettlementServiceService, handlers);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ grpc: `127.0.0.1:${port}` });
});
process.on('disconnect', () => process.exit(0));
