import { afterAll, beforeAll, expect, it } from 'vitest';
import { type E2e, startE2e } from './e2e.fixture.ts';
import { SpanCollector } from './spans.fixture.ts';
import { submitTraced, TRACE_ID } from './suites/trace.fixture.ts';

let collector: SpanCollector;
let e2e: E2e;

beforeAll(async () => {
  collector = await SpanCollector.start();
  // The SDK reads its own settings from the environment.
  Object.assign(process.env, collector.environment);
  e2e = await startE2e({ environment: collector.environment });
});

afterAll(async () => {
  await e2e.stop();
  collector.close();
});

it('is one trace from the gRPC call through the events to the broadcast', async () => {
  await submitTraced(e2e);
  // Stopping sends what is left.
  await e2e.platform.stop();
  const names = collector.of(TRACE_ID).map(({ name }) => name);
  expect(names).toContain('finality.settlement.v1.SettlementService/SubmitSettlement');
  expect(names).toContain('sign payout');
  expect(names).toContain('broadcast');
});
