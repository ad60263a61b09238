import { describe, it } from 'vitest';
import { DISTRIBUTED, kafkaMissing } from './distributed.fixture.ts';
import { onPlatform } from './e2e.fixture.ts';
import { BTCD, btcdMissing } from './nodes.fixture.ts';
import { theApi } from './suites/api.fixture.ts';
import { badInput } from './suites/bad-input.fixture.ts';
import { genericClient } from './suites/call.fixture.ts';
import { depositInReorg } from './suites/deposit-reorgs.fixture.ts';
import { oddDeposits } from './suites/deposits.fixture.ts';
import { liquidity } from './suites/liquidity.fixture.ts';
import { threeModes } from './suites/modes.fixture.ts';
import { bumpedPayouts, UNCOOLED } from './suites/payouts.fixture.ts';
import { SCREENED, screening } from './suites/screening.fixture.ts';
import { settlementInReorg } from './suites/settlement-reorgs.fixture.ts';

const missing = kafkaMissing ?? btcdMissing;
if (missing === undefined) {
  // All on one platform: eight processes take their time to start.
  onPlatform(
    'over Kafka, each service a process of its own',
    (e2e) => {
      describe('three modes', () => threeModes(e2e));
      describe('a deposit', () => oddDeposits(e2e));
      describe('a deposit in a reorg', () => depositInReorg(e2e));
      describe('a settlement in a reorg', () => settlementInReorg(e2e));
      describe('liquidity', () => liquidity(e2e));
      describe('a payout that waits', () => bumpedPayouts(e2e));
      describe('screening', () => screening(e2e));
      describe('bad input', () => badInput(e2e));
      describe('a generic client', () => genericClient(e2e));
      // Last: it stops and starts the platform.
      describe('the API', () => theApi(e2e));
    },
    { node: BTCD, kind: DISTRIBUTED, environment: { ...SCREENED, ...UNCOOLED } },
  );
} else {
  describe('over Kafka, each service a process of its own', () => {
    it.skipIf(process.env['CI'] !== 'true')(`can be started (${missing})`, () => {
      throw new Error(missing);
    });
  });
}
