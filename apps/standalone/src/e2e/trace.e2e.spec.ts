import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { settlementV1 } from '@finality/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { freshKey } from './bank.fixture.ts';
import { type E2e, startE2e } from './e2e.fixture.ts';

interface Span {
  readonly traceId: string;
  readonly name: string;
}

/** Of the standard's JSON, what is looked at here. */
interface Export {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly Span[] }[] }[];
}

const TRACE_ID = 'c0ffee'.padEnd(32, '1');
const spans: Span[] = [];
let collector: Server;
let e2e: E2e;

beforeAll(async () => {
  collector = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const sent = JSON.parse(Buffer.concat(chunks).toString()) as Export;
      spans.push(...sent.resourceSpans.flatMap((each) => each.scopeSpans.flatMap((scope) => scope.spans)));
      response.setHeader('content-type', 'application/json').end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const address = collector.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  // The SDK reads its own settings from the environment.
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = endpoint;
  process.env['OTEL_EXPORTER_OTLP_PROTOCOL'] = 'http/json';
  e2e = await startE2e({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } });
});

afterAll(async () => {
  await e2e.stop();
  collector.close();
});

it('is one trace from the gRPC call through the events to the broadcast', async () => {
  const [payer, payee] = [await e2e.bank(), await e2e.bank()];
  await payer.fund({ wallet: [40_000_000n] });
  const metadata = payer.api.metadata.clone();
  metadata.set('traceparent', `00-${TRACE_ID}-${'ab'.repeat(8)}-01`);
  const request = settlementV1.SubmitSettlementRequest.fromPartial({
    idempotencyKey: freshKey(),
    fromInstitution: payer.id,
    toInstitution: payee.id,
    amountSats: 5_000_000n,
    settlementMode: settlementV1.SettlementMode.SETTLEMENT_MODE_BILATERAL,
  });
  const { settlementId } = await new Promise<settlementV1.Settlement>((resolve, reject) => {
    payer.api.streams.submitSettlement(request, metadata, (error, settlement) =>
      error === null ? resolve(settlement) : reject(error),
    );
  });
  await payer.executing(settlementId);
  // Stopping sends what is left.
  await e2e.platform.stop();
  const names = spans.filter((span) => span.traceId === TRACE_ID).map((span) => span.name);
  expect(names).toContain('finality.settlement.v1.SettlementService/SubmitSettlement');
  expect(names).toContain('sign payout');
  expect(names).toContain('broadcast');
});
