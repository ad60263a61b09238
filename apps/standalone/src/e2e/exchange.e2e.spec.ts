import { onPlatform } from './e2e.fixture.ts';
import { otherUnits } from './suites/exchange.fixture.ts';
import { unitClearing } from './suites/unit-clearing.fixture.ts';

onPlatform('money beside the chain’s', (e2e) => {
  otherUnits(e2e);
  unitClearing(e2e);
});
