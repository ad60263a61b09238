import { settlementV1 } from '@finality/contracts';
import { type ClientReadableStream, credentials, Metadata } from '@grpc/grpc-js';

/** The streaming side of the settlement service, as a client sees it. */
export function settlementStreams(address: string) {
  const client = new settlementV1.SettlementServiceClient(address, credentials.createInsecure());
  return {
    submit: (request: settlementV1.SubmitSettlementRequest, metadata: Metadata) =>
      new Promise<settlementV1.Settlement>((resolve, reject) => {
        client.submitSettlement(request, metadata, (error, response) => (error ? reject(error) : resolve(response)));
      }),
    submitMany: (requests: readonly settlementV1.SubmitSettlementRequest[], apiKey: string) => {
      const call = client.submitSettlements(withKey(apiKey));
      for (const request of requests) call.write(request);
      call.end();
      return { results: call as ClientReadableStream<settlementV1.SubmitSettlementResult> };
    },
    watch: (afterCursor: string, apiKey: string) => client.watchSettlements({ afterCursor }, withKey(apiKey)),
    close: () => client.close(),
  };
}

export function withKey(apiKey: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${apiKey}`);
  return metadata;
}

/** The next messages of a stream, which is then cancelled. Rejects with the stream's status when it ends before. */
export function collect<T>(stream: ClientReadableStream<T>, count: number): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const collected: T[] = [];
    stream.on('data', (message: T) => {
      collected.push(message);
      if (collected.length < count) return;
      resolve(collected);
      stream.cancel();
    });
    stream.on('error', reject);
    stream.on('end', () => reject(new Error(`the stream ended after ${collected.length} messages`)));
  });
}

/** Resolves with the status that a stream ends with. */
export function endOf(stream: ClientReadableStream<unknown>): Promise<{ code: number; metadata: Metadata }> {
  return new Promise((resolve) => {
    stream.on('data', () => undefined);
    stream.on('error', () => undefined);
    stream.on('status', resolve);
  });
}
